// A model provider on loopback: OpenAI's chat completions, streamed or whole, with answers anyone can compute and faults
// anyone can ask for. It serves the demo as a process of its own (`main.ts`), the tests as the scripted provider, and the
// benchmarks, which is why a token must cost it next to nothing. README.md beside this file has the settings.
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerWith } from './answer.ts'
import { FamilyEncoder, type FamilyRefusal, familyRefusal } from './families.ts'
import { FaultCounter, HTML_PAGE, type Refusal, refusal, refusalFor, refusalHeaders } from './faults.ts'
import { DEFAULT_KEPT_REQUESTS, KEEP_ALIVE_MS, MAX_BODY_BYTES } from './limits.ts'
import { type OpenRequest, type RecordedRequest, RequestBook, wallClockMs } from './recorded-request.ts'
import { type ChatRequest, chatRequest } from './request.ts'
import { refusalOfRequest } from './request-refusals.ts'
import { type ScriptOptions, type Settings, settingsFor } from './settings.ts'
import { type Delivery, StreamedAnswer } from './streamed-answer.ts'
import { Wheel } from './wheel.ts'
import { sendWhole } from './whole-answer.ts'
import { ChunkEncoder, errorBody, modelsBody } from './wire.ts'

export interface ModelServerOptions extends ScriptOptions {
  /** The port on 127.0.0.1; default 0, any free one. */
  readonly port?: number
  /** What `GET /v1/models` lists; any model is answered. Default `sluice-demo`. */
  readonly models?: readonly string[]
  /** When given, requests need `Authorization: Bearer` with it, or the header `keyHeader`, else 401. Default: anyone is answered. */
  readonly apiKey?: string
  /** How many requests are kept for looking at; default 1,000, 0 for none. */
  readonly keptRequestCount?: number
}

export interface ModelServer extends AsyncDisposable {
  /** The base URL as an OpenAI client wants it: `http://127.0.0.1:PORT/v1`. */
  readonly url: string
  readonly port: number
  /** The last requests, oldest first; each entry is live until it is over. */
  readonly requests: readonly RecordedRequest[]
  /** Client connections open now, idle ones too. */
  readonly openConnectionCount: number
  /**
   * The first kept request that satisfies the predicate, at once or when one comes to. Rejects after `deadlineMs` (default
   * 5,000) or when the server closes, naming what did come.
   */
  waitFor(predicate: (request: RecordedRequest) => boolean, deadlineMs?: number): Promise<RecordedRequest>
  /** Breaks every connection, stops every stream, frees the port. */
  close(): Promise<void>
}

const DEFAULT_MODELS = ['sluice-demo']

/** Starts a model server; rejects when the port is taken. */
export async function startModelServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  const running = new RunningServer(options)
  await running.listen(options.port ?? 0)
  return running
}

class RunningServer implements ModelServer {
  readonly #options: ModelServerOptions
  readonly #script: ScriptOptions
  readonly #server: Server
  readonly #book: RequestBook
  readonly #faults = new FaultCounter()
  readonly #wheel = new Wheel()
  readonly #changed = () => this.#book.changed()
  #connectionCount = 0

