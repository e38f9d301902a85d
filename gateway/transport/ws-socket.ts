/**
 * `ws`'s side of one socket. The listeners are shared functions that find the socket's state through `this`: an idle
 * socket costs no closures.
 */
import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import { GuardedSocket, type LibrarySocket, MAX_UNSENT_BYTES, type SocketOptions } from './guarded-socket.ts'
import { textFrame } from './text-frame.ts'
import type { SocketAcceptor, Upgrade } from './transport.ts'

const TEXT = { binary: false }

/** Frames up to this many UTF-16 units or bytes are written in one piece; above, a copy costs more than it saves. */
const ONE_PIECE_MAX = 16 * 1024

/** What `ws` makes for each connection (its documented `WebSocket` option), with a place for our state. */
export class GatewayWebSocket extends WebSocket {
  guarded: GuardedSocket | undefined
  registry: Set<GatewayWebSocket> | undefined

  /** Is in `registry` until it is closed. */
  register(registry: Set<GatewayWebSocket>): void {
    registry.add(this)
    this.registry = registry
  }
}

/** Joins an accepted WebSocket to the gateway's handlers. */
export function serveWebSocket(
  webSocket: GatewayWebSocket,
  connection: Duplex,
  upgrade: Upgrade,
  acceptor: SocketAcceptor,
  options: SocketOptions,
): void {
  const guarded = new GuardedSocket(new WsSocket(webSocket, connection), options)
  webSocket.guarded = guarded
  webSocket.on('message', onMessage)
  webSocket.on('ping', onPing)
  webSocket.on('pong', onPong)
  webSocket.on('close', onClose)
  webSocket.on('error', onError)
  countUntilAdmitted(connection, guarded)
  guarded.accept(acceptor, upgrade)
}

/** Before `ws` reads: it tells of a frame only when all of it is there. */
function countUntilAdmitted(connection: Duplex, guarded: GuardedSocket): void {
  const count = (chunk: Buffer): void => {
    if (guarded.isAdmitted) connection.off('data', count)
    else guarded.received(chunk.length)
  }
  connection.prependListener('data', count)
}

class WsSocket implements LibrarySocket {
  readonly #webSocket: WebSocket
  /** Where `ws` writes too: at once and in order, since there are no extensions. */
  readonly #connection: Duplex

  constructor(webSocket: WebSocket, connection: Duplex) {
    this.#webSocket = webSocket
    this.#connection = connection
  }

  send(frame: string | Buffer): boolean {
    // The peer's close frame may be here already; `ws` would count what it cannot send as buffered, for ever.
    if (this.#webSocket.readyState !== WebSocket.OPEN) return true
    if (this.#webSocket.bufferedAmount > MAX_UNSENT_BYTES) return false
    if (frame.length <= ONE_PIECE_MAX) this.#connection.write(onePiece(frame))
    else this.#webSocket.send(frame, TEXT)
    return true
  }

  ping(payload: string): void {
    this.#webSocket.ping(payload)
  }

  close(code: number, reason: string): void {
    this.#webSocket.close(code, reason)
  }

  terminate(): void {
    this.#webSocket.terminate()
  }

  bufferedBytes(): number {
    return this.#webSocket.bufferedAmount
  }

  stopReading(): void {
    this.#webSocket.pause()
  }
}

/** What many watchers get is one payload: it is framed once. */
function onePiece(payload: string | Buffer): Buffer {
  if (typeof payload === 'string') return textFrame(payload)
  if (payload !== lastPayload) {
    lastPayload = payload
    lastFrame = textFrame(payload)
  }
  return lastFrame
}

let lastPayload: Buffer | undefined
let lastFrame: Buffer = Buffer.alloc(0)

function onMessage(this: WebSocket, data: WebSocket.RawData, isBinary: boolean): void {
  const { guarded } = gatewayWebSocket(this)
  if (isBinary) guarded?.binary()
  // By default `ws` delivers a Buffer.
  else guarded?.text(data as Buffer)
}

function onPing(this: WebSocket): void {
  gatewayWebSocket(this).guarded?.alive()
}

function onPong(this: WebSocket, payload: Buffer): void {
  gatewayWebSocket(this).guarded?.pong(payload.toString())
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  const webSocket = gatewayWebSocket(this)
  webSocket.registry?.delete(webSocket)
  webSocket.guarded?.closed(code, reason.toString())
}

/** `ws` has answered with a close frame (1002, 1007, 1009) or lost the connection; `close` follows either way. */
function onError(this: WebSocket, error: Error): void {
  gatewayWebSocket(this).guarded?.brokenByPeer(error.message)
}

/** Boundary: `ws`'s types know nothing of the class given in the option `WebSocket`; only such sockets have these listeners. */
function gatewayWebSocket(webSocket: WebSocket): GatewayWebSocket {
  return webSocket as GatewayWebSocket
}
