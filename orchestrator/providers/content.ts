/**
 * A message's content as providers write it: a text, or a list of parts of which some are text, some are thinking, and some
 * are neither (OpenAI, Mistral, Anthropic's compatible mode).
 */
export interface Content {
  readonly text: string
  readonly thought: string
}

export function readContent(content: unknown): Content {
  if (typeof content === 'string') return { text: content, thought: '' }
  if (!Array.isArray(content)) return { text: textOf(content), thought: thoughtOf(content) }
  let text = ''
  let thought = ''
  for (const part of content) {
    text += textOf(part)
    thought += thoughtOf(part)
  }
  return { text, thought }
}

function textOf(part: unknown): string {
  if (typeof part === 'string') return part
  const { type, text, refusal } = fieldsOf(part)
  if (type === 'refusal') return typeof refusal === 'string' ? refusal : ''
  const isText = type === undefined || type === 'text' || type === 'output_text' || type === 'text_delta'
  return isText && typeof text === 'string' ? text : ''
}

/** The thinking of a part is a text, or a list of parts of its own. */
function thoughtOf(part: unknown): string {
  const { type, thinking, reasoning, text } = fieldsOf(part)
  if (type !== 'thinking' && type !== 'reasoning' && type !== 'thinking_delta') return ''
  const inner = thinking ?? reasoning ?? text
  return typeof inner === 'string' ? inner : Array.isArray(inner) ? inner.map(textOf).join('') : ''
}

function fieldsOf(part: unknown): Readonly<Record<string, unknown>> {
  // The boundary: every field is `unknown` until it was looked at.
  return typeof part === 'object' && part !== null ? (part as Readonly<Record<string, unknown>>) : {}
}
