// The shapes of the wire. What is the same in all chunks of an answer is encoded once; a token costs one JSON string.
import type { Answer } from './answer.ts'

export interface ApiError {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | null
}

export function errorBody(error: ApiError): string {
  return JSON.stringify({ error })
}

export const MIDWAY_ERROR: ApiError = {
  message: 'The server had an error while processing your request.',
  type: 'server_error',
  param: null,
  code: null,
}

export const DONE_EVENT = 'data: [DONE]\n\n'

const fingerprint = 'fp_sluice_demo'

export interface Envelope {
  readonly id: string
  readonly createdSeconds: number
  readonly model: string
}

/** Makes the events of one streamed answer. */
export interface Encoder {
  /** Thoughts are events of their own, and may come one by one. */
  readonly showsThoughts: boolean
  /** What comes before all else. */
  begin(): string
  /** Thinking, in the pieces in which it is made; empty where it is made unseen. */
  thoughts(pieces: readonly string[]): string
  content(token: string): string
  /** The rest of an answer that is whole; `answer` is undefined where its usage is not told. */
  end(reason: string, answer: Answer | undefined, thoughtCount: number): string
  /** The provider fails in the middle. */
  error(): string
}

/** As OpenAI writes them. */
export class ChunkEncoder implements Encoder {
  readonly showsThoughts = false
  readonly #before: string
  readonly #after: string
  readonly #envelope: Envelope
  readonly #includesUsage: boolean

  constructor(envelope: Envelope, includesUsage: boolean) {
    const { id, createdSeconds: created, model } = envelope
    const head = { id, object: 'chat.completion.chunk', created, model, system_fingerprint: fingerprint }
    this.#envelope = envelope
    this.#includesUsage = includesUsage
    this.#before = `data: ${JSON.stringify(head).slice(0, -1)},"choices":[{"index":0,"delta":`
    this.#after = `}]${includesUsage ? ',"usage":null' : ''}}\n\n`
  }

  begin(): string {
    return this.#chunk('{"role":"assistant","content":"","refusal":null}', null)
  }

  /** `JSON.stringify` writes half a surrogate pair as an escape, which is how providers that split one send it. */
  content(token: string): string {
    return this.#chunk(`{"content":${JSON.stringify(token)}}`, null)
  }

  thoughts(): string {
    return ''
  }

  end(reason: string, answer: Answer | undefined): string {
    return this.#chunk('{}', reason) + (answer === undefined ? '' : this.#usage(answer)) + DONE_EVENT
  }

  error(): string {
    return `data: ${errorBody(MIDWAY_ERROR)}\n\n`
  }

  /** Empty unless the request asked for usage. */
  #usage(answer: Answer): string {
    if (!this.#includesUsage) return ''
    const { id, createdSeconds: created, model } = this.#envelope
    const head = { id, object: 'chat.completion.chunk', created, model, system_fingerprint: fingerprint }
    return `data: ${JSON.stringify({ ...head, choices: [], usage: answer.usage })}\n\n`
  }

  #chunk(delta: string, reason: string | null): string {
    return `${this.#before}${delta},"logprobs":null,"finish_reason":${JSON.stringify(reason)}${this.#after}`
  }
}

/** The body of an answer that is not streamed. */
export function completionBody(envelope: Envelope, answer: Answer, finishReason: string, withUsage: boolean): string {
  const { id, createdSeconds: created, model } = envelope
  const message = { role: 'assistant', content: answer.text, refusal: null }
  const choices = [{ index: 0, message, logprobs: null, finish_reason: finishReason }]
  const usage = withUsage ? { usage: answer.usage } : {}
  return JSON.stringify({
    id,
    object: 'chat.completion',
    created,
    model,
    choices,
    ...usage,
    system_fingerprint: fingerprint,
  })
}

export function modelsBody(models: readonly string[]): string {
  const data = models.map((id) => ({ id, object: 'model', created: 0, owned_by: 'sluice' }))
  return JSON.stringify({ object: 'list', data })
}
