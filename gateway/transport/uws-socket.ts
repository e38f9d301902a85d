/**
 * uWebSockets.js's side of one socket.
 *
 * Its object must not be touched once its close handler was called, and `end` and `close` call that handler before they
 * return: without care a verb would find a dead object, and the gateway's `closed` would run inside its own call of
 * `close`. So the object is let go at once and `closed` is told in a microtask.
 *
 * It is given bytes, never strings: a string with characters from U+0080 to U+00FF alone goes out as Latin-1 (seen with
 * version 20.x on Node 24), which is not UTF-8, and the client closes.
 */
import { GuardedSocket, type LibrarySocket, type SocketOptions } from './guarded-socket.ts'
import type { SocketAcceptor, Upgrade } from './transport.ts'
import type { UwsWebSocket } from './uws-types.ts'

const DROPPED = 2

export class UwsSocket implements LibrarySocket {
  readonly guarded: GuardedSocket
  #webSocket: UwsWebSocket | undefined

  constructor(options: SocketOptions) {
    this.guarded = new GuardedSocket(this, options)
  }

  opened(webSocket: UwsWebSocket, acceptor: SocketAcceptor, upgrade: Upgrade): void {
    this.#webSocket = webSocket
    this.guarded.accept(acceptor, upgrade)
  }

  closed(code: number, reason: string): void {
    this.#webSocket = undefined
    queueMicrotask(() => this.guarded.closed(code, reason))
  }

  send(frame: string | Buffer): boolean {
    return this.#webSocket?.send(typeof frame === 'string' ? Buffer.from(frame) : frame, false, false) !== DROPPED
  }

  ping(payload: string): void {
    this.#webSocket?.ping(Buffer.from(payload))
  }

  close(code: number, reason: string): void {
    this.#webSocket?.end(code, Buffer.from(reason))
  }

  terminate(): void {
    this.#webSocket?.close()
  }

  bufferedBytes(): number {
    return this.#webSocket?.getBufferedAmount() ?? 0
  }
  stopReading(): void {
    // The library has no way to pause a socket; the close that follows drops what comes.
  }
}
