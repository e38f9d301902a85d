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
      /** Thinking that is sent beside the answer. */
      readonly thought?: string
      readonly finishReason?: string
      readonly usage?: NonNullable<ProviderEnd['usage']>
      readonly model?: string
      readonly id?: string
    }
  | { readonly kind: 'error'; readonly failure: ProviderFailure }

export function readChunk(data: string): Chunk {
  const event = parse(data)
  if (event === undefined) return { kind: 'error', failure: illness("the model's answer was not readable") }
  if (event.error) return { kind: 'error', failure: failureInStream(event.error) }
  const choice = event.choices?.[0]
  const text = choice?.delta?.content
  const thought = choice?.delta?.reasoning_content ?? choice?.delta?.reasoning
  const usage = event.usage ? readUsage(event.usage) : undefined
  return {
    kind: 'chunk',
    text: typeof text === 'string' ? text : '',
    ...(typeof thought === 'string' && thought !== '' && { thought }),
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
    /** vLLM called the thinking `reasoning_content` and calls it `reasoning` now. */
    readonly delta?: {
      readonly content?: unknown
      readonly reasoning_content?: unknown
      readonly reasoning?: unknown
    } | null
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
