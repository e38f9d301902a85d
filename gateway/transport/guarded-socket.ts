/**
 * Between a socket library and the gateway, the same on every library.
 *
 * A bug in the handling of one socket must cost that socket alone, and a library goes on delivering for a while after
 * the gateway asked for the close. So every event and every verb goes through here: an exception from a handler is
 * logged and closes the socket with 4000; once the socket is closing, verbs do nothing and no event but `closed` is
 * delivered, and that once. One object and no closure a socket, since there are many sockets and most of them are idle.
 */
import { closeCodes } from '../../protocol/close-code.ts'
import { cutCloseReason } from './close-reason.ts'
import type { Socket, SocketAcceptor, SocketHandlers, TransportLog, Upgrade } from './transport.ts'

/** What a library's adapter does for the guard. Called only while the socket is open. */
export interface LibrarySocket {
  /** Answers false when the library holds more than `MAX_UNSENT_BYTES`: the frame was not taken. */
  send(frame: string | Buffer): boolean
  ping(payload: string): void
  close(code: number, reason: string): void
  terminate(): void
  bufferedBytes(): number
}

/**
 * The most that a library holds for one socket. The gateway's own window is far below it; whoever gets here broke that
 * window, and loses the socket (1006 at the gateway) rather than a frame in silence.
 */
export const MAX_UNSENT_BYTES = 16 * 1024 * 1024

export class GuardedSocket implements Socket {
  readonly #library: LibrarySocket
  readonly #log: TransportLog
  #state: 'open' | 'closing' | 'closed' = 'open'
  #handlers: SocketHandlers | undefined

  constructor(library: LibrarySocket, log: TransportLog) {
    this.#library = library
    this.#log = log
  }

  accept(acceptor: SocketAcceptor, upgrade: Upgrade): void {
    try {
      this.#handlers = acceptor(upgrade, this)
    } catch (error) {
      this.#fail(error)
    }
  }

  send(frame: string | Buffer): void {
    if (this.#state !== 'open' || this.#library.send(frame)) return
    this.#log.warn({ unsentBytes: this.#library.bufferedBytes() }, 'socket ended: too much is unsent')
    this.terminate()
  }

  ping(payload: string): void {
    if (this.#state === 'open') this.#library.ping(payload)
  }

  close(code: number, reason: string): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    this.#library.close(code, cutCloseReason(reason))
  }

  /** Also ends a close handshake under way. */
  terminate(): void {
    if (this.#state === 'closed') return
    this.#state = 'closing'
    this.#library.terminate()
  }

  bufferedBytes(): number {
    return this.#state === 'closed' ? 0 : this.#library.bufferedBytes()
  }

  text(frame: string): void {
    if (this.#state !== 'open') return
    try {
      this.#handlers?.text(frame)
    } catch (error) {
      this.#fail(error)
    }
  }

  binary(): void {
    if (this.#state !== 'open') return
    try {
      this.#handlers?.binary()
    } catch (error) {
      this.#fail(error)
    }
  }

  pong(payload: string): void {
    if (this.#state !== 'open') return
    try {
      this.#handlers?.pong(payload)
    } catch (error) {
      this.#fail(error)
    }
  }

  alive(): void {
    if (this.#state !== 'open') return
    try {
      this.#handlers?.alive()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The peer broke the protocol or its connection broke; the library closes, `closed` follows. */
  brokenByPeer(reason: string): void {
    this.#log.info({ reason }, 'socket broken by its peer')
  }

  closed(code: number, reason: string): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    try {
      this.#handlers?.closed(code, reason)
    } catch (error) {
      this.#fail(error)
    }
    this.#handlers = undefined
  }

  #fail(error: unknown): void {
    this.#log.error({ err: error }, 'a socket handler failed')
    this.close(closeCodes.internal, 'internal error')
  }
}
