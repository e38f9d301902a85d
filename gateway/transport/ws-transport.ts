/**
 * The transport on Node's own HTTP server and `ws`: nothing to install, about 8 KiB an idle socket. The other one is
 * uws-transport.ts; one contract suite runs on both.
 */
import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerOptions,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener, RequestError } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { WebSocketServer } from 'ws'
import { after, answerRequest, badRequest, MAX_HEADER_BYTES, notFound, upgradeRequired } from './http-answer.ts'
import { keepAliveMs, untakenAnswerMs } from './http-limits.ts'
import { sendResponse } from './http-response.ts'
import { listenError } from './listen-error.ts'
import { hasOneHost, hasUnsafeFraming, headOf, isWebSocketUpgrade, normalizeTarget, pathOf } from './node-request.ts'
import { endWhenUntaken, NodeResponse, sendWhole } from './node-response.ts'
import { OtherProtocolReport, otherProtocolOf, plainHttp } from './other-protocols.ts'
import { normalizePeerAddress } from './peer-address.ts'
import { readTlsPair, type TlsPair, TlsWatch, tlsCiphers } from './tls-files.ts'
import type { CreateTransport, Peer, Transport, TransportOptions, WholeAnswer } from './transport.ts'
import { describeUpgrade } from './upgrade-request.ts'
import { WsHttpConnections } from './ws-http-connections.ts'
import { GatewayWebSocket, serveWebSocket } from './ws-socket.ts'

/** A request's head, and all of it, must come within these; else Node answers 408 and closes. */
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 60_000
/** A handshake that takes longer is given up. */
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000
/** How often Node looks for requests that are late. */
const TIMEOUT_CHECK_INTERVAL_MS = 5_000
/** The port promises `closed` within this after a close. */
const CLOSE_TIMEOUT_MS = 2_000
/**
 * Connections that wait to be accepted; the system takes its own bound (`net.core.somaxconn`) where that is lower. After a
 * broken network all clients dial at once, and who finds no place dials again after 1, 3 and 7 s. uWebSockets.js has 512.
 */
const BACKLOG = 65_535

/**
 * Pieces of an unfinished frame, which cost some 260 bytes each whatever they hold: so many that a frame at the limit may
 * come in TCP segments of 512 bytes. One in more pieces closes its socket with 1008.
 */
const LEAST_CHUNK_BYTES = 512
const LEAST_CHUNKS = 64
/** WebSocket fragments of one message, empty ones too; more close the socket with 1008. */
const MAX_FRAGMENTS = 1_024
/** Pongs to a client's pings that the connection has not taken; at one more it is ended. `ws` has the same default. */
const MAX_PENDING_PONGS = 60

export const createWsTransport: CreateTransport = (options) => new WsTransport(options)

class WsTransport implements Transport {
  readonly #options: TransportOptions
  readonly #server: HttpServer | TlsServer
  readonly #webSockets: ReturnType<typeof createWebSocketServer>
  readonly #open = new Set<GatewayWebSocket>()
  readonly #connections: WsHttpConnections
  readonly #untakenMs: number
  readonly #others: OtherProtocolReport
  #tlsWatch: TlsWatch | undefined
  #isStopping = false

