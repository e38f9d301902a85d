/**
 * The transport on uWebSockets.js: a tenth of the memory and less CPU than `ws`, for operators who install it.
 *
 * Five things that it does not do by itself:
 * - It says of a failed listen only that it failed, and its listeners share their port (SO_REUSEPORT), so that a second
 *   gateway on one port would quietly get half of the connections. So the port is tried with Node's own server first.
 * - A certificate cannot be changed. A second app with the new one listens on the same port before the first one's
 *   listener is closed; the first one's sockets live on in it. A retired app costs some kilobytes for each change.
 * - Its listeners let 512 connections wait to be accepted, and of clients that all dial at once the others try again
 *   after one and three seconds. So there are several listeners on the port, among which the kernel deals connections out.
 * - It does not say which connection was closed: uws-connections.ts finds out.
 * - It drops frames over `maxBackpressure`. It says so, and such a socket is ended (guarded-socket.ts).
 *
 * And three that it does otherwise, which nothing here changes: it ends an HTTP answer whose client takes nothing for
 * about 10 s, it closes a connection that sends its next request before the last one's answer, and it refuses HTTP/1.0, and
 * targets that do not begin with a slash, with 505 before any handler is called.
 *
 * Its parser hides how the chunks of a body were framed, and takes what RFC 9112 forbids (a bare LF). So nothing that comes
 * after a chunked body is ever a request: the connection is closed with the answer.
 */
import { createServer } from 'node:net'
import { MAX_UNSENT_BYTES } from './guarded-socket.ts'
import { after, answerRequest, badRequest, notFound, upgradeRequired } from './http-answer.ts'
import { hasToken } from './http-framing.ts'
import { sendResponse } from './http-response.ts'
import { listenError } from './listen-error.ts'
import { OtherProtocolReport, proxyProtocol } from './other-protocols.ts'
import { readTlsPair, type TlsPair, TlsWatch, tls12Ciphers } from './tls-files.ts'
import type {
  CreateTransport,
  Guest,
  Peer,
  RequestHead,
  Transport,
  TransportOptions,
  Upgrade,
  WholeAnswer,
} from './transport.ts'
import { describeUpgrade } from './upgrade-request.ts'
import { type UwsConnection, UwsConnections } from './uws-connections.ts'
import { UwsExchange } from './uws-http.ts'
import { hasUnsafeFraming, headerOf, readRequestHead } from './uws-request-head.ts'
import { UwsSocket } from './uws-socket.ts'
import type { Uws, UwsApp, UwsBehavior, UwsListenSocket, UwsRequest, UwsResponse, UwsWebSocket } from './uws-types.ts'

/** Together they let as many connections wait as one listener may by Linux' default (`net.core.somaxconn`, 4,096). */
const LISTENERS = 8

export function createUwsTransport(uws: Uws): CreateTransport {
  return (options) => new UwsTransport(uws, options)
}

class UwsTransport implements Transport {
  readonly #uws: Uws
  readonly #options: TransportOptions
  readonly #apps: UwsApp[] = []
  readonly #connections: UwsConnections
  readonly #others: OtherProtocolReport
  #listenSockets: readonly UwsListenSocket[] = []
  #tlsWatch: TlsWatch | undefined
  #isStopping = false

  constructor(uws: Uws, options: TransportOptions) {
    this.#uws = uws
    this.#options = options
    this.#connections = new UwsConnections(options.admit)
    this.#others = new OtherProtocolReport(options.log)
  }

