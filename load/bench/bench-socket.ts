import type { Down, DownOf } from '../../protocol/down.ts'
import { isTerminal, type LogRecord, type TerminalRecord } from '../../protocol/record.ts'
import { RawSocket } from './raw-socket.ts'

/** Where a reader is, as `session.open` takes it. */
interface Place {
  readonly seq: number
  readonly mark: number
  readonly turn?: string
  readonly attempt?: number
  readonly ends?: readonly number[]
}

/**
 * One session on one socket after the other, for benchmarks: dials, says hello, opens, goes on where it was, and keeps the
 * running answer's text by position. A frame that does not continue what it holds is a fault.
 */
export class BenchSession {
  readonly #url: string
  readonly #token: string
  #socket: RawSocket | undefined
  session: string | undefined
  #place: Place | undefined
  #turn = ''
  #attempt = 0
  #text: Buffer[] = []
  #end = 0
  #wanted: { readonly resolve: () => void; readonly isIt: (frame: Down) => boolean }[] = []
  readonly faults: string[] = []
  /** The last turn's end. */
  terminal: TerminalRecord | undefined
  onDelta: (payload: Buffer) => void = () => undefined

  constructor(url: string, token: string) {
    this.#url = url
    this.#token = token
  }

  get text(): Buffer {
    return Buffer.concat(this.#text)
  }

  /** Resolves when the session is open, the first time or where it was. Rejects when the socket closes before. */
  dial(session?: string): Promise<void> {
    const opened = Promise.withResolvers<void>()
    const socket = new RawSocket(this.#url, {
      opened: () => {
        socket.send(JSON.stringify({ type: 'hello', token: this.#token }))
        const at = this.session ?? session
        const where = at === undefined ? {} : { session: at }
        const cursor = this.#place === undefined ? {} : { cursor: this.#cursor() }
        socket.send(JSON.stringify({ type: 'session.open', id: 'o', ...where, ...cursor }))
      },
      text: (payload) => {
        if (socket === this.#socket) this.#came(payload, opened)
      },
      closed: () => opened.reject(new Error('the socket closed before its session was open')),
    })
    this.#socket = socket
    return opened.promise
  }

  send(frame: object): void {
    this.#socket?.send(JSON.stringify({ session: this.session, ...frame }))
  }

  next(isIt: (frame: Down) => boolean): Promise<void> {
    return new Promise((resolve) => this.#wanted.push({ resolve, isIt }))
  }

  drop(): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.terminate()
  }

  #cursor(): Place {
    const place = this.#place ?? { seq: 0, mark: 0 }
    return this.#turn === '' ? place : { ...place, turn: this.#turn, attempt: this.#attempt, ends: [this.#end] }
  }

  #came(payload: Buffer, opened: PromiseWithResolvers<void>): void {
    this.onDelta(payload)
    // The gateway is under measurement; what it sends is checked by position.
    const frame = JSON.parse(payload.toString()) as Down
    if (frame.type === 'turn.delta') this.#delta(frame)
    else if (frame.type === 'session.opened') {
      this.session = frame.session
      for (const record of frame.records) this.#record(record)
      this.#place = { seq: frame.seq, mark: frame.mark }
      opened.resolve()
    } else if (frame.type === 'error') {
      this.faults.push(`${frame.kind}: ${frame.message}`)
      opened.reject(new Error(`refused as ${frame.kind}: ${frame.message}`))
    }
    if ('seq' in frame && 'mark' in frame && 'timeMs' in frame) this.#record(frame)
    if (this.#wanted.length === 0) return
    for (const wanted of this.#wanted.filter(({ isIt }) => isIt(frame))) {
      this.#wanted.splice(this.#wanted.indexOf(wanted), 1)
      wanted.resolve()
    }
  }

  #record(record: LogRecord): void {
    this.#place = { seq: record.seq, mark: record.mark }
    if (record.type === 'turn.started' || record.type === 'turn.restarted') {
      this.#turn = record.turn
      this.#attempt = record.attempt
      this.#text = []
      this.#end = 0
    } else if (isTerminal(record)) {
      // In a page it brings its text: what was missed while away came with it.
      if (record.text !== undefined && this.#end < record.bytes) this.#text = [Buffer.from(record.text)]
      this.terminal = record
      this.#turn = ''
    }
  }

  #delta({ turn, attempt, at, end, text }: DownOf<'turn.delta'>): void {
    if (turn !== this.#turn || attempt !== this.#attempt || at !== this.#end) {
      this.faults.push(`a delta of ${turn} from ${at}, held were ${this.#end} bytes of ${this.#turn}`)
      return
    }
    this.#text.push(Buffer.from(text))
    this.#end = end
  }
}
