/**
 * One event of a streamed chat completion, or a whole completion. Read by hand and leniently, since this is run for every
 * token and each provider adds fields of its own: what is not understood is passed over; only an error or something that is
 * no JSON at all is a failure.
 */
import type { ProviderEnd, ProviderFailure } from '../ports.ts'
import { readContent } from './content.ts'
import { finishReasonOf } from './finish-reason.ts'
import { failureInStream, illness } from './refusals.ts'

export interface Chunk {
  readonly text: string
  /** `text` is all of the answer so far, not a piece of it. */
  readonly isWhole?: true
  /** Thinking that is sent beside the answer. */
  readonly thought?: string
  /** The model calls a tool. */
  readonly isToolCall?: true
  /** `error` is told as `failure`. */
  readonly finishReason?: string
  readonly usage?: NonNullable<ProviderEnd['usage']>
  readonly model?: string
  readonly id?: string
  /** The provider failed; the text beside it came before. */
  readonly failure?: ProviderFailure
  /** The failure is that it is no JSON. */
  readonly isUnreadable?: true
}

/** `event`: the event's name, where it has one. */
export function readChunk(data: string, event?: string): Chunk {
  const value = parse(data)
  if (value === undefined) {
    if (event === undefined || event === 'message')
      return { text: '', failure: illness("the model's answer was not readable"), isUnreadable: true }
    return event === 'error' ? failed(failureInStream({})) : { text: '' }
  }
  const error = errorIn(value, event)
  return error === undefined ? readCompletion(value) : failed(failureInStream(error))
}

function failed(failure: ProviderFailure): Chunk {
  return { text: '', failure }
}

function readCompletion(event: Event): Chunk {
  // Where several answers were asked for, the first is told.
  const choice = listOf(event.choices).find((one) => typeof one?.index !== 'number' || one.index === 0)
  const { delta, message } = choice ?? {}
  const said = delta ?? message
  const { text, thought } = readContent(said?.content ?? choice?.text)
  const reasoning = said?.reasoning_content ?? said?.reasoning
  const thinking = typeof reasoning === 'string' ? reasoning + thought : thought
  const refusal = typeof said?.refusal === 'string' ? said.refusal : ''
  const reason = finishReasonOf(choice?.finish_reason ?? choice?.finishReason)
  const usage = readUsage(event.usage ?? event.x_groq?.usage ?? choice?.usage)
  const isToolCall = callsTool(said) || reason === 'tool_calls'
  const failure = choice?.error || reason === 'error' ? failureInStream(choice?.error ?? {}) : undefined
  return {
    text: text + refusal,
    ...(!delta && message && { isWhole: true }),
    ...(thinking !== '' && { thought: thinking }),
    ...(isToolCall && { isToolCall }),
    ...(reason !== undefined && reason !== 'error' && { finishReason: reason }),
    ...(usage && { usage }),
    ...(typeof event.model === 'string' && { model: event.model }),
    ...(typeof event.id === 'string' && { id: event.id }),
    ...(failure && { failure }),
  }
}

/** What an event says of the provider's failure, in the shapes that are met; `undefined`: nothing. */
function errorIn(value: Event, event: string | undefined): unknown {
  if (value.error) return value.error
  const isNamed = event === 'error' || value.object === 'error' || value.type === 'error'
  const isBare = value.choices === undefined && value.usage === undefined && (value.detail || value.error_code)
  return isNamed || isBare ? value : undefined
}

function callsTool(said: Said | null | undefined): boolean {
  return listOf(said?.tool_calls).length > 0 || Boolean(said?.function_call)
}

interface Said {
  readonly content?: unknown
  /** vLLM called the thinking `reasoning_content` and calls it `reasoning` now. */
  readonly reasoning_content?: unknown
  readonly reasoning?: unknown
  readonly refusal?: unknown
  readonly tool_calls?: readonly unknown[] | null
  readonly function_call?: unknown
}

interface Event {
  readonly id?: unknown
  readonly model?: unknown
  readonly object?: unknown
  readonly type?: unknown
  readonly detail?: unknown
  readonly error_code?: unknown
  readonly choices?: readonly ({
    readonly index?: unknown
    readonly delta?: Said | null
    /** In place of the delta where the answer comes whole. */
    readonly message?: Said | null
    readonly text?: unknown
    readonly finish_reason?: unknown
    readonly finishReason?: unknown
    readonly usage?: UsageFields | null
    readonly error?: unknown
  } | null)[]
  readonly usage?: UsageFields | null
  readonly x_groq?: { readonly usage?: UsageFields | null } | null
  readonly error?: unknown
}

interface UsageFields {
  readonly prompt_tokens?: unknown
  readonly completion_tokens?: unknown
  readonly total_tokens?: unknown
  readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null
  /** DeepSeek's name for them. */
  readonly prompt_cache_hit_tokens?: unknown
  readonly completion_tokens_details?: { readonly reasoning_tokens?: unknown } | null
  readonly reasoning_tokens?: unknown
}

function parse(data: string): Event | undefined {
  try {
    const json: unknown = JSON.parse(data)
    const value: unknown = Array.isArray(json) ? json[0] : json
    // The boundary: every field is `unknown` until it was looked at. A number, a text or an empty list says nothing.
    return typeof value === 'object' && value !== null ? (value as Event) : {}
  } catch {
    return undefined
  }
}

function listOf<T>(value: readonly T[] | null | undefined): readonly T[] {
  return Array.isArray(value) ? value : []
}

/**
 * Some count what was thought beside the completion (xAI, Gemini's compatible mode): then the total is more than both, and
 * the rest of it is output too.
 */
function readUsage(fields: UsageFields | null | undefined): NonNullable<ProviderEnd['usage']> | undefined {
  const { prompt_tokens: inputTokens, completion_tokens: completionTokens, total_tokens: total } = fields ?? {}
  if (!isCount(inputTokens) || !isCount(completionTokens)) return undefined
  const outputTokens = isCount(total) ? Math.max(completionTokens, total - inputTokens) : completionTokens
  const cachedTokens = fields?.prompt_tokens_details?.cached_tokens ?? fields?.prompt_cache_hit_tokens
  const reasoningTokens = fields?.completion_tokens_details?.reasoning_tokens ?? fields?.reasoning_tokens
  return {
    inputTokens,
    outputTokens,
    ...(isCount(cachedTokens) && { cachedTokens }),
    ...(isCount(reasoningTokens) && { reasoningTokens: Math.min(reasoningTokens, outputTokens) }),
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
