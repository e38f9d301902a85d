import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { Json } from './station.ts'

/** A client of server-sent events: keeps what came, and joins text as docs/PROTOCOL.md says. */
export class EventsClient {
  readonly events: (EventSourceMessage & { readonly frame: Json })[] = []
  readonly comments: string[] = []
  /** Bytes of each piece that the body brought. */
  retryMs: number | undefined
  text = Buffer.alloc(0)
  attempt = 0
  lastEventId: string | undefined
  readonly #parser = createParser({
    onEvent: (event) => this.#take(event),
    onComment: (comment) => void this.comments.push(comment),
    onRetry: (retryMs) => {
      this.retryMs = retryMs
    },
  })

  get types(): string[] {
    return this.events.map(({ event }) => event ?? 'message')
  }

  get last(): Json | undefined {
    return this.events.at(-1)?.frame
  }

  /** Reads until the stream ends, or `isEnough` says so; then the connection is dropped. */
  async read(response: Response, isEnough: (client: EventsClient) => boolean = () => false): Promise<void> {
    const type = response.headers.get('content-type')
    if (response.status !== 200 || type !== 'text/event-stream; charset=utf-8') {
      throw new Error(`no stream: ${response.status} ${type} ${await response.text()}`)
    }
    if (response.body === null) throw new Error('the stream has no body')
    this.#parser.reset()
    const decoder = new TextDecoder()
    for await (const bytes of response.body) {
      this.#parser.feed(decoder.decode(bytes, { stream: true }))
      if (isEnough(this)) return
    }
  }

  #take(event: EventSourceMessage): void {
    // The wire is what the tests are about.
    const frame = JSON.parse(event.data) as Json
    if (event.event !== frame.type) throw new Error(`event ${event.event} carries ${JSON.stringify(frame)}`)
    this.events.push({ ...event, frame })
    if (event.id !== undefined) this.lastEventId = event.id
    if (frame.type === 'turn.restarted') {
      const keep = frame.keep as { end: number } | undefined
      this.text = this.text.subarray(0, keep?.end ?? 0)
    }
    if (frame.type !== 'turn.delta') return
    if (frame.at !== this.text.length) throw new Error(`at ${frame.at}, but ${this.text.length} bytes are here`)
    this.text = Buffer.concat([this.text, Buffer.from(String(frame.text))])
    if (frame.end !== this.text.length) throw new Error(`end ${frame.end}, but it is ${this.text.length}`)
  }
}
