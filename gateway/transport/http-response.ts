/**
 * A web Response written to a socket library, the same way on each.
 *
 * A body is read only as fast as the client takes it; one that is whole already gets a Content-Length; one that fails
 * ends the connection, since a proper end would make half an answer look like all of it.
 */

/** What a library's adapter does. After the client is gone every method does nothing. */
export interface ResponseSink {
  /** Sends status and headers ahead of the body, where the library can. */
  flushHead(response: Response): void
  /** With the head before the first piece. A promise when the client does not take more: it resolves when it does, or is gone. */
  write(response: Response, piece: Uint8Array): Promise<void> | undefined
  /** With the head and a Content-Length, when this piece is all. */
  end(response: Response, last: Uint8Array): void
  endWithoutBody(response: Response, isHead: boolean): void
  destroy(): void
  /** At most one listener; called at once when the client is gone already. */
  onGone(listener: () => void): void
}

const NOTHING = new Uint8Array(0)

/** Rejects when the body fails; the connection is closed then. */
export async function sendResponse(response: Response, isHead: boolean, sink: ResponseSink): Promise<void> {
  const { body } = response
  if (body === null || isHead) {
    sink.endWithoutBody(response, isHead)
    return body?.cancel()
  }
  const reader = body.getReader()
  sink.onGone(() => {
    reader.cancel().catch(() => undefined) // a source that fails in its cancel has no one left to tell
  })
  try {
    await sendBody(response, reader, sink)
  } catch (error) {
    sink.destroy()
    throw error
  }
}

async function sendBody(
  response: Response,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  sink: ResponseSink,
): Promise<void> {
  const reading = reader.read()
  if (!(await atOnce(reading))) sink.flushHead(response)
  const first = await reading
  if (first.done) return sink.end(response, NOTHING)
  const second = reader.read()
  // Waits for no more than this turn of the loop: the first piece of a stream must not wait for its second.
  if ((await atOnce(second))?.done) return sink.end(response, first.value)
  await sink.write(response, first.value)
  for (let read = await second; !read.done; read = await reader.read()) await sink.write(response, read.value)
  sink.end(response, NOTHING)
}

/** What the promise comes to, if it does in this turn of the event loop. */
function atOnce<T>(promise: Promise<T>): Promise<T | undefined> {
  const turn = new Promise<undefined>((resolve) => {
    setImmediate(resolve, undefined)
  })
  return Promise.race([promise, turn])
}