  async listen(): Promise<{ host: string; port: number }> {
    const { host, tls, log } = this.#options
    const pair = tls && readTlsPair(tls)
    const port = await tryPort(host, this.#options.port)
    this.#serve(port, pair)
    if (tls && pair) this.#tlsWatch = new TlsWatch(tls, pair, (next) => this.#serve(port, next), log)
    return { host, port }
  }

  stopListening(): void {
    this.#isStopping = true
    this.#tlsWatch?.close()
    this.#closeListeners()
  }

  async close(): Promise<void> {
    this.stopListening()
    this.#connections.stop()
    for (const app of this.#apps.splice(0)) app.close()
    // The handlers hear of their closes in microtasks, and those come first.
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** Serves with this certificate from now on; throws, and changes nothing, when it cannot. */
  #serve(port: number, pair: TlsPair | undefined): void {
    const app = this.#createApp(pair)
    const opened: UwsListenSocket[] = []
    for (let n = 0; n < LISTENERS; n++) {
      app.listen(this.#options.host, port, (listenSocket) => {
        if (listenSocket) opened.push(listenSocket)
      })
    }
    if (opened.length === 0) throw listenError(this.#options.host, port, new Error('uWebSockets.js gives no reason'))
    this.#closeListeners()
    this.#listenSockets = opened
    this.#apps.push(app)
  }

  #createApp(pair: TlsPair | undefined): UwsApp {
    const { tls, socketPath } = this.#options
    const app = tls && pair ? this.#createTlsApp(tls, pair) : this.#uws.App()
    app.filter((res, change) => this.#connections.changed(res, change))
    return app.ws(socketPath, this.#behavior()).any('/*', (res, req) => this.#answer(res, req, tls ? 'https' : 'http'))
  }

  /** The library reads the files itself, after us: what it read is the pair that was checked only if they still are. */
  #createTlsApp(files: { readonly certFile: string; readonly keyFile: string }, pair: TlsPair): UwsApp {
    const app = this.#uws.SSLApp({
      key_file_name: files.keyFile,
      cert_file_name: files.certFile,
      ssl_ciphers: tls12Ciphers,
      ssl_prefer_low_memory_usage: true,
    })
    const now = readTlsPair(files)
    if (now.cert === pair.cert && now.key === pair.key) return app
    app.close()
    throw new Error(`unable to use certificate ${files.certFile}: it changed while it was read`)
  }

  #closeListeners(): void {
    for (const listenSocket of this.#listenSockets) this.#uws.us_listen_socket_close(listenSocket)
    this.#listenSockets = []
  }

  #behavior(): UwsBehavior {
    return {
      compression: this.#uws.DISABLED,
      maxPayloadLength: this.#options.maxFrameBytes,
      maxBackpressure: MAX_UNSENT_BYTES,
      // Also for the pongs that the library sends by itself, and else drops in silence.
      closeOnBackpressureLimit: true,
      // The gateway does its own liveness.
      idleTimeout: 0,
      sendPingsAutomatically: false,
      upgrade: (res, req, context) => this.#upgrade(res, req, context),
      open: (webSocket) => {
        const place = placeOf(webSocket)
        const { socket, upgrade } = place
        place.upgrade = undefined
        if (upgrade) socket.opened(webSocket, this.#options.accept, upgrade)
      },
      message: (webSocket, message, isBinary) => {
        const { guarded } = placeOf(webSocket).socket
        guarded.received(message.byteLength)
        if (isBinary) guarded.binary()
        else guarded.text(Buffer.from(message))
      },
      ping: (webSocket, payload) => {
        const { guarded } = placeOf(webSocket).socket
        guarded.received(payload.byteLength)
        guarded.alive()
      },
      pong: (webSocket, payload) => {
        const { guarded } = placeOf(webSocket).socket
        guarded.received(payload.byteLength)
        guarded.pong(textOf(payload))
      },
      close: (webSocket, code, reason) => {
        const { socket, guest } = placeOf(webSocket)
        guest?.closed()
        socket.closed(code, textOf(reason))
      },
    }
  }

  #upgrade(res: UwsResponse, req: UwsRequest, context: object): void {
    if (this.#isStopping) {
      res.close()
      return
    }
    const connection = this.#connections.of(res)
    if (connection === undefined) return void res.close()
    const refused = this.#refusedProxy(res, connection) ?? this.#refusedUpgrade(req, connection)
    if (refused !== undefined) {
      const exchange = this.#exchange(res, connection)
      return after(refused.delayMs, () => exchange.sendWhole({ ...refused, isLast: true }, false))
    }
    const offered = headerOf(req, 'sec-websocket-protocol')?.split(/\s*,\s*/) ?? []
    const protocol = offered.includes(this.#options.subprotocol) ? this.#options.subprotocol : ''
    const { guest } = connection
    const upgrade = describeUpgrade(peerOf(connection), urlOf(req), (name) => headerOf(req, name))
    const place: Place = { socket: new UwsSocket(this.#options), upgrade, guest }
    this.#connections.upgraded(connection)
    res.upgrade(place, req.getHeader('sec-websocket-key'), protocol, '', context)
  }

  /** The library takes the PROXY protocol's second version from anybody. Believing it is for proxies that are trusted. */
  #refusedProxy(res: UwsResponse, { address }: UwsConnection): WholeAnswer | undefined {
    if (res.getProxiedRemoteAddress().byteLength === 0) return undefined
    this.#others.came(proxyProtocol, address)
    return { ...badRequest, body: Buffer.from(`${proxyProtocol.advice}\n`) }
  }

  #refusedUpgrade(req: UwsRequest, connection: UwsConnection): WholeAnswer | undefined {
    if (req.getHeader('sec-websocket-version') !== '13') {
      return { status: 400, headers: { 'sec-websocket-version': '13' }, body: NOTHING }
    }
    if (!hasToken(headerOf(req, 'connection'), 'upgrade') || !isWebSocket(req)) return upgradeRequired
    if (hasUnsafeFraming(req, true)) return badRequest
    return this.#options.answerWhole?.(wholeHead(req, true), peerOf(connection))
  }

