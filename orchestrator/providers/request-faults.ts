/**
 * What an endpoint says is wrong with a request's form, in the words of the many servers that speak like OpenAI.
 *
 * A refusal may quote the conversation. So what is read here is a guess: the request is repeated in another form, and the guess
 * is remembered only when the endpoint takes that.
 */

/** Statuses of a request that is at fault: 422 is what servers with a schema answer. */
const statuses: ReadonlySet<number> = new Set([400, 422])
/** What is looked at of a refusal, in characters; the rest is most likely the request again. */
const wordsLength = 4_000
/** Bounds between which a number in a refusal is a model's context or longest answer, in tokens. */
const plausible = { least: 16, most: 100_000_000 }

export type RequestFault =
  /** Parameters that were sent and are not taken, or not with this value. */
  | { readonly kind: 'unsupported'; readonly names: readonly string[] }
  /** The answer asked for is too long; this many tokens are not. */
  | { readonly kind: 'answer-too-long'; readonly tokens: number }
  /** Prompt and answer are longer than the model's context of this many tokens. */
  | { readonly kind: 'context'; readonly tokens: number }
  /** The model takes no system prompt. */
  | { readonly kind: 'no-system' }

export interface SentRequest {
  /** Parameters that can be left out, as they were sent. */
  readonly removable: readonly string[]
  /** The limit of the answer's tokens that was sent, if one was. */
  readonly answerTokens: number | undefined
  readonly hasSystem: boolean
}

/** Undefined: nothing that another form of the request would help. */
export function faultIn(status: number, text: string, sent: SentRequest): RequestFault | undefined {
  if (!statuses.has(status)) return undefined
  const refusal = readRefusal(text)
  const contextTokens = contextIn(refusal)
  if (contextTokens !== undefined) return { kind: 'context', tokens: contextTokens }
  const names = namesIn(refusal, sent.removable)
  if (names.length > 0 && unsupportedCode.test(refusal.code)) return { kind: 'unsupported', names }
  const answerTokens = answerLimitIn(refusal, sent.answerTokens)
  if (answerTokens !== undefined) return { kind: 'answer-too-long', tokens: answerTokens }
  if (names.length > 0) return { kind: 'unsupported', names }
  return sent.hasSystem && noSystem.some((form) => form.test(refusal.words)) ? { kind: 'no-system' } : undefined
}

interface ReadRefusal {
  /** The text without the backslashes of JSON in JSON, and with single blanks: the forms below then take linear time. */
  readonly words: string
  readonly code: string
  readonly param: string
}

function readRefusal(text: string): ReadRefusal {
  const words = text
    .slice(0, wordsLength)
    .replaceAll(/\\{1,4}[nrt]|\s+/g, ' ')
    .replaceAll('\\', '')
    .replaceAll(/ {2,}/g, ' ')
  const error = errorIn(text)
  const textOf = (value: unknown) => (typeof value === 'string' ? value : '')
  return { words, code: textOf(error?.code) || textOf(error?.type), param: textOf(error?.param) }
}

function errorIn(
  text: string,
): { readonly code?: unknown; readonly type?: unknown; readonly param?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    // Gemini's compatible mode answers a list.
    const one: unknown = Array.isArray(value) ? value[0] : value
    if (typeof one !== 'object' || one === null) return undefined
    return 'error' in one && typeof one.error === 'object' && one.error !== null ? one.error : one
  } catch {
    return undefined
  }
}

const unsupportedCode = /^(?:unsupported|unknown|unrecognized)_(?:parameter|value|argument|field)$/

