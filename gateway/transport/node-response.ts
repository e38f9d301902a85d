import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ResponseSink } from './http-response.ts'
import type { WholeAnswer } from './transport.ts'

/** Node's side of one HTTP answer. */
export class NodeResponse implements ResponseSink {
  readonly #outgoing: ServerResponse
  readonly #isLast: () => boolean

  readonly #untakenMs: number

  /** `isLast` says at the head whether the connection is closed with this answer. */
  constructor(outgoing: ServerResponse, isLast: () => boolean, untakenMs: number) {
    this.#outgoing = outgoing
    this.#isLast = isLast
    this.#untakenMs = untakenMs
  }

  flushHead(response: Response): void {
    this.#writeHead(response)
    this.#outgoing.flushHeaders()
  }

  write(response: Response, piece: Uint8Array): Promise<void> | undefined {
    this.#writeHead(response)
    if (this.#outgoing.destroyed || this.#outgoing.write(piece)) return undefined
    return new Promise((resolve) => {
      const done = () => {
        this.#outgoing.off('drain', done).off('close', done)
        resolve()
      }
      this.#outgoing.on('drain', done).on('close', done)
    })
  }

  end(response: Response, last: Uint8Array): void {
    if (!this.#outgoing.headersSent) this.#outgoing.setHeader('content-length', last.length)
    this.#writeHead(response)
    this.#outgoing.end(last)
    endWhenUntaken(this.#outgoing, this.#untakenMs)
  }

  endWithoutBody(response: Response): void {
    this.#writeHead(response)
    this.#outgoing.end()
  }

  destroy(): void {
    this.#outgoing.destroy()
  }

  onGone(listener: () => void): void {
    if (this.#outgoing.destroyed) listener()
    else this.#outgoing.once('close', listener)
  }

  #writeHead(response: Response): void {
    if (this.#outgoing.headersSent) return
    this.#outgoing.setHeaders(response.headers)
    if (this.#isLast() || !this.#outgoing.shouldKeepAlive) this.#outgoing.setHeader('connection', 'close')
    this.#outgoing.writeHead(response.status)
  }
}

/** An answer that is whole already, without a web Response. */
export function sendWhole(
  { status, headers, body, isLast = false }: WholeAnswer,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  isStopping: boolean,
): void {
  // A 304 has the length of what it does not send, or none (RFC 9110, 15.4.5).
  const length = status === 304 ? undefined : { 'content-length': body.length }
  const isClosing = isLast || isStopping || !outgoing.shouldKeepAlive
  outgoing.writeHead(status, { ...headers, ...length, ...(isClosing && { connection: 'close' }) })
  if (incoming.method === 'HEAD' || body.length === 0) outgoing.end()
  else outgoing.end(body)
}

/**
 * Ends the connection when the kernel takes nothing of an ended answer for so long. Node destroys a socket whose timeout
 * ends, begins it anew whenever the kernel took something, and sets its own one for idle connections after the answer.
 */
export function endWhenUntaken(outgoing: ServerResponse, untakenMs: number): void {
  if (!outgoing.writableFinished) outgoing.socket?.setTimeout(untakenMs)
}
