import { heartbeatMs, reconnectMs, stalledMs } from './limits.ts'
import type { TurnEvent, TurnEvents } from './turn-events.ts'

/**
 * A turn's events as `text/event-stream` (HTML, section 9.2). The body is pulled: an event is made when the client has
 * taken the one before, and a heartbeat only while nobody waits for bytes; so nothing piles up for a slow client. One
 * that takes nothing at all for `stalledMs` is given up; it resumes with `Last-Event-ID`.
 */
export function eventStream(events: TurnEvents, first: TurnEvent | undefined, onEnd: () => void): Response {
  let pending: Promise<TurnEvent | undefined> | undefined
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  // Sent at once, so that the client knows it was heard before the turn says anything.
  let opening: Buffer | undefined = openingOf(first)

  const end = () => {
    clearTimeout(stalled)
    events.close()
    onEnd()
  }
  const giveUp = () => {
    end()
    controller?.error(new Error('the client takes nothing any more'))
  }
  // A bug costs this stream, and nothing that it held.
  const broke = (error: unknown): never => {
    end()
    throw error
  }
  // From the beginning on: an answer that nobody ever reads is over as well.
  let stalled = setTimeout(giveUp, stalledMs).unref()
  const pull = async (streamController: ReadableStreamDefaultController<Uint8Array>) => {
    clearTimeout(stalled)
    const chunk = opening ?? (await nextChunk().catch(broke))
    opening = undefined
    if (chunk === undefined) {
      end()
      streamController.close()
      return
    }
    streamController.enqueue(chunk)
    stalled = setTimeout(giveUp, stalledMs).unref()
  }
  const start = (streamController: ReadableStreamDefaultController<Uint8Array>) => {
    controller = streamController
  }
  const nextChunk = async () => {
    pending ??= events.next()
    const event = await orHeartbeat(pending)
    if (event === 'heartbeat') return heartbeat
    pending = undefined
    return event === undefined ? undefined : encodeEvent(event)
  }

  const body = new ReadableStream<Uint8Array>({ start, pull, cancel: end }, { highWaterMark: 0 })
  return new Response(body, { headers: streamHeaders })
}

export function encodeEvent({ type, data, id }: TurnEvent): Buffer {
  const head = id === undefined ? `event: ${type}\ndata: ` : `event: ${type}\nid: ${id}\ndata: `
  return Buffer.concat([Buffer.from(head), data, eventEnd])
}

function openingOf(first: TurnEvent | undefined): Buffer {
  const retry = Buffer.from(`retry: ${reconnectMs}\n\n`)
  return first === undefined ? retry : Buffer.concat([retry, encodeEvent(first)])
}

async function orHeartbeat<T>(event: Promise<T>): Promise<T | 'heartbeat'> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<'heartbeat'>((resolve) => {
    timer = setTimeout(resolve, heartbeatMs, 'heartbeat').unref()
  })
  try {
    return await Promise.race([event, silence])
  } finally {
    clearTimeout(timer)
  }
}

const heartbeat = Buffer.from(': ping\n\n')
const eventEnd = Buffer.from('\n\n')

const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  // nginx holds a response back until a buffer is full, unless told otherwise.
  'x-accel-buffering': 'no',
}
