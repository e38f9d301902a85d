/**
 * A provider that speaks OpenAI's chat completions, streamed.
 *
 * The stream is read chunk by chunk, and no promise for each.
 *
 * An answer is whole when its provider named a finish reason or sent the end marker `[DONE]`. Many send only one of them
 * (docs/decisions/0046). A body that ends with neither is a failure.
 */
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
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
import { readAnswerBody, readableBody } from './answer-body.ts'
import type { Chunk } from './chunk.ts'
import { boundedText, createHttpOrigin, type HttpOrigin, type HttpOriginOptions } from './http-origin.ts'
import { mediaType, providerWord } from './provider-word.ts'
import { codeOf, errorInBody, failureOf, illness, retryAfterOf } from './refusals.ts'
import { type OutgoingRequest, type RequestForm, TargetRequests } from './request-body.ts'
import { ThinkTagSplitter, type ThinkTags } from './think-tags.ts'

/** How often one call is sent on to another path of the same origin; one more redirection is a refusal. */
const redirectionsMax = 3
/** How long an answer with a finish reason may go on without an end, in milliseconds; then it is taken for whole. */
const afterFinishMs = 2_000
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
  /** Thinking in the text becomes thinking. Default: the text is told as it comes. */
  readonly thinkTags?: ThinkTags
}

