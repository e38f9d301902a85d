/**
 * Asks one target as the gateway would: the same body, headers and way. The `openai` package reads the answers, as an independent
 * client of the same wire.
 */
import OpenAI, { APIError } from 'openai'
import type { ChatCompletionChunk, ChatCompletionCreateParamsStreaming } from 'openai/resources/chat/completions'
import { answerTokensOf, type TargetPolicy } from '../../orchestrator/policy.ts'
import { providerOptions } from '../../orchestrator/providers/connect.ts'
import { endpointUrl } from '../../orchestrator/providers/openai.ts'
import { type LearnedChange, type OutgoingRequest, TargetRequests } from '../../orchestrator/providers/request-body.ts'
import { originFetch } from './origin-fetch.ts'

/** The longest that one target is waited for, its list and its answer each, in milliseconds; above, it cannot answer. */
const listMs = 15_000
const answerMs = 120_000

const messages = [
  { role: 'system', content: 'You answer in one word.' },
  { role: 'user', content: 'Say yes.' },
] as const

export type ListCheck =
  | { readonly kind: 'listed'; readonly count: number; readonly hasModel: boolean }
  | { readonly kind: 'failed'; readonly why: Trouble }

export type AnswerCheck =
  | {
      readonly kind: 'answered'
      readonly firstTokenMs: number
      readonly finishReason: string | undefined
      readonly usage: { readonly inputTokens: number; readonly outputTokens: number } | undefined
      readonly hasReasoning: boolean
      readonly hasText: boolean
      /** As the endpoint calls it. */
      readonly model: string | undefined
    }
  | { readonly kind: 'failed'; readonly why: Trouble }

/** What an endpoint, or the way to it, said. */
export interface Trouble {
  readonly status?: number
  readonly code?: string
  /** Words of the endpoint, maybe with a key in them. */
  readonly message: string
}

export interface TargetCheck {
  readonly list: ListCheck
  readonly answer: AnswerCheck
  /** How the request had to be changed. */
  readonly repairs: readonly LearnedChange[]
}

/** Never rejects. */
export async function checkTarget(target: TargetPolicy, standardAnswerTokens: number): Promise<TargetCheck> {
  const { form = {}, connection = {}, baseUrl } = providerOptions(target)
  const requests = new TargetRequests(form, () => undefined)
  const apiKey = target.keys[0]?.reveal() ?? ''
  const clientFor = (path: string) =>
    new OpenAI({
      apiKey: 'in the headers',
      baseURL: 'http://target.invalid',
      maxRetries: 0,
      fetch: originFetch(endpointUrl(baseUrl, path, form.query), connection, requests.headers(apiKey)),
    })
  const maxOutputTokens = answerTokensOf(target, standardAnswerTokens)
  const outgoing = requests.start({ model: target.model, messages, maxOutputTokens, apiKey })
  const list = await listModels(clientFor('models'), target.model)
  const answer = await askRepaired(clientFor('chat/completions'), outgoing)
  return { list, answer, repairs: outgoing.repairs }
}

async function listModels(client: OpenAI, model: string): Promise<ListCheck> {
  try {
    const { data } = await client.models.list({ signal: AbortSignal.timeout(listMs) })
    const ids = (data ?? []).map(({ id }) => id)
    // Gemini's compatible mode lists `models/gemini-…`.
    return { kind: 'listed', count: ids.length, hasModel: ids.some((id) => id === model || id === `models/${model}`) }
  } catch (error) {
    return { kind: 'failed', why: troubleOf(error) }
  }
}

async function askRepaired(client: OpenAI, outgoing: OutgoingRequest): Promise<AnswerCheck> {
  const signal = AbortSignal.timeout(answerMs)
  for (;;) {
    const { body } = outgoing
    if (body === undefined)
      return { kind: 'failed', why: { message: 'the context is too small for one short question' } }
    try {
      return await ask(client, body, signal)
    } catch (error) {
      const isRefused = error instanceof APIError && typeof error.status === 'number'
      if (!isRefused || !outgoing.repair(error.status, JSON.stringify({ error: error.error }))) {
        return { kind: 'failed', why: troubleOf(error) }
      }
    }
  }
}

async function ask(client: OpenAI, body: object, signal: AbortSignal): Promise<AnswerCheck> {
  const startedMs = performance.now()
  // The body is built by the gateway; that it is a request of this kind is what the endpoint is asked.
  const stream = await client.chat.completions.create(body as ChatCompletionCreateParamsStreaming, { signal })
  let firstTokenMs: number | undefined
  let finishReason: string | undefined
  let usage: { readonly inputTokens: number; readonly outputTokens: number } | undefined
  let model: string | undefined
  let [hasText, hasReasoning] = [false, false]
  for await (const chunk of stream) {
    const { text, reasoning } = piecesOf(chunk)
    if (text || reasoning) firstTokenMs ??= performance.now() - startedMs
    hasText ||= text
    hasReasoning ||= reasoning
    finishReason = chunk.choices?.[0]?.finish_reason || finishReason
    model ??= chunk.model
    if (chunk.usage) usage = { inputTokens: chunk.usage.prompt_tokens, outputTokens: chunk.usage.completion_tokens }
  }
  if (firstTokenMs === undefined) return { kind: 'failed', why: { message: 'the answer has no text' } }
  return { kind: 'answered', firstTokenMs, finishReason, usage, hasReasoning, hasText, model }
}

/** Whether there is text and thinking in it, by any of the names that servers have for it. */
function piecesOf({ choices }: ChatCompletionChunk): { readonly text: boolean; readonly reasoning: boolean } {
  // More than the package knows of.
  const delta: { readonly content?: unknown; readonly reasoning_content?: unknown; readonly reasoning?: unknown } =
    choices?.[0]?.delta ?? {}
  const isThere = (piece: unknown) => (typeof piece === 'string' || Array.isArray(piece) ? piece.length > 0 : false)
  return { text: isThere(delta.content), reasoning: isThere(delta.reasoning_content) || isThere(delta.reasoning) }
}

function troubleOf(error: unknown): Trouble {
  if (error instanceof APIError && typeof error.status === 'number') {
    const code = typeof error.code === 'string' ? error.code : undefined
    return { status: error.status, ...(code && { code }), message: error.message }
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
  return { ...(code && { code }), message: cause instanceof Error ? cause.message : String(cause) }
}
