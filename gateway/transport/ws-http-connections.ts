/**
 * The TCP connections of the `ws` transport while they speak HTTP.
 *
 * Node itself reads all requests that a client has sent, calls the handler for each, and holds every answer until the ones
 * before it are taken; so some kilobytes of requests hold some hundred megabytes of answers. Here a connection has one
 * request at a time: it is destroyed when it sends the next one before its answer was taken, which is what uWebSockets.js
 * does. And where Node counts any byte as a sign of life, an idle connection is closed here after a fixed time.
 */
import type { Server as HttpServer, ServerResponse } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { keepAliveMs } from './http-limits.ts'
import { normalizePeerAddress } from './peer-address.ts'
import { SlowLane } from './slow-lane.ts'
import type { Admission, Guest, TransportOptions } from './transport.ts'

interface HttpConnection {
  readonly guest: Guest | undefined
  isBusy: boolean
  outgoing?: ServerResponse | undefined
  /** Nothing that comes after this request is served. */
  isLast: boolean
  idleSinceMs: number
}

/** How often idle connections are looked for, in milliseconds. */
const LOOK_INTERVAL_MS = 5_000

export class WsHttpConnections {
  readonly #idleMs: number
  readonly #admit: TransportOptions['admit']
  readonly #open = new Map<Duplex, HttpConnection>()
  /** The places of TLS connections until their handshake is done: Node tells of another socket then. */
  readonly #handshakes = new Map<string, Guest>()
  readonly #slowLane = new SlowLane()
  readonly #timer: NodeJS.Timeout

  constructor(server: HttpServer | TlsServer, admit: TransportOptions['admit'], idleMs = keepAliveMs) {
    this.#admit = admit
    this.#idleMs = idleMs
    const isTls = 'setSecureContext' in server
    // In place of Node's listener, which would make a parser, or begin a handshake, before it is known that the connection may stay.
    const [serve] = server.listeners('connection')
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => {
      const admitted = this.#take(socket, isTls)
      if (admitted === undefined) socket.destroy()
      else if (admitted.isSlow === true) this.#readLater(socket, () => serve?.call(server, socket))
      else serve?.call(server, socket)
    })
    if (isTls) server.prependListener('secureConnection', (socket: Socket) => this.#secured(socket))
    this.#timer = setInterval(() => this.#closeIdle(), Math.min(LOOK_INTERVAL_MS, idleMs)).unref()
  }

  guestOf(socket: Duplex): Guest | undefined {
    return this.#open.get(socket)?.guest
  }

  /** Whether the connection is free for this request. False: it had one already, and was destroyed. */
  begin(socket: Socket, outgoing: ServerResponse): boolean {
    const connection = this.#free(socket)
    if (connection === undefined) return false
    connection.isBusy = true
    connection.outgoing = outgoing
    outgoing.once('close', () => {
      connection.outgoing = undefined
      connection.guest?.idle()
      connection.idleSinceMs = performance.now()
      // An answer may be over while Node is still reading what was sent with its request.
      setImmediate(() => {
        connection.isBusy = false
      })
    })
    return true
  }

  /** Whether an answer has begun to be sent: nothing else may be written then. */
  isAnswering(socket: Duplex): boolean {
    return this.#open.get(socket)?.outgoing?.headersSent === true
  }

  /** Nothing that comes after this connection's request is served. */
  endAfterAnswer(socket: Duplex): void {
    const connection = this.#open.get(socket)
    if (connection !== undefined) connection.isLast = true
  }

  /** The same for an upgrade, after which the connection speaks no HTTP any more. */
  beginUpgrade(socket: Duplex): boolean {
    return this.#free(socket) !== undefined && this.#open.delete(socket)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#slowLane.stop()
  }

  #free(socket: Duplex): HttpConnection | undefined {
    const connection = this.#open.get(socket)
    if (connection !== undefined && !connection.isBusy && !connection.isLast) return connection
    socket.destroy()
    stopParser(socket)
    return undefined
  }

  #take(socket: Socket, isTls: boolean): Admission | undefined {
    const key = keyOf(socket)
    if (key === undefined) return undefined // it has gone already
    const admitted: Admission | undefined =
      this.#admit === undefined ? {} : this.#admit(normalizePeerAddress(socket.remoteAddress ?? ''))
    if (admitted === undefined) return undefined
    const { guest } = admitted
    if (!isTls) this.#opened(socket, guest)
    else if (guest !== undefined) this.#handshakes.set(key, guest)
    socket.once('close', () => {
      guest?.closed()
      if (isTls) this.#handshakes.delete(key)
    })
    return admitted
  }

  #secured(socket: Socket): void {
    const key = keyOf(socket) ?? ''
    this.#opened(socket, this.#handshakes.get(key))
    this.#handshakes.delete(key)
  }

  #opened(socket: Socket, guest: Guest | undefined): void {
    this.#open.set(socket, { guest, isBusy: false, isLast: false, idleSinceMs: performance.now() })
    socket.once('close', () => this.#open.delete(socket))
  }

  #readLater(socket: Socket, serve: () => void): void {
    const ignored = () => socket.destroy()
    socket.on('error', ignored)
    const begin = () => {
      socket.off('error', ignored)
      if (!socket.destroyed) serve()
    }
    this.#slowLane.enter(begin, () => socket.destroy())
  }

  #closeIdle(): void {
    const before = performance.now() - this.#idleMs
    for (const [socket, { isBusy, idleSinceMs }] of this.#open) {
      if (!isBusy && idleSinceMs < before) socket.destroy()
    }
  }
}

/**
 * Node's parser goes on through all that it has read, and makes a request and an error for each that it finds: 64 KB of
 * them held the process for 140 ms. There is no public way to stop it. So the next request is taken for one that changes
 * the protocol (`node:_http_server`, parserOnIncoming: 2), behind which nothing is parsed. A test watches that it works.
 */
function stopParser(socket: Duplex): void {
  const { parser } = socket as { parser?: { onIncoming?: () => number } | null }
  if (parser) parser.onIncoming = () => 2
}

function keyOf({ remoteAddress, remotePort }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`
}
