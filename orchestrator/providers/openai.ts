/**
 * A provider that speaks OpenAI's chat completions, streamed.
 *
 * The `openai` package builds the request and types the errors; the stream is read here, chunk by chunk, without a promise
 * for each. An answer is complete only when the provider named a finish reason and sent its end marker; whatever else ends
 * the body is a failure.
 */
import type { IncomingMessage } from 'node:http'
import OpenAI from 'openai'
import { refusal } from '../../protocol/error.ts'
import type {
  Provider,
  ProviderCall,
  ProviderEnd,
  ProviderFailure,
  ProviderRequest,
  ProviderSink,
  TurnLogger,
} from '../ports.ts'
import type { Chunk } from './chunk.ts'
import { createEventReader } from './event-reader.ts'
import { createNodeFetch, type NodeFetch, telling } from './node-fetch.ts'
import { failureOf, illness } from './refusals.ts'

/** The most of one event that is not complete yet, in UTF-16 units. */
const eventUnits = 1024 * 1024
/** How long a body may go on after its end marker before its connection is given up. */
const afterEndMs = 1_000

export interface OpenAiOptions {
  /** Up to and with `/v1`. */
  readonly baseUrl: string
  /** As the GenAI conventions spell it. Default `openai`. */
  readonly name?: string
  /** The answer's headers must come within this, in milliseconds; who calls has shorter timers of its own. */
  readonly headersMs: number
}

export function createOpenAiProvider(options: OpenAiOptions, logger: TurnLogger): Provider {
  const nodeFetch = createNodeFetch()
  const client = new OpenAI({
    // Each call brings its own: a target has several, and they are rotated.
    apiKey: 'none',
    baseURL: options.baseUrl,
    maxRetries: 0,
    timeout: options.headersMs,
    fetch: nodeFetch.fetch,
    logLevel: 'off',
  })
  return {
    name: options.name ?? 'openai',
    call: (request, sink) => new OpenAiCall(client, nodeFetch, request, sink, logger),
    close: () => nodeFetch.close(),
  }
}

class OpenAiCall implements ProviderCall {
  readonly #abort = new AbortController()
  readonly #sink: ProviderSink
  readonly #logger: TurnLogger
  readonly #names: object
  #body: IncomingMessage | undefined
  #isPaused = false
  #isOver = false
  #hasStarted = false
  #finishReason: string | undefined
  #usage: ProviderEnd['usage']

  constructor(client: OpenAI, nodeFetch: NodeFetch, request: ProviderRequest, sink: ProviderSink, logger: TurnLogger) {
    this.#sink = sink
    this.#logger = logger
    this.#names = request.log ?? {}
    client.chat.completions
      .create(
        {
          model: request.model,
          messages: [...request.messages],
          max_tokens: request.maxOutputTokens,
          stream: true,
          stream_options: { include_usage: true },
        },
        {
          signal: this.#abort.signal,
          headers: { authorization: `Bearer ${request.apiKey}` },
          fetchOptions: telling(() => {
            if (!this.#isOver) sink.connected()
          }),
        },
      )
      .asResponse()
      .then((response) => this.#answered(response, nodeFetch.bodyOf(response)))
      .catch((error: unknown) => this.#failed(failureOf(error, Date.now()), error))
  }

  pause(): void {
    this.#isPaused = true
    this.#body?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#body?.resume()
  }

  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#abort.abort()
    this.#body?.destroy()
  }

  #answered(response: Response, body: IncomingMessage | undefined): void {
    if (body === undefined || this.#isOver) {
      body?.on('error', () => undefined).destroy()
      return this.#failed(illness('the model could not be reached'))
    }
    this.#body = body
    const type = response.headers.get('content-type') ?? ''
    if (!type.startsWith('text/event-stream')) {
      body.on('error', () => undefined)
      return this.#failed(illness('the model answered with something that is not a stream'), { type })
    }
    this.#read(body)
  }

  #read(body: IncomingMessage): void {
    const read = createEventReader(eventUnits, {
      chunk: (chunk) => this.#chunk(chunk),
      done: () => this.#done(),
      tooLong: () => this.#failed(illness("a piece of the model's answer was too long")),
    })
    body.on('data', (bytes: Buffer) => this.#guard(() => read(bytes)))
    body.on('error', (error) => this.#failed(brokeOff(), error))
    body.on('close', () => this.#failed(brokeOff()))
    if (this.#isPaused) body.pause()
  }

  #chunk(chunk: Chunk): void {
    if (this.#isOver) return
    if (chunk.kind === 'error') return this.#failed(chunk.failure)
    if (!this.#hasStarted) {
      this.#hasStarted = true
      this.#sink.started({ ...(chunk.model && { model: chunk.model }), ...(chunk.id && { id: chunk.id }) })
    }
    if (chunk.usage !== undefined) this.#usage = chunk.usage
    if (chunk.text !== '') this.#sink.text(chunk.text)
    if (chunk.finishReason !== undefined) this.#finishReason = chunk.finishReason
  }

  #done(): void {
    if (this.#isOver) return
    const finishReason = this.#finishReason
    if (finishReason === undefined) return this.#failed(brokeOff())
    this.#isOver = true
    this.#letGo()
    this.#sink.ended(this.#usage === undefined ? { finishReason } : { finishReason, usage: this.#usage })
  }

  /** Reads the body's last bytes, so that its connection can serve the next call. */
  #letGo(): void {
    const body = this.#body
    if (body === undefined) return
    const timer = setTimeout(() => body.destroy(), afterEndMs)
    body.once('close', () => clearTimeout(timer))
    body.resume()
  }

  /** What the sink throws is a bug of the turn; the sink hears of it as a failure, and the process goes on. */
  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#failed(bug, error)
    }
  }

  #failed(failure: ProviderFailure, cause?: unknown): void {
    if (this.#isOver) return
    this.close()
    this.#logger.warn({ ...this.#names, kind: failure.refusal.kind, ...diagnosis(cause) }, 'provider call failed')
    this.#sink.failed(failure)
  }
}

function brokeOff(): ProviderFailure {
  return illness('the model broke off in the middle of its answer')
}

const bug: ProviderFailure = {
  refusal: refusal('internal', 'the gateway failed to read the answer'),
  cure: 'none',
  isIllness: false,
}

/** Status and code of a failure, without its message, which may quote a key or the conversation. */
function diagnosis(cause: unknown): object {
  if (cause instanceof OpenAI.APIError && cause.status !== undefined) return { status: cause.status, code: cause.code }
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  if (inner instanceof Error) return { error: inner.name, ...('code' in inner && { code: inner.code }) }
  return typeof cause === 'object' && cause !== null ? cause : {}
}