  constructor(options: ModelServerOptions) {
    const { port: _port, models: _models, apiKey: _apiKey, keptRequestCount, ...script } = options
    this.#options = options
    this.#script = script
    this.#book = new RequestBook(keptRequestCount ?? DEFAULT_KEPT_REQUESTS)
    this.#server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true }, (incoming, response) =>
      this.#serve(incoming, response),
    )
    this.#server.on('connection', (socket) => {
      this.#connectionCount++
      socket.on('close', () => {
        this.#connectionCount--
        this.#changed()
      })
    })
  }

  get port(): number {
    // A server that listens on a TCP port has an AddressInfo; a string is a pipe's name, null a server not yet listening.
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/v1`
  }

  get requests(): readonly RecordedRequest[] {
    return this.#book.requests
  }

  get openConnectionCount(): number {
    return this.#connectionCount
  }

  waitFor(predicate: (request: RecordedRequest) => boolean, deadlineMs?: number): Promise<RecordedRequest> {
    return this.#book.waitFor(predicate, deadlineMs)
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
  }

  close(): Promise<void> {
    this.#wheel.stop()
    this.#book.close()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #serve(incoming: IncomingMessage, response: ServerResponse): void {
    const path = incoming.url ?? '/'
    const request = this.#book.open(incoming.method ?? 'GET', path, incoming.headers)
    response.setHeader('x-request-id', `req_${request.number}`)
    response.on('close', () => {
      if (request.status === 'streaming') request.status = response.writableFinished ? 'completed' : 'closed-by-client'
      request.httpStatus = response.headersSent ? response.statusCode : undefined
      request.closedAtMs = wallClockMs()
      this.#changed()
    })
    readBody(incoming, (body) => this.#route(request, body, response))
    this.#changed()
  }

  #route(request: OpenRequest, body: string | undefined, response: ServerResponse): void {
    const { apiKey, models = DEFAULT_MODELS } = this.#options
    const route = `${request.method} ${request.path.split('?')[0]}`
    if (apiKey !== undefined && keyIn(request.headers, this.#script) !== apiKey) {
      refuse(response, refusal(401, 'invalid_request_error', 'invalid_api_key', 'Incorrect API key provided.'))
    } else if (route === 'GET /v1/models') {
      reply(response, 200, 'application/json', modelsBody(models))
    } else if (route === 'POST /v1/chat/completions') {
      this.#complete(request, body, response)
    } else {
      refuse(response, refusal(404, 'invalid_request_error', 'unknown_url', `Unknown request URL: ${route}.`))
    }
  }

  #complete(request: OpenRequest, body: string | undefined, response: ServerResponse): void {
    const read = this.#read(request, body)
    if (read.kind === 'refused') {
      refuse(response, read.refusal)
      return
    }
    const { chat, settings } = read
    const answer = answerWith(chat, this.#script, settings)
    request.chat = chat
    const refused = refusalOfRequest(chat, request.headers, answer.usage.prompt_tokens, settings)
    if (refused !== undefined) {
      refuse(response, refused)
      return
    }
    request.fault = this.#faults.meet(chat, settings)
    request.tokens = answer.tokens
    const { fault } = request
    this.#begin(chat, { response, answer, settings, fault, wheel: this.#wheel, request, changed: this.#changed })
    this.#changed()
  }

  #read(request: OpenRequest, body: string | undefined): ReadRequest {
    if (body === undefined) {
      const message = `The body is above ${MAX_BODY_BYTES} bytes.`
      return { kind: 'refused', refusal: refusal(413, 'invalid_request_error', 'request_too_large', message) }
    }
    request.body = parseJson(body)
    const parsed = chatRequest.safeParse(request.body)
    if (!parsed.success) return invalid(parsed.error.issues.map(issueText).join('; '))
    const settings = settingsFor(parsed.data, this.#script)
    if (settings.kind === 'invalid') return invalid(settings.message)
    return { kind: 'read', chat: parsed.data, settings: settings.value }
  }

  #begin(chat: ChatRequest, delivery: Delivery): void {
    const { response, fault, request } = delivery
    const asFamily = familyRefusal(delivery.settings.family, fault)
    const refused = refusalFor(fault)
    if (asFamily !== undefined) refuseAs(response, asFamily, refusalHeaders(fault, delivery.settings))
    else if (refused !== undefined) refuse(response, refused, refusalHeaders(fault, delivery.settings))
    else if (fault === 'html') reply(response, 200, 'text/html; charset=utf-8', HTML_PAGE)
    else if (fault === 'reset-before') {
      request.status = 'reset'
      response.socket?.resetAndDestroy()
    } else if (fault !== 'stall-before') this.#answer(chat, delivery)
  }

  #answer(chat: ChatRequest, delivery: Delivery): void {
    const { number, receivedMs } = delivery.request
    const envelope = { id: `chatcmpl-${number}`, createdSeconds: Math.floor(receivedMs / 1000), model: chat.model }
    if (chat.stream !== true) {
      sendWhole(delivery, envelope)
      return
    }
    const includesUsage = chat.stream_options?.include_usage === true
    const { family } = delivery.settings
    const encoder =
      family === undefined
        ? new ChunkEncoder(envelope, includesUsage)
        : new FamilyEncoder(family, envelope, includesUsage)
    new StreamedAnswer(delivery, encoder).start()
  }
}

type ReadRequest =
  | { readonly kind: 'read'; readonly chat: ChatRequest; readonly settings: Settings }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

function keyIn(headers: IncomingHttpHeaders, { keyHeader = 'authorization' }: ScriptOptions): string | undefined {
  const value = headers[keyHeader]
  const text = typeof value === 'string' ? value : undefined
  return keyHeader === 'authorization' ? /^Bearer (.*)$/.exec(text ?? '')?.[1] : text
}

function invalid(message: string): ReadRequest {
  return { kind: 'refused', refusal: refusal(400, 'invalid_request_error', null, message) }
}

/** Reads all of the body; undefined when it is too long. Nothing is called when the client goes away before its end. */
function readBody(incoming: IncomingMessage, whenRead: (body: string | undefined) => void): void {
  const pieces: Buffer[] = []
  let bytes = 0
  incoming.on('data', (piece: Buffer) => {
    bytes += piece.length
    if (bytes <= MAX_BODY_BYTES) pieces.push(piece)
  })
  incoming.on('end', () => whenRead(bytes <= MAX_BODY_BYTES ? Buffer.concat(pieces).toString('utf8') : undefined))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function issueText(issue: { readonly path: readonly PropertyKey[]; readonly message: string }): string {
  return `${issue.path.map(String).join('.') || 'body'}: ${issue.message}`
}

function refuse(response: ServerResponse, refused: Refusal, headers: Readonly<Record<string, string>> = {}): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  reply(response, refused.status, 'application/json', errorBody(refused.error))
}

/** A refusal that is a text is a page of whatever stands in front of the provider. */
function refuseAs(
  response: ServerResponse,
  { status, body }: FamilyRefusal,
  headers: Readonly<Record<string, string>>,
): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  if (typeof body === 'string') reply(response, status, 'text/html', body)
  else reply(response, status, 'application/json', JSON.stringify(body))
}

function reply(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