export function createOpenAiProvider(options: OpenAiOptions, logger: TurnLogger): Provider {
  const { baseUrl, name, form = {}, connection, target } = options
  const origin = createHttpOrigin(endpointUrl(baseUrl, 'chat/completions', form.query), connection)
  const requests = new TargetRequests(form, (fields, message) =>
    logger.warn({ ...(target !== undefined && { target }), ...fields }, message),
  )
  return {
    name: name ?? 'openai',
    call: (request, sink) => new OpenAiCall(origin, options, requests.start(request), request, sink, logger),
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
  readonly #tags: ThinkTagSplitter | undefined
  #giveUp: () => void = () => undefined
  #isConnected = false
  #redirections = 0
  /** Where a redirection led. */
  #path: string | undefined
  #body: Readable | undefined
  #afterFinish: NodeJS.Timeout | undefined
  #isPaused = false
  #isOver = false
  #hasStarted = false
  #hasPieces = false
  /** What came as a whole so far, in place of pieces. */
  #whole = ''
  #finishReason: string | undefined
  #usage: ProviderEnd['usage']

  constructor(
    origin: HttpOrigin,
    { headersMs, thinkTags }: OpenAiOptions,
    outgoing: OutgoingRequest,
    request: ProviderRequest,
    sink: ProviderSink,
    logger: TurnLogger,
  ) {
    this.#sink = sink
    this.#logger = logger
    this.#names = request.log ?? {}
    this.#tags = thinkTags === undefined ? undefined : new ThinkTagSplitter(thinkTags)
    this.#origin = origin
    this.#outgoing = outgoing
    this.#deadline = setTimeout(() => this.#tooLate(), headersMs)
    this.#send()
  }

  #send(): void {
    const { headers, json } = this.#outgoing
    // Nothing is told from inside the constructor.
    if (json === undefined) return process.nextTick(() => this.#failed(tooLongForModel))
    this.#giveUp = this.#origin.post(
      headers,
      json,
      {
        connected: () => this.#connected(),
        answered: (message) => this.#answered(message),
        failed: (error) => this.#failed(illness('the model could not be reached'), error),
      },
      this.#path,
    )
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
    this.#clearTimers()
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
    const type = mediaType(message.headers['content-type'])
    // Who answers with a page has not begun to count, unless it is a stream after all.
    if (type !== 'text/html') this.#sink.taken?.()
    const body = readableBody(message)
    if (body === undefined) {
      const coding = providerWord(message.headers['content-encoding']) ?? 'other'
      return this.#failed(illness('the model answered in a coding that was not asked for'), { coding })
    }
    this.#body = body
    this.#read(body, type)
  }

  async #refused(message: IncomingMessage, status: number): Promise<void> {
    const text = await boundedText(message)
    if (this.#isOver) return
    if (this.#outgoing.repair(status, text) || this.#isRedirected(message, status)) return this.#send()
    const error = errorInBody(text)
    const code = codeOf(error)
    const type = error === undefined ? mediaType(message.headers['content-type']) : undefined
    const failure = failureOf({ status, error, retryAfterMs: retryAfterOf(message.headers, Date.now()) })
    this.#failed(failure, { status, ...(code && { code }), ...(type && { type }), ...whereTo(message) })
  }

  /** Only those that keep the method and the body (RFC 9110, 15.4.8 and 15.4.9), and only within the origin: they carry the key. */
  #isRedirected({ headers: { location } }: IncomingMessage, status: number): boolean {
    if ((status !== 307 && status !== 308) || location === undefined) return false
    const path = this.#origin.pathOf(location)
    this.#redirections += 1
    if (path === undefined || this.#redirections > redirectionsMax) return false
    this.#path = path
    return true
  }

  /** It may be at work all the same. */
  #tooLate(): void {
    this.#sink.taken?.()
    this.#failed(illness('the model did not answer in time'))
  }

  #read(body: Readable, type: string | undefined): void {
    readAnswerBody(body, {
      chunk: (chunk) => this.#chunk(chunk),
      done: () => this.#done('stop'),
      alive: () => this.#alive(),
      tooLong: () => this.#failed(illness("a piece of the model's answer was too long")),
      over: (isProper, looks, error) => {
        if (this.#finishReason !== undefined) return this.#done(this.#finishReason)
        if (isProper && !this.#hasStarted) return this.#failed(noAnswer(looks), { ...(type && { type }) })
        this.#failed(brokeOff(), error)
      },
      bug: (error) => this.#failed(bug, error),
    })
    if (this.#isPaused) body.pause()
  }

  #chunk(chunk: Chunk): void {
    if (this.#isOver) return
    if (!this.#hasStarted && !chunk.failure) {
      this.#hasStarted = true
      const [model, id] = [providerWord(chunk.model), providerWord(chunk.id)]
      this.#sink.started({ ...(model && { model }), ...(id && { id }) })
    }
    const { thought, text } = this.#split(chunk)
    if (thought !== '') this.#sink.thought?.(thought)
    if (text !== '') this.#text(text)
    else if (thought === '') this.#alive()
    if (chunk.usage !== undefined) {
      this.#usage = chunk.usage
      this.#sink.counted?.(chunk.usage)
    }
    if (chunk.finishReason !== undefined) this.#finished(chunk.finishReason)
    if (chunk.failure !== undefined) this.#brokenBy(chunk.failure)
    else if (chunk.isToolCall) this.#failed(toolCall)
  }

  /** An error behind a finish reason takes nothing of the answer away. */
  #brokenBy(failure: ProviderFailure): void {
    if (this.#finishReason === undefined) this.#failed(failure)
    else this.#done(this.#finishReason)
  }

  /** The text that is new in a chunk, and the thinking in it. */
  #split({ text, isWhole, thought = '' }: Chunk): { readonly text: string; readonly thought: string } {
    const piece = isWhole ? this.#beyond(text) : text
    if (!isWhole && text !== '') this.#hasPieces = true
    if (this.#tags === undefined || piece === '') return { text: piece, thought }
    const split = this.#tags.push(piece)
    return { text: split.text, thought: thought + split.thought }
  }

  /** Some send the whole answer again behind its pieces, or all of it so far each time. */
  #beyond(whole: string): string {
    if (this.#hasPieces) return ''
    const isLonger = whole.startsWith(this.#whole)
    const piece = isLonger ? whole.slice(this.#whole.length) : whole
    this.#whole = isLonger ? whole : this.#whole + whole
    return piece
  }

  #text(text: string): void {
    // What was said before it is not all.
    this.#usage = undefined
    this.#sink.text(text)
  }

  #alive(): void {
    if (!this.#isOver) this.#sink.alive?.()
  }

  #finished(reason: string): void {
    this.#finishReason = reason
    this.#afterFinish ??= setTimeout(() => {
      this.#afterFinish = undefined
      // What is not read may hold the rest.
      if (this.#isPaused) this.#finished(reason)
      else this.#done(reason)
    }, afterFinishMs)
  }

  #done(otherwise: string): void {
    if (this.#isOver) return
    const rest = this.#tags?.end()
    if (rest !== undefined && rest.thought !== '') this.#sink.thought?.(rest.thought)
    if (rest !== undefined && rest.text !== '') this.#sink.text(rest.text)
    this.#isOver = true
    this.#clearTimers()
    this.#letGo()
    const finishReason = this.#finishReason ?? otherwise
    this.#sink.ended(this.#usage === undefined ? { finishReason } : { finishReason, usage: this.#usage })
  }

  #clearTimers(): void {
    clearTimeout(this.#deadline)
    clearTimeout(this.#afterFinish)
  }

  /** Reads the body's last bytes, so that its connection can serve the next call. */
  #letGo(): void {
    const body = this.#body
    if (body === undefined) return
    const timer = setTimeout(() => body.destroy(), afterEndMs)
    body.once('close', () => clearTimeout(timer))
    body.resume()
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

function noAnswer(looks: string): ProviderFailure {
  if (looks === 'html') return illness('the model answered with a web page')
  return illness(
    looks === 'nothing' ? 'the model answered with nothing' : 'the model answered with something that is not a stream',
  )
}

/** Where a redirection leads, without its query, which may hold a key. */
function whereTo({ headers: { location } }: IncomingMessage): object {
  const place = providerWord(location?.split(/[?#]/, 1)[0]?.replace(/\/\/[^/@]*@/, '//'))
  return place === undefined ? {} : { location: place }
}

/** Nobody here answers it, and an answer without what the tool says would be wrong. */
const toolCall: ProviderFailure = {
  refusal: { ...refusal('provider', 'the model asked for a tool, and none is offered here'), retryable: false },
  cure: 'none',
  isIllness: false,
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
