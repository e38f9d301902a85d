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
import type { Socket, SocketAcceptor, SocketHandlers, TransportLog, TransportOptions, Upgrade } from './transport.ts'

/** What a library's adapter does for the guard. Called only while the socket is open. */
export interface LibrarySocket {
  /** Answers false when the library holds more than `MAX_UNSENT_BYTES`: the frame was not taken. */
  send(frame: string | Buffer): boolean
  ping(payload: string): void
  close(code: number, reason: string): void
  terminate(): void
  bufferedBytes(): number
  /** Reads nothing more, where the library can. What was read already may still be delivered. */
  stopReading(): void
}

/**
 * The most that a library holds for one socket. The gateway itself holds back answers, records and deltas far below it, so
 * only pongs and refusals that are not read come near. At it the socket is ended (1006 at the gateway); no frame is
 * dropped in silence.
 */
export const MAX_UNSENT_BYTES = 2 * 1024 * 1024

/** What a socket has in common with the others of its transport. */
export interface SocketOptions {
  readonly beforeAdmit: TransportOptions['beforeAdmit']
  readonly log: TransportLog
}

export class GuardedSocket implements Socket {
  readonly #library: LibrarySocket
  readonly #options: SocketOptions
  #state: 'open' | 'closing' | 'closed' = 'open'
  #handlers: SocketHandlers | undefined
  /** What came before `admit`, in bytes; negative: admitted. */
  #strangerBytes = 0

  constructor(library: LibrarySocket, options: SocketOptions) {
    this.#library = library
    this.#options = options
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
    this.#options.log.warn({ unsentBytes: this.#library.bufferedBytes() }, 'socket ended: too much is unsent')
    this.terminate()
  }

  admit(): void {
    this.#strangerBytes = -1
  }

  get isAdmitted(): boolean {
    return this.#strangerBytes < 0
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

  /** So much arrived; the adapter says it before it delivers what arrived. */
  received(bytes: number): void {
    if (this.isAdmitted) return
    this.#strangerBytes += bytes
    if (this.#strangerBytes > this.#options.beforeAdmit.totalBytes) this.#overLimit()
  }

  text(frame: Buffer): void {
    if (this.#state !== 'open') return
    if (!this.isAdmitted && frame.length > this.#options.beforeAdmit.frameBytes) return this.#overLimit()
    try {
      this.#handlers?.text(frame.toString())
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
    this.#options.log.info({ reason }, 'socket broken by its peer')
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

  #overLimit(): void {
    if (this.#state !== 'open') return
    this.#library.stopReading()
    try {
      this.#handlers?.overLimit()
    } catch (error) {
      this.#fail(error)
    }
    this.close(closeCodes.protocol, 'too much before admission')
  }

  #fail(error: unknown): void {
    this.#options.log.error({ err: error }, 'a socket handler failed')
    this.close(closeCodes.internal, 'internal error')
  }
}