  constructor(options: TransportOptions) {
    this.#options = options
    this.#server = options.tls ? createTlsServer(TLS_OPTIONS) : createServer(HTTP_OPTIONS)
    this.#untakenMs = options.timeouts?.untakenAnswerMs ?? untakenAnswerMs
    this.#connections = new WsHttpConnections(this.#server, options.admit, options.timeouts?.keepAliveMs)
    this.#webSockets = createWebSocketServer(options)
    this.#others = new OtherProtocolReport(options.log)
    this.#serveHttp()
    this.#refuseOthers()
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(request, socket, head),
    )
  }

  async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options
    this.#useCertificate()
    return new Promise((resolve, reject) => {
      const onError = (error: Error) => {
        this.#tlsWatch?.close()
        reject(listenError(host, port, error))
      }
      this.#server.once('error', onError)
      this.#server.listen({ host, port, backlog: BACKLOG }, () => {
        this.#server.off('error', onError)
        this.#server.on('error', (error) => this.#options.log.error({ err: error }, 'the HTTP server failed'))
        resolve({ host, port: listeningPort(this.#server.address()) })
      })
    })
  }

  stopListening(): void {
    this.#isStopping = true
    this.#tlsWatch?.close()
    // Also closes idle connections; the busy ones close with their answer.
    this.#server.close()
  }

  async close(): Promise<void> {
    this.stopListening()
    this.#connections.stop()
    const closed = [...this.#open].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    for (const socket of this.#open) socket.terminate()
    this.#server.closeAllConnections()
    await Promise.all(closed)
  }

  #useCertificate(): void {
    const { tls, log } = this.#options
    const server = this.#server
    if (tls === undefined || !('setSecureContext' in server)) return
    const pair = readTlsPair(tls)
    const use = (next: TlsPair) => server.setSecureContext({ ...next, ciphers: tlsCiphers })
    use(pair)
    this.#tlsWatch = new TlsWatch(tls, pair, use, log)
  }

  #serveHttp(): void {
    const { log } = this.#options
    const listener = getRequestListener(
      async (request, env) => {
        // Boundary: the adapter's types allow HTTP/2, which this server does not speak.
        const incoming = env.incoming as IncomingMessage
        const response = await this.#answer(request, incoming)
        const outgoing = env.outgoing as ServerResponse
        const sink = new NodeResponse(outgoing, () => this.#isStopping, this.#untakenMs)
        // Ours rather than the adapter's writer, which prints a failed body's message, and sends it to the client.
        await sendResponse(response, incoming.method === 'HEAD', sink)
        return RESPONSE_ALREADY_SENT
      },
      {
        // Of a request that names none, which HTTP/1.0 allows.
        hostname: 'localhost',
        overrideGlobalObjects: false,
        errorHandler: (error) => {
          if (error instanceof RequestError) return new Response(null, { status: 400 })
          log.error({ err: error }, 'the HTTP response failed')
          return RESPONSE_ALREADY_SENT
        },
      },
    )
    this.#server.on('request', (incoming, outgoing) => {
      // An answer that had begun before the stop did not say that it is the last.
      outgoing.once('close', () => this.#isStopping && this.#server.closeIdleConnections())
      if (!this.#connections.begin(incoming.socket, outgoing)) return
      const send = (whole: WholeAnswer) => {
        sendWhole(whole, incoming, outgoing, this.#isStopping)
        endWhenUntaken(outgoing, this.#untakenMs)
      }
      normalizeTarget(incoming)
      if (!hasOneHost(incoming) || hasUnsafeFraming(incoming, false)) {
        this.#connections.endAfterAnswer(incoming.socket)
        return send(badRequest)
      }
      const whole = this.#answerOfHead(incoming)
      if (whole) after(whole.delayMs, () => send(whole))
      else void listener(incoming, outgoing)
    })
  }

  #answer(request: Request, incoming: IncomingMessage): Promise<Response> {
    const { fetch, log } = this.#options
    return answerRequest(fetch, request, this.#peerOf(incoming), log)
  }

  #answerOfHead(incoming: IncomingMessage): WholeAnswer | undefined {
    const { answerWhole, socketPath } = this.#options
    const whole = answerWhole?.(headOf(incoming, false), this.#peerOf(incoming))
    return whole ?? (pathOf(incoming) === socketPath ? upgradeRequired : undefined)
  }

  /** In place of Node's own answer, which says only that the request was bad. */
  #refuseOthers(): void {
    this.#server.on('clientError', (error: ClientError, socket: Socket) => {
      const other = error.rawPacket && otherProtocolOf(error.rawPacket)
      if (other) this.#others.came(other, normalizePeerAddress(socket.remoteAddress ?? ''))
      if (!socket.writable || this.#connections.isAnswering(socket)) return void socket.destroy()
      const body = Buffer.from(other ? `${other.advice}\n` : '')
      answerOnSocket(socket, { ...badRequest, status: statusOf(error), body })
    })
    this.#server.on('tlsClientError', ({ code }: ClientError, { remoteAddress }: Socket) => {
      if (code === 'ERR_SSL_HTTP_REQUEST') this.#others.came(plainHttp, normalizePeerAddress(remoteAddress ?? ''))
    })
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const peer = this.#peerOf(request)
    if (!this.#connections.beginUpgrade(socket)) return
    normalizeTarget(request)
    if (pathOf(request) !== this.#options.socketPath) return answerOnSocket(socket, notFound)
    if (!hasOneHost(request) || hasUnsafeFraming(request, true)) return answerOnSocket(socket, badRequest)
    const refused = this.#options.answerWhole?.(headOf(request, true), peer)
    if (refused) return after(refused.delayMs, () => answerOnSocket(socket, refused))
    request.headers.upgrade = 'websocket' // one of several, perhaps
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.register(this.#open)
      serveWebSocket(
        webSocket,
        socket,
        describeUpgrade(peer, request.url ?? '/', (name) => request.headers[name]),
        this.#options.accept,
        this.#options,
      )
    })
  }

  #peerOf(request: IncomingMessage): Peer {
    const guest = this.#connections.guestOf(request.socket)
    return { address: normalizePeerAddress(request.socket.remoteAddress ?? ''), ...(guest && { guest }) }
  }
}

const HTTP_OPTIONS: ServerOptions = {
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  keepAliveTimeout: keepAliveMs,
  connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
  maxHeaderSize: MAX_HEADER_BYTES,
  // Node would answer 400 and go on with the next request that was sent: hasOneHost closes.
  requireHostHeader: false,
  shouldUpgradeCallback: isWebSocketUpgrade,
}

const TLS_OPTIONS = { ...HTTP_OPTIONS, handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS, ciphers: tlsCiphers }

function createWebSocketServer(options: TransportOptions) {
  const settings = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: options.maxFrameBytes,
    maxBufferedChunks: Math.max(LEAST_CHUNKS, Math.ceil(options.maxFrameBytes / LEAST_CHUNK_BYTES)),
    maxFragments: MAX_FRAGMENTS,
    maxPendingAutoPongs: MAX_PENDING_PONGS,
    autoPong: true,
    skipUTF8Validation: false,
    allowSynchronousEvents: true,
    closeTimeout: CLOSE_TIMEOUT_MS,
    handleProtocols: (offered: Set<string>) => offered.has(options.subprotocol) && options.subprotocol,
    WebSocket: GatewayWebSocket,
  }
  return new WebSocketServer(settings)
}

/** What came behind the request is dropped with the connection. */
function answerOnSocket(socket: Duplex, { status, headers, body }: WholeAnswer): void {
  socket.on('error', () => socket.destroy())
  socket.once('finish', () => socket.destroy()) // a client may keep its half open for ever
  const fields = { ...headers, connection: 'close', 'content-length': body.length }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`)
  socket.end(body)
}

interface ClientError extends Error {
  readonly code?: string
  /** What could not be parsed. */
  readonly rawPacket?: Buffer
}

/** As Node's own answers have it. */
function statusOf({ code }: ClientError): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 413
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
}

function listeningPort(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port')
  return address.port
}
