/**
 * One HTTP exchange on uWebSockets.js, told as a web Request and Response.
 *
 * The library's objects are pointers: `req` is dead when the handler has returned, `res` once the client went away or the
 * answer ended; touching either ends the process or throws. So everything is copied from `req` at once, and `res` is let
 * go of (`#res = undefined`) in the two places where it dies.
 */
import { STATUS_CODES } from 'node:http'
import type { ResponseSink } from './http-response.ts'
import type { WholeAnswer } from './transport.ts'
import type { UwsConnection, UwsConnections } from './uws-connections.ts'
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
  readonly #place: ExchangePlace
  #wake: (() => void) | undefined
  #isHeadSent = false
  /** A whole answer's body, while the client takes it. */
  #whole: Uint8Array | undefined

  constructor(res: UwsResponse, place: ExchangePlace) {
    this.#res = res
    this.#place = place
    res.onAborted(() => this.#aborted())
    res.onWritable((offset) => this.#onWritable(offset))
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
    if (this.#isHeadSent) this.#finish(response, (res) => res.end(last, this.#isLast()))
    else this.#endWhole((res) => this.#writeHead(res, response), last)
  }

  endWithoutBody(response: Response, isHead: boolean): void {
    const length = response.headers.get('content-length')
    this.#finish(response, (res) => {
      if (isHead && length !== null) res.endWithoutBody(Number(length), this.#isLast())
      else if (isHead || response.status === 204 || response.status === 304) endBare(res, this.#isLast())
      else res.end(NOTHING, this.#isLast())
    })
  }

  /** An answer that is whole already, without a web Response. */
  sendWhole({ status, headers, body, isLast = false }: WholeAnswer, isHead: boolean): void {
    if (isLast) this.#place.connection.isLast = true
    const writeHead = (res: UwsResponse) => {
      res.writeStatus(statusLine(status))
      for (const [name, value] of Object.entries(headers)) res.writeHeader(name, value)
    }
    if (!isHead && status !== 304) return this.#endWhole(writeHead, body)
    this.#close((res) => {
      writeHead(res)
      if (status === 304) endBare(res, this.#isLast())
      else res.endWithoutBody(body.length, this.#isLast())
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

  #onWritable(offset: number): boolean {
    if (this.#whole !== undefined) return this.#sendRest(offset)
    // The library writes what it holds when this returns; more is asked for after that.
    setImmediate(() => this.#wakeUp())
    return true
  }

  #finish(response: Response, end: (res: UwsResponse) => void): void {
    this.#close((res) => {
      this.#writeHead(res, response)
      end(res)
    })
  }

  #close(end: (res: UwsResponse) => void): void {
    this.#body?.discard()
    const res = this.#take()
    if (res === undefined) return
    const { connections, connection } = this.#place
    connections.answer(connection, () => {
      res.cork(() => end(res))
      return true
    })
  }

  /**
   * The library holds none of the body: what the kernel does not take is asked for again. Until all is taken the request is
   * under way, so that a connection which sends the next one is closed.
   */
  #endWhole(writeHead: (res: UwsResponse) => void, body: Uint8Array): void {
    // Only an answer that is ended so is closed by the library once it is taken; it would hold a large one.
    if (this.#isLast() && body.length <= WRITE_BYTES) {
      return this.#close((res) => {
        writeHead(res)
        res.end(body, true)
      })
    }
    this.#body?.discard()
    this.#whole = body
    this.#sendRest(0, (res) => {
      writeHead(res)
      if (this.#isLast()) res.writeHeader('connection', 'close')
    })
  }

  /** Answers whether the kernel took all of it. */
  #sendRest(offset: number, before: (res: UwsResponse) => void = () => undefined): boolean {
    const res = this.#res
    const body = this.#whole
    if (res === undefined || body === undefined) return true
    const { connections, connection } = this.#place
    const isDone = connections.answer(connection, () => {
      let isDone = false
      res.cork(() => {
        before(res)
        isDone = res.tryEnd(body.subarray(offset), body.length)[1]
      })
      return isDone
    })
    if (!isDone) return false
    this.#take()
    this.#whole = undefined
    if (this.#isLast()) connections.close(connection)
    return true
  }

  #isLast(): boolean {
    return this.#place.connection.isLast || this.#place.isStopping()
  }

  #writeHead(res: UwsResponse, response: Response): void {
    if (this.#isHeadSent) return
    this.#isHeadSent = true
    res.writeStatus(statusLine(response.status))
    for (const [name, value] of response.headers) {
      if (!WRITTEN_BY_LIBRARY.has(name)) res.writeHeader(name, headerValue(value))
    }
  }

  #aborted(): void {
    const error = new Error('the client went away')
    this.#res = undefined
    this.#whole = undefined
    // The signal first: who reads the body finds the reason there.
    this.#abort.abort(error)
    this.#body?.fail(error)
    this.#wakeUp()
    this.#place.connections.closed(this.#place.connection)
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

/** Where an exchange takes place. */
export interface ExchangePlace {
  readonly connections: UwsConnections
  readonly connection: UwsConnection
  /** Whether every answer is now the last one of its connection. */
  isStopping(): boolean
}

function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? 'Unknown'}`
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