/** A name, maybe in quotes of any kind. */
const name = '[\'"`]?([A-Za-z][\\w.-]{0,63})'
const what = '(?:parameter|param|argument|field|property|option|value|key|setting|name)'
const forms: readonly RegExp[] = [
  // Unsupported parameter: 'max_tokens' · Unrecognized request argument supplied: stream_options · Unknown name "x"
  `(?:unsupported|unrecognized|unknown|unexpected|extraneous)\\s+(?:request\\s+)?${what}s?(?:\\s+supplied)?\\s*[:=]?\\s*[[(]?\\s*${name}`,
  // 'stream_options' is unsupported · parameter 'x' is not a valid field · `temperature` is deprecated
  `${name}['"\`]?\\s+(?:${what}\\s+)?(?:is|are)\\s+(?:unsupported|unknown|deprecated|not\\s+(?:currently\\s+)?(?:supported|recognized|permitted|allowed|available|a\\s+valid))`,
  // Model x does not support parameter presencePenalty · models don't support temperature=0.2
  `(?:does\\s+not|doesn't|do\\s+not|don't|cannot)\\s+support\\s+(?:the\\s+)?(?:${what}s?)?\\s*:?\\s*[[(]?\\s*${name}`,
  // Argument not supported on this model: reasoningEffort
  `not\\s+supported\\s+(?:on|by|for|with)\\s+th(?:is|e)\\s+model:\\s*${name}`,
  // stream_options: Extra inputs are not permitted · x: unknown field
  `${name}['"\`]?:\\s*(?:extra\\s+(?:inputs|fields)|unknown\\s+(?:field|parameter|argument))`,
  // Additional properties are not allowed ('stream_options' was unexpected)
  `not\\s+allowed\\s+\\(\\s*${name}`,
  // "loc": ["body", "stream_options"] of pydantic, as JSON or as Python writes it
  `loc['"]\\s*:\\s*[[(]\\s*['"]body['"]\\s*,\\s*${name}`,
].map((form) => new RegExp(form, 'gi'))

const noSystem: readonly RegExp[] = [
  /messages\[0\]\.role'? does not support 'system'/i,
  /system role (?:is )?not supported/i,
  /(?:does not|doesn't) support (?:the )?(?:'?system'? (?:role|message|prompt)|system instruction)/i,
  /developer instruction is not enabled/i,
]

function namesIn({ words, code, param }: ReadRefusal, removable: readonly string[]): readonly string[] {
  const said = forms.flatMap((form) => [...words.matchAll(form)].map(([, found = '']) => found))
  if (unsupportedCode.test(code)) said.push(param)
  const canonical = new Set(said.map((found) => canonicalName(found)))
  return removable.filter((one) => canonical.has(canonicalName(one)))
}

/** `stream_options.include_usage` and `streamOptions` are `stream_options`. */
function canonicalName(written: string): string {
  return (written.split('.', 1)[0] ?? '').replaceAll(/[_-]/g, '').toLowerCase()
}

const contextForms: readonly RegExp[] = [
  // Anthropic: exceed context limit: 190000 + 20000 > 200000 · prompt is too long: 205000 tokens > 200000 maximum
  /\d \+ \d+ > (\d+)/,
  /> (\d+) maximum/i,
  /maximum context length(?: is| of)?:? (\d+)/i,
  /(\d+) maximum context length/i,
  /"?n_ctx"?\s*[:=]\s*(\d+)/i,
  /max_(?:model_len|total_tokens)\D{0,20}(\d+)/i,
  /max_new_tokens`? must be <=? ?(\d+)/i,
  /`inputs` must have less than (\d+) tokens/i,
  /maximum number of tokens allowed \(?(\d+)/i,
  /context (?:size|window|length|limit)[^\d.]{0,40}(\d+)/i,
]

function contextIn({ words }: ReadRefusal): number | undefined {
  return contextForms.map((form) => numberIn(form.exec(words)?.[1])).find((tokens) => tokens !== undefined)
}

function numberIn(digits: string | undefined): number | undefined {
  const number = Number(digits)
  return number >= plausible.least && number <= plausible.most ? number : undefined
}

/** max_tokens is too large: 100000. This model supports at most 16384 · the valid range of max_tokens is [1, 8192] */
function answerLimitIn({ words, param }: ReadRefusal, asked = 0): number | undefined {
  const isMeant = /^max_(?:completion_)?tokens$/.test(param) || /max_(?:completion_|output_)?tokens/.test(words)
  if (!isMeant || !/too large|at most|less than or equal|valid range|maximum|exceed|<=/i.test(words)) return undefined
  const smaller = [...words.matchAll(/\d+/g)].map(([digits]) => Number(digits)).filter((number) => number < asked)
  const tokens = Math.max(...smaller)
  return tokens >= plausible.least ? tokens : undefined
}
