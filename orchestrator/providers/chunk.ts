/**
 * One event of a streamed chat completion. Read by hand and leniently, since this is run for every token and each provider
 * adds fields of its own: what is not understood is passed over, only an error object or no JSON at all is a failure.
 */
import type { ProviderEnd, ProviderFailure } from '../ports.ts'
import { failureOfStatus, illness } from './refusals.ts'

export type Chunk =
  | {
      readonly kind: 'chunk'
      readonly text: string
      readonly finishReason?: string
      readonly usage?: NonNullable<ProviderEnd['usage']>
      readonly model?: string
      readonly id?: string
    }
  | { readonly kind: 'error'; readonly failure: ProviderFailure }

/**
 * Reads one stream's events. Most differ from the one before in the content alone, so what stands around it is remembered:
 * JSON that equals known JSON but for one plain string literal says the same but for that string. It takes a tenth of the
 * time of parsing, which is most of a token's cost after the socket's; whatever does not fit is parsed.
 */
export function createChunkReader(): (data: string) => Chunk {
  let frame: Frame | undefined
  let learnings = 0
  return (data) => {
    const content = frame === undefined ? undefined : contentWithin(frame, data)
    if (content !== undefined) return { kind: 'chunk', text: content }
    const chunk = readChunk(data)
    if (learnings < learningsMax && isTextAlone(chunk)) {
      learnings++
      frame = frameOf(data)
    }
    return chunk
  }
}

/** Providers that put something new into every event are not worth more tries. */
const learningsMax = 3

interface Frame {
  readonly before: string
  readonly after: string
}

const opening = '"content":"'
/** What a JSON string cannot hold as it is. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 8259, section 7, names exactly these
const notPlain = /["\\\u0000-\u001f]/

function contentWithin({ before, after }: Frame, data: string): string | undefined {
  const end = data.length - after.length
  // Slices are compared at once; `startsWith` and `endsWith` go character by character, and took longer than parsing.
  if (end < before.length || data.slice(0, before.length) !== before || data.slice(end) !== after) return undefined
  const content = data.slice(before.length, end)
  return notPlain.test(content) ? undefined : content
}

function isTextAlone(chunk: Chunk): boolean {
  return chunk.kind === 'chunk' && chunk.text !== '' && chunk.finishReason === undefined && chunk.usage === undefined
}

/** Undefined unless the one place found is the one that is read: another string put there must come out. */
function frameOf(data: string): Frame | undefined {
  const start = data.indexOf(opening) + opening.length
  const end = data.indexOf('"', start)
  if (start < opening.length || end < 0) return undefined
  const before = data.slice(0, start)
  const after = data.slice(end)
  const probe = readChunk(`${before}probe${after}`)
  return probe.kind === 'chunk' && probe.text === 'probe' ? { before, after } : undefined
}

export function readChunk(data: string): Chunk {
  const event = parse(data)
  if (event === undefined) return { kind: 'error', failure: illness("the model's answer was not readable") }
  if (event.error) return { kind: 'error', failure: failureInStream(event.error) }
  const choice = event.choices?.[0]
  const text = choice?.delta?.content
  const usage = event.usage ? readUsage(event.usage) : undefined
  return {
    kind: 'chunk',
    text: typeof text === 'string' ? text : '',
    ...(typeof choice?.finish_reason === 'string' && { finishReason: choice.finish_reason }),
    ...(usage && { usage }),
    ...(typeof event.model === 'string' && { model: event.model }),
    ...(typeof event.id === 'string' && { id: event.id }),
  }
}

interface Event {
  readonly id?: unknown
  readonly model?: unknown
  readonly choices?: readonly ({
    readonly delta?: { readonly content?: unknown } | null
    readonly finish_reason?: unknown
  } | null)[]
  readonly usage?: UsageFields | null
  readonly error?: { readonly code?: unknown; readonly status?: unknown; readonly type?: unknown } | null
}

interface UsageFields {
  readonly prompt_tokens?: unknown
  readonly completion_tokens?: unknown
  readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null
}

function parse(data: string): Event | undefined {
  try {
    const value: unknown = JSON.parse(data)
    // The boundary: every field is `unknown` until it was looked at.
    return typeof value === 'object' && value !== null ? (value as Event) : undefined
  } catch {
    return undefined
  }
}

function readUsage(fields: UsageFields): NonNullable<ProviderEnd['usage']> | undefined {
  const { prompt_tokens: inputTokens, completion_tokens: outputTokens } = fields
  if (!isCount(inputTokens) || !isCount(outputTokens)) return undefined
  const cachedTokens = fields.prompt_tokens_details?.cached_tokens
  return isCount(cachedTokens) ? { inputTokens, outputTokens, cachedTokens } : { inputTokens, outputTokens }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function failureInStream(error: NonNullable<Event['error']>): ProviderFailure {
  for (const status of [error.status, error.code].map(Number))
    if (status >= 400 && status <= 599) return failureOfStatus(status)
  if (error.type === 'rate_limit_error' || error.code === 'rate_limit_exceeded') return failureOfStatus(429)
  return illness("the model's provider failed in the middle of its answer")
}
