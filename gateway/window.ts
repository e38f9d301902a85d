import { pingEveryBytes, windowBytes } from '../protocol/limits.ts'

/**
 * How much may be written to a socket. The kernel swallows megabytes before a socket library notices that a reader is
 * slow, so the window is measured end to end: a WebSocket ping whose payload is the count of bytes written so far
 * follows each 16 KiB, and its pong proves that everything before was read (RFC 6455, section 5.5.3). Counting
 * `bufferedAmount` instead let 4 MB pass before it rose.
 */
export class SendWindow {
  #written = 0
  #answered = 0
  #pinged = 0

  /** Bytes that may be written now; 0 or less: none. */
  get room(): number {
    return windowBytes - (this.#written - this.#answered)
  }

  get unansweredBytes(): number {
    return this.#written - this.#answered
  }

  /** Counts a write. Answers the payload of a ping that is due now, if one is. */
  wrote(bytes: number): string | undefined {
    this.#written += bytes
    return this.#written - this.#pinged < pingEveryBytes ? undefined : this.ping()
  }

  /** The payload of a ping sent now, whatever is due. */
  ping(): string {
    this.#pinged = this.#written
    return String(this.#written)
  }

  /** Takes a pong's payload. Answers whether it says that more was read; any other changes nothing. */
  answered(payload: string): boolean {
    const count = Number(payload)
    if (!Number.isSafeInteger(count) || count <= this.#answered || count > this.#pinged) return false
    this.#answered = count
    return true
  }
}
