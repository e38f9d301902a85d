/**
 * A request's body on uWebSockets.js as a web stream. The library pushes; the stream must not grow when nobody reads.
 * So the connection is paused while more than `MAX_WAITING_BYTES` wait, and resumed by the reader. One piece the library
 * has read already (at most 512 KiB) comes on top. The library itself ends an upload slower than 16 KiB/s.
 */
import type { UwsResponse } from './uws-types.ts'

/** What is held of a body that its reader has not taken; above, the connection is paused. */
const MAX_WAITING_BYTES = 64 * 1024

export class UwsRequestBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>
  readonly #res: UwsResponse
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined
  #isPaused = false

  constructor(res: UwsResponse) {
    this.#res = res
    this.stream = new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#resume(),
        cancel: () => this.discard(),
      },
      { highWaterMark: MAX_WAITING_BYTES, size: (chunk) => chunk.byteLength },
    )
    res.onData((chunk, isLast) => this.#push(chunk, isLast))
  }

  /** Nobody reads on. The rest is read and dropped, so that the connection can serve its next request. */
  discard(): void {
    this.#controller = undefined
    this.#resume()
  }

  /** The connection is gone: `res` must not be touched. */
  fail(error: Error): void {
    this.#isPaused = false
    this.#controller?.error(error)
    this.#controller = undefined
  }

  #push(chunk: ArrayBuffer, isLast: boolean): void {
    const controller = this.#controller
    if (controller === undefined) return
    // The library takes its memory back when this returns.
    if (chunk.byteLength > 0) controller.enqueue(new Uint8Array(chunk.slice(0)))
    if (isLast) {
      this.#controller = undefined
      controller.close()
    } else if ((controller.desiredSize ?? 0) <= 0) {
      this.#isPaused = true
      this.#res.pause()
    }
  }

  #resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#res.resume()
  }
}
