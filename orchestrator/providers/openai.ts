/**
 * A provider that speaks OpenAI's chat completions, streamed.
 *
 * The stream is read chunk by chunk, and no promise for each. An answer is complete only when the provider named a finish reason and sent its end marker; whatever else ends the
 * body is a failure.
 */
import type { IncomingMessage } from 'node:http'
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
import { boundedText, createHttpOrigin, type HttpOrigin, type HttpOriginOptions } from './http-origin.ts'
import { mediaType, providerWord } from './provider-word.ts'
import { failureOfStatus, illness, retryAfterOf } from './refusals.ts'
import { type OutgoingRequest, type RequestForm, TargetRequests } from './request-body.ts'

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
  /** How its requests differ from OpenAI's own. */
  readonly form?: RequestForm
  readonly connection?: HttpOriginOptions
  /** The target's name, for what is learned of it. */
  readonly target?: string
}

export function createOpenAiProvider(options: OpenAiOptions, logger: TurnLogger): Provider {
  const { baseUrl, name, headersMs, form = {}, connection, target } = options
  const origin = createHttpOrigin(endpointUrl(baseUrl, 'chat/completions', form.query), connection)
  const requests = new TargetRequests(form, (fields, message) =>
    logger.warn({ ...(target !== undefined && { target }), ...fields }, message),
  )
  return {
    name: name ?? 'openai',
    call: (request, sink) => new OpenAiCall(origin, headersMs, requests.start(request), request, sink, logger),
    close: () => origin.close(),
  }
}

/** Below the base address, whose query stays. */
export function endpointUrl(baseUrl: string, path: string, query: Readonly<Record<string, string>> = {}): URL {
  const url = new URL(baseUrl)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  return url
}

class OpenAiCall implements ProviderCall {
  readonly #sink: ProviderSink
  readonly #logger: TurnLogger
  readonly #names: object
  readonly #deadline: NodeJS.Timeout
  readonly #origin: HttpOrigin
  readonly #outgoing: OutgoingRequest
  #giveUp: () => void = () => undefined
  #isConnected = false
  #body: IncomingMessage | undefined
  #isPaused = false
  #isOver = false
  #hasStarted = false
  #finishReason: string | undefined
  #usage: ProviderEnd['usage']

  constructor(
    origin: HttpOrigin,
    headersMs: number,
    outgoing: OutgoingRequest,
    request: ProviderRequest,
    sink: ProviderSink,
    logger: TurnLogger,
  ) {
    this.#sink = sink
    this.#logger = logger
    this.#names = request.log ?? {}
    this.#origin = origin
    this.#outgoing = outgoing
    this.#deadline = setTimeout(() => this.#tooLate(), headersMs)
    this.#send()
  }

  #send(): void {
    const { headers, json } = this.#outgoing
    // Nothing is told from inside the constructor.
    if (json === undefined) return process.nextTick(() => this.#failed(tooLongForModel))
    this.#giveUp = this.#origin.post(headers, json, {
      connected: () => this.#connected(),
      answered: (message) => this.#answered(message),
      failed: (error) => this.#failed(illness('the model could not be reached'), error),
    })
  }

  #connected(): void {
    if (this.#isOver || this.#isConnected) return
    this.#isConnected = true
    this.#sink.connected()
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
    this.#outgoing.taken()
    clearTimeout(this.#deadline)
    this.#body = message
    const type = message.headers['content-type'] ?? ''
    if (type.startsWith('text/event-stream')) this.#read(message)
    else this.#failed(illness('the model answered with something that is not a stream'), { type: mediaType(type) })
  }

  async #refused(message: IncomingMessage, status: number): Promise<void> {
    const text = await boundedText(message)
    if (this.#isOver) return
    if (this.#outgoing.repair(status, text)) return this.#send()
    const code = codeIn(text)
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

/** Another target of the alias may have a larger context. */
const tooLongForModel: ProviderFailure = {
  refusal: refusal('too-large', 'the message is longer than the model can read; shorten it'),
  cure: 'other-target',
  isIllness: false,
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
