/**
 * A provider that speaks OpenAI's chat completions, streamed.
 *
 * The `openai` package types the request; it is sent, and the stream is read, without it: chunk by chunk, and no promise for
 * each. An answer is complete only when the provider named a finish reason and sent its end marker; whatever else ends the
 * body is a failure.
 */
import type { IncomingMessage } from 'node:http'
import type { ChatCompletionCreateParamsStreaming } from 'openai/resources/chat/completions'
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
import { boundedText, createHttpOrigin, type HttpOrigin } from './http-origin.ts'
import { mediaType, providerWord } from './provider-word.ts'
import { failureOfStatus, illness, retryAfterOf } from './refusals.ts'

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

export function createOpenAiProvider({ baseUrl, name, headersMs }: OpenAiOptions, logger: TurnLogger): Provider {
  const url = new URL(baseUrl)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/chat/completions`
  const origin = createHttpOrigin(url)
  return {
    name: name ?? 'openai',
    call: (request, sink) => new OpenAiCall(origin, headersMs, request, sink, logger),
    close: () => origin.close(),
  }
}

class OpenAiCall implements ProviderCall {
  readonly #sink: ProviderSink
  readonly #logger: TurnLogger
  readonly #names: object
  readonly #deadline: NodeJS.Timeout
  readonly #giveUp: () => void
  #body: IncomingMessage | undefined
  #isPaused = false
  #isOver = false
  #hasStarted = false
  #finishReason: string | undefined
  #usage: ProviderEnd['usage']

  constructor(origin: HttpOrigin, headersMs: number, request: ProviderRequest, sink: ProviderSink, logger: TurnLogger) {
    this.#sink = sink
    this.#logger = logger
    this.#names = request.log ?? {}
    this.#deadline = setTimeout(() => this.#tooLate(), headersMs)
    const body: ChatCompletionCreateParamsStreaming = {
      model: request.model,
      messages: [...request.messages],
      max_tokens: request.maxOutputTokens,
      stream: true,
      stream_options: { include_usage: true },
    }
    this.#giveUp = origin.post({ authorization: `Bearer ${request.apiKey}` }, JSON.stringify(body), {
      connected: () => {
        if (!this.#isOver) sink.connected()
      },
      answered: (message) => this.#answered(message),
      failed: (error) => this.#failed(illness('the model could not be reached'), error),
    })
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
    clearTimeout(this.#deadline)
    this.#giveUp()
    this.#body?.destroy()
  }

  #answered(message: IncomingMessage): void {
    // Whatever becomes of the body, its end is known by `close`; an error without a listener would end the process.
    message.on('error', () => undefined)
    if (this.#isOver) return void message.destroy()
    const status = message.statusCode ?? 0
    if (status < 200 || status > 299) return void this.#refused(message, status)
    clearTimeout(this.#deadline)
    this.#body = message
    const type = message.headers['content-type'] ?? ''
    if (type.startsWith('text/event-stream')) this.#read(message)
    else this.#failed(illness('the model answered with something that is not a stream'), { type: mediaType(type) })
  }

  async #refused(message: IncomingMessage, status: number): Promise<void> {
    const code = codeIn(await boundedText(message))
    this.#failed(failureOfStatus(status, retryAfterOf(message.headers, Date.now())), { status, ...(code && { code }) })
  }

  /** It may be at work all the same. */
  #tooLate(): void {
    this.#sink.taken?.()
    this.#failed(illness('the model did not answer in time'))
  }

  #read(body: IncomingMessage): void {
    this.#sink.taken?.()
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
      const [model, id] = [providerWord(chunk.model), providerWord(chunk.id)]
      this.#sink.started({ ...(model && { model }), ...(id && { id }) })
    }
    if (chunk.thought !== undefined) this.#sink.thought?.(chunk.thought)
    if (chunk.text !== '') {
      // What was said before it is not all.
      this.#usage = undefined
      this.#sink.text(chunk.text)
    }
    if (chunk.usage !== undefined) {
      this.#usage = chunk.usage
      this.#sink.counted?.(chunk.usage)
    }
    if (chunk.finishReason !== undefined) this.#finishReason = providerWord(chunk.finishReason) ?? 'other'
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
  if (cause instanceof Error) return { error: cause.name, ...('code' in cause && { code: cause.code }) }
  return typeof cause === 'object' && cause !== null ? cause : {}
}

/** The code that a refusal names in its body, as OpenAI and most who speak like it do. */
function codeIn(text: string): string | undefined {
  try {
    return providerWord(JSON.parse(text)?.error?.code)
  } catch {
    return undefined
  }
}
