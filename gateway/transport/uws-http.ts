/**
 * One HTTP exchange on uWebSockets.js, told as a web Request and Response.
 *
 * The library's objects are pointers: `req` is dead when the handler has returned, `res` once the client went away or the
 * answer ended; touching either ends the process or throws. So everything is copied from `req` at once, and `res` is let
 * go of (`#res = undefined`) in the two places where it dies.
 */
import { STATUS_CODES } from 'node:http'
import { UwsRequestBody } from './uws-request-body.ts'
import type { UwsRequest, UwsResponse } from './uws-types.ts'

/**
 * What is handed to the library at once. The library keeps what the kernel does not take, and says only afterwards that
 * it does; so a client that stopped reading costs this once or twice.
 */
const WRITE_BYTES = 16 * 1024

export class UwsExchange {
  readonly #abort = new AbortController()
  #res: UwsResponse | undefined
  #body: UwsRequestBody | undefined
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  #wake: (() => void) | undefined
  #isHeadSent = false

  constructor(res: UwsResponse) {
    this.#res = res
    res.onAborted(() => this.#aborted())
  }

  /** Throws a TypeError when it is no request that the web knows. Call it before the library's handler returns. */
  request(req: UwsRequest, res: UwsResponse, scheme: 'http' | 'https'): Request {
    const method = req.getCaseSensitiveMethod()
    const query = req.getQuery()
    const url = `${scheme}://${req.getHeader('host')}${req.getUrl()}${query ? `?${query}` : ''}`
    const headers = new Headers()
    req.forEach((name, value) => {
      headers.append(name, value)
    })
    const init = { method, headers, signal: this.#abort.signal }
    if (method === 'GET' || method === 'HEAD') return new Request(url, init)
    this.#body = new UwsRequestBody(res)
    const withBody = { ...init, body: this.#body.stream, duplex: 'half' } // the DOM's types lack `duplex`
    return new Request(url, withBody)
  }

  /** Answers; `isLast` says at the end whether the connection is closed with it. Rejects when the response's body fails: then the connection is closed, since the client must notice. */
  async respond(response: Response, method: string, isLast: () => boolean): Promise<void> {
    try {
      if (response.body === null || method === 'HEAD') await this.#respondWithoutBody(response, method, isLast)
      else await this.#respondWithBody(response, response.body, isLast)
    } catch (error) {
      this.#take()?.close()
      throw error
    }
  }

  async #respondWithoutBody(response: Response, method: string, isLast: () => boolean): Promise<void> {
    this.#end(response, (res) => {
      const length = response.headers.get('content-length')
      if (method === 'HEAD' && length !== null) res.endWithoutBody(Number(length), isLast())
      else if (method === 'HEAD' || response.status === 204 || response.status === 304) endBare(res, isLast())
      else res.end('', isLast())
    })
    await response.body?.cancel()
  }

  async #respondWithBody(response: Response, body: ReadableStream<Uint8Array>, isLast: () => boolean): Promise<void> {
    const reader = body.getReader()
    this.#reader = reader
    if (this.#res === undefined) return reader.cancel()
    const first = await reader.read()
    if (first.done) return this.#end(response, (res) => res.end('', isLast()))
    const second = reader.read()
    // A body that is whole already gets a Content-Length; one that is not waits for no more than this turn of the loop.
    if ((await Promise.race([second, immediate()]))?.done) {
      return this.#end(response, (res) => res.end(first.value, isLast()))
    }
    await this.#stream(response, reader, first.value, second)
    this.#end(response, (res) => res.end(undefined, isLast()))
  }

  async #stream(
    response: Response,
    reader: ReadableStreamDefaultReader<Uint8Array>,
    first: Uint8Array,
    second: Promise<ReadableStreamReadResult<Uint8Array>>,
  ): Promise<void> {
    this.#res?.onWritable(() => {
      // The library writes what it holds when this returns; more is asked for after that.
      setImmediate(() => this.#wakeUp())
      return true
    })
    await this.#write(response, first)
    for (let read = await second; !read.done; read = await reader.read()) await this.#write(response, read.value)
  }

  async #write(response: Response, chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; at += WRITE_BYTES) {
      if (!this.#writePiece(response, chunk.subarray(at, at + WRITE_BYTES))) await this.#writable()
    }
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

  #end(response: Response, end: (res: UwsResponse) => void): void {
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
    this.#reader?.cancel(error).catch(() => undefined) // a source that fails in its cancel has no one left to tell
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

function immediate(): Promise<undefined> {
  return new Promise((resolve) => {
    setImmediate(resolve, undefined)
  })
}
