/**
 * One HTTP exchange on uWebSockets.js, told as a web Request and Response.
 *
 * The library's objects are pointers: `req` is dead when the handler has returned, `res` once the client went away or the
 * answer ended; touching either ends the process or throws. So everything is copied from `req` at once, and `res` is let
 * go of (`#res = undefined`) in the two places where it dies.
 */
import { STATUS_CODES } from 'node:http'
import type { ResponseSink } from './http-response.ts'
import { UwsRequestBody } from './uws-request-body.ts'
import type { UwsRequestHead } from './uws-request-head.ts'
import type { UwsResponse } from './uws-types.ts'

/**
 * What is handed to the library at once. The library keeps what the kernel does not take, and says only afterwards that
 * it does; so a client that stopped reading costs this once or twice.
 */
const WRITE_BYTES = 16 * 1024
const NOTHING = new Uint8Array(0)

export class UwsExchange implements ResponseSink {
  readonly #abort = new AbortController()
  #res: UwsResponse | undefined
  #body: UwsRequestBody | undefined
  readonly #isLast: () => boolean
  #wake: (() => void) | undefined
  #isHeadSent = false

  /** `isLast` says at the answer's end whether the connection is closed with it. */
  constructor(res: UwsResponse, isLast: () => boolean) {
    this.#res = res
    this.#isLast = isLast
    res.onAborted(() => this.#aborted())
    res.onWritable(() => this.#onWritable())
  }

  /** Call it before the library's handler returns: later the body would be lost. */
  request({ method, url, headers }: UwsRequestHead, res: UwsResponse): Request {
    const init = { method, headers, signal: this.#abort.signal }
    if (method === 'GET' || method === 'HEAD') return new Request(url, init)
    this.#body = new UwsRequestBody(res)
    const withBody = { ...init, body: this.#body.stream, duplex: 'half' } // the DOM's types lack `duplex`
    return new Request(url, withBody)
  }

  /** The library sends a head only with its first piece; a stream that wants to be seen early sends one (SSE: a comment). */
  flushHead(): void {
    return
  }

  async write(response: Response, chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; at += WRITE_BYTES) {
      if (!this.#writePiece(response, chunk.subarray(at, at + WRITE_BYTES))) await this.#writable()
    }
  }

  end(response: Response, last: Uint8Array): void {
    this.#finish(response, (res) => res.end(last, this.#isLast()))
  }

  endWithoutBody(response: Response, isHead: boolean): void {
    const length = response.headers.get('content-length')
    this.#finish(response, (res) => {
      if (isHead && length !== null) res.endWithoutBody(Number(length), this.#isLast())
      else if (isHead || response.status === 204 || response.status === 304) endBare(res, this.#isLast())
      else res.end(NOTHING, this.#isLast())
    })
  }

  destroy(): void {
    this.#take()?.close()
  }

  onGone(listener: () => void): void {
    if (this.#abort.signal.aborted) listener()
    else this.#abort.signal.addEventListener('abort', listener)
  }

  /** Answers whether the client takes more. */
  #writePiece(response: Response, piece: Uint8Array): boolean {
    const res = this.#res
    let takesMore = true
    res?.cork(() => {
      this.#writeHead(res, response)
      takesMore = res.write(piece)
    })
    return takesMore
  }

  #writable(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #onWritable(): boolean {
    // The library writes what it holds when this returns; more is asked for after that.
    setImmediate(() => this.#wakeUp())
    return true
  }

  #finish(response: Response, end: (res: UwsResponse) => void): void {
    this.#body?.discard()
    const res = this.#take()
    res?.cork(() => {
      this.#writeHead(res, response)
      end(res)
    })
  }

  #writeHead(res: UwsResponse, response: Response): void {
    if (this.#isHeadSent) return
    this.#isHeadSent = true
    res.writeStatus(`${response.status} ${STATUS_CODES[response.status] ?? 'Unknown'}`)
    for (const [name, value] of response.headers) {
      if (!WRITTEN_BY_LIBRARY.has(name)) res.writeHeader(name, headerValue(value))
    }
  }

  #aborted(): void {
    const error = new Error('the client went away')
    this.#res = undefined
    this.#body?.fail(error)
    this.#abort.abort(error)
    this.#wakeUp()
  }

  #take(): UwsResponse | undefined {
    const res = this.#res
    this.#res = undefined
    return res
  }

  #wakeUp(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}

const WRITTEN_BY_LIBRARY: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding'])

function endBare(res: UwsResponse, closeConnection: boolean): void {
  // Its first argument, given as undefined, would be written as a length.
  if (closeConnection) res.writeHeader('connection', 'close')
  res.endWithoutBody()
}

/** Header values are bytes, one a character (WHATWG fetch); the library would write a string as UTF-8. */
function headerValue(value: string): string | Uint8Array {
  return /^[ -~\t]*$/.test(value) ? value : Buffer.from(value, 'latin1')
}