  #answer(res: UwsResponse, req: UwsRequest, scheme: 'http' | 'https'): void {
    const connection = this.#connections.of(res)
    // An idle connection's next request after the listener was closed: `ws` has closed such connections already.
    if (connection === undefined || connection.isLast || this.#isStopping) return void res.close()
    const exchange = this.#exchange(res, connection)
    const refused = this.#refusedProxy(res, connection)
    if (refused !== undefined) return exchange.sendWhole(refused, false)
    const isSocketPath = req.getUrl() === this.#options.socketPath
    if (!isSocketPath && isWebSocket(req)) return exchange.sendWhole(notFound, false)
    const head = readRequestHead(req, scheme)
    if (head === undefined) return exchange.sendWhole(badRequest, false)
    if (head.headers.has('transfer-encoding')) connection.isLast = true
    const isHead = head.method === 'HEAD'
    const peer = peerOf(connection)
    const whole =
      this.#options.answerWhole?.(wholeHead(req, false), peer) ?? (isSocketPath ? upgradeRequired : undefined)
    // Not before the library has seen what else was sent: it closes a connection whose next request comes before the answer.
    if (whole !== undefined) {
      return after(whole.delayMs, () => void setImmediate(() => exchange.sendWhole(whole, isHead)))
    }
    const { fetch, log } = this.#options
    const request = exchange.request(head, res)
    void this.#finish(exchange, answerRequest(fetch, request, peer, log), isHead)
  }

  #exchange(res: UwsResponse, connection: UwsConnection): UwsExchange {
    return new UwsExchange(res, { connections: this.#connections, connection, isStopping: () => this.#isStopping })
  }

  async #finish(exchange: UwsExchange, response: Promise<Response>, isHead: boolean): Promise<void> {
    try {
      const made = await response
      await new Promise((resolve) => setImmediate(resolve)) // as above
      await sendResponse(made, isHead, exchange)
    } catch (error) {
      this.#options.log.error({ err: error }, 'the HTTP response failed')
    }
  }
}

/** What an upgrade leaves for the socket: the library copies it onto its own object. */
interface Place {
  readonly socket: UwsSocket
  readonly guest: Guest | undefined
  upgrade: Upgrade | undefined
}

const NOTHING = new Uint8Array(0)

function isWebSocket(req: UwsRequest): boolean {
  return hasToken(headerOf(req, 'upgrade'), 'websocket')
}

/** Good until the library's handler returns. */
function wholeHead(req: UwsRequest, isUpgrade: boolean): RequestHead {
  return {
    method: req.getCaseSensitiveMethod(),
    url: urlOf(req),
    isUpgrade,
    header: (name) => headerOf(req, name),
  }
}

function urlOf(req: UwsRequest): string {
  const query = req.getQuery()
  return query ? `${req.getUrl()}?${query}` : req.getUrl()
}

function peerOf({ address, guest }: UwsConnection): Peer {
  return { address, ...(guest && { guest }) }
}

function placeOf(webSocket: UwsWebSocket): Place {
  return webSocket.getUserData() as Place // boundary: it is what #upgrade gave to the library
}

function textOf(bytes: ArrayBuffer): string {
  return Buffer.from(bytes).toString()
}

/** Answers a port that is free now: this one or, for 0, any. Rejects with what is in the way. */
function tryPort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => reject(listenError(host, port, error)))
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : port))
    })
  })
}
