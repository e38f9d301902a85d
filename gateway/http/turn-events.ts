import { type Refusal, refusal } from '../../protocol/error.ts'
import { deltaTextBytes, pageRecordsDefault } from '../../protocol/limits.ts'
import { isTerminal, type LogRecord, type TerminalRecord } from '../../protocol/record.ts'
import type { GoneReason } from '../../sessions/feed.ts'
import type { Feeds } from '../../sessions/feeds.ts'
import type { LogEntry, SessionInfo, SessionLog } from '../../sessions/session-log.ts'
import type { Outcome } from '../chat.ts'
import { deltaEncoder, liveRecordFrame } from '../frames.ts'
import { openedFrame } from '../outbox.ts'
import { Reader, type ReaderOwner, snapToCharacters } from '../reader.ts'
import { encodeEventId, type StreamPlace } from './event-id.ts'
import { eventTextBytes, storeRetryMs, walkedRecordsMax } from './limits.ts'
import { findTurnRange, type TurnRange } from './turn-start.ts'

/**
 * The frames of one turn, one after the other, for who asks for the next one: the outbox of a client without a socket.
 *
 * Nothing is queued. It holds a reader's position, and what it is asked next covers everything from there to the tape's
 * end; so a client that takes its time costs the same as a quick one. Every event names the place after it, from which
 * another stream goes on. An ended turn's text comes in the same events as a running one's.
 *
 * Invariant: a reader at the head of the log, before the turn's terminal record, is in a log whose running turn this
 * is. Where that does not hold, the store has lost the turn, and the stream says so instead of waiting for ever.
 */
export class TurnEvents implements ReaderOwner {
  readonly #parts: StreamParts
  readonly #asked: StreamedTurn
  readonly #reader: Reader
  #state: 'open' | 'ended' | 'closed' = 'open'
  /** Made outside of the order of the log; at most one. */
  #ahead: TurnEvent | undefined
  /** Goes before everything else. */
  #tokenEnd: TurnEvent | undefined
  /** The terminal record that was read from the store, while its text is being sent. */
  #ending: TerminalRecord | undefined
  #wake: (() => void) | undefined

  constructor(parts: StreamParts, asked: StreamedTurn) {
    this.#parts = parts
    this.#asked = asked
    this.#reader = new Reader(asked.session, this)
  }

  /** Begins at `place`. Refused when the session is gone, or the store away. Must be closed in any case. */
  async start(place: StreamPlace, info: SessionInfo): Promise<Outcome<object>> {
    const { session } = this.#asked
    const feed = await this.#parts.feeds.watch(session, info, this.#reader)
    if (feed === undefined) return sessionGone
    this.#reader.place(feed, place, place.attempt)
    const reply = await this.#parts.log.open({ session, cursor: place, limit: 1 }).catch(() => undefined)
    if (reply === undefined) return storeAway
    if (reply.kind === 'gone') return sessionGone
    snapToCharacters(place.attempt, feed)
    if (reply.from === 'reset') await this.#reset()
    else if (reply.head.seq - place.seq > walkedRecordsMax) return this.#skip()
    return { kind: 'ok' }
  }

  /** A client may name a place far from the turn. Records of other turns are not walked one by one to pass them over. */
  async #skip(): Promise<Outcome<object>> {
    const { session, turn } = this.#asked
    const reader = this.#reader
    let range: TurnRange | undefined
    try {
      range = await findTurnRange(this.#parts.log, session, turn)
    } catch {
      return storeAway
    }
    const isOver = range?.endSeq !== undefined && range.endSeq <= reader.seq
    if (range === undefined || isOver) this.#ahead = lostEvent(this.#asked)
    else if (reader.feed !== undefined && range.before.seq > reader.seq)
      reader.place(reader.feed, range.before, undefined)
    return { kind: 'ok' }
  }

  /** The next event, whenever it comes; `undefined` after the last one, and after `close`. One call at a time. */
  async next(): Promise<TurnEvent | undefined> {
    while (this.#state === 'open') {
      const drawn =
        this.#takeAhead() ?? (this.#ending === undefined ? this.#draw() : await this.#drawEnding(this.#ending))
      if (drawn === 'wait') await this.#moved()
      else if (drawn === 'fetch') await this.#fetch()
      else if (drawn !== 'again') return this.#passOn(drawn)
    }
    return undefined
  }

  close(): void {
    if (this.#state === 'open') this.#state = 'closed'
    this.#reader.feed = undefined
    this.#parts.feeds.unwatch(this.#asked.session, this.#reader)
    this.#wakeUp()
  }

  /** The token that asked for the turn has ended, which is the next event and the last. The turn goes on. */
  tokenEnded(reason: Refusal): void {
    const data = Buffer.from(JSON.stringify({ type: 'error', session: this.#asked.session, ...reason }))
    this.#tokenEnd = { type: 'error', data, isLast: true, refusal: reason }
    this.#wakeUp()
  }

  /** Where the stream is: what an event made now names as its id. */
  placeId(isEnded = false): string {
    const { seq, mark, attempt } = this.#reader
    return encodeEventId({ seq, mark, turn: this.#asked.turn, attempt, isEnded })
  }

  moved(): void {
    this.#wakeUp()
  }

  updated(): void {
    // Metadata is no part of a turn.
  }

  gone(_reader: Reader, reason: GoneReason): void {
    const { session } = this.#asked
    this.#reader.feed = undefined
    const data = Buffer.from(JSON.stringify({ type: 'session.deleted', session, reason }))
    this.#ahead = { type: 'session.deleted', data, isLast: true, refusal: sessionGone.refusal }
    this.#wakeUp()
  }

  #takeAhead(): TurnEvent | undefined {
    if (this.#tokenEnd !== undefined) return this.#tokenEnd
    const ahead = this.#ahead
    this.#ahead = undefined
    return ahead
  }

  #passOn(event: TurnEvent): TurnEvent {
    if (event.isLast) this.#state = 'ended'
    return event
  }

  #draw(): TurnEvent | 'wait' | 'fetch' | 'again' {
    const { feed, seq, attempt } = this.#reader
    if (feed === undefined) return 'wait'
    // Who says that it has everything is sent records alone.
    if (this.#asked.text === 'none' && attempt !== undefined) attempt.ends[0] = Number.MAX_SAFE_INTEGER
    const entry = feed.entryAfter(seq)
    const next = this.#reader.next(eventTextBytes)
    if (next.kind === 'fetch') return 'fetch'
    if (next.kind === 'none') return this.#seemsLost() ? 'fetch' : 'wait'
    if (next.isDelta) return { type: 'turn.delta', data: next.frame, id: this.placeId(), isLast: false }
    return entry === undefined ? 'again' : this.#recordEvent(entry.record, next.frame)
  }

  /** Or the feed has not heard yet what the store knows; so the store is asked. */
  #seemsLost(): boolean {
    const { feed, seq, mark } = this.#reader
    if (feed === undefined || feed.head.seq !== seq || feed.head.mark !== mark) return false
    return feed.run?.turn !== this.#asked.turn
  }

  /** Records of other turns (feedback on an older answer) are passed over. */
  #recordEvent(record: LogRecord, frame: Buffer): TurnEvent | 'again' {
    if (record.type === 'record.skipped' || record.turn !== this.#asked.turn) return 'again'
    const isLast = isTerminal(record)
    return { type: record.type, data: frame, id: this.placeId(isLast), isLast, record }
  }

  /** The feed does not reach back to here. One record at a time: each may be large. */
  async #fetch(): Promise<void> {
    const { session } = this.#asked
    const reader = this.#reader
    const cursor = { seq: reader.seq, mark: reader.mark }
    const reply = await this.#parts.log.open({ session, cursor, limit: 1 }).catch(() => undefined)
    if (this.#state !== 'open' || reader.feed === undefined) return
    if (reply === undefined) return this.#moved(storeRetryMs)
    if (reply.kind === 'gone') return this.gone(reader, 'lost')
    if (reply.from === 'reset') return this.#reset()
    const entry = reply.entries[0]
    if (entry !== undefined) this.#fetched(entry)
    else if (reply.run?.turn === this.#asked.turn) return this.#moved(storeRetryMs)
    else this.#ahead = lostEvent(this.#asked)
  }

  #fetched({ record }: LogEntry): void {
    const reader = this.#reader
    if (isTerminal(record) && record.turn === this.#asked.turn) {
      this.#ending = record
      return
    }
    reader.pass(record)
    const event = this.#recordEvent(record, liveRecordFrame(reader.session, record))
    if (event !== 'again') this.#ahead = event
  }

  /** The rest of an ended turn's text, slice by slice, then its terminal record. */
  async #drawEnding(record: TerminalRecord): Promise<TurnEvent | 'again'> {
    const reader = this.#reader
    const at = reader.attempt?.attempt === record.attempt ? (reader.attempt.ends[0] ?? 0) : 0
    if (at < record.bytes) return this.#storedDelta(record, at)
    this.#ending = undefined
    reader.pass(record)
    return this.#recordEvent(record, liveRecordFrame(reader.session, record))
  }

  async #storedDelta({ turn, attempt }: TerminalRecord, from: number): Promise<TurnEvent | 'again'> {
    const { session } = this.#asked
    const reader = this.#reader
    const reply = await this.#parts.log
      .read({ session, turn, part: 0, at: from, maxBytes: Math.min(eventTextBytes, deltaTextBytes) })
      .catch(() => undefined)
    if (this.#state !== 'open') return 'again'
    if (reply === undefined) {
      await this.#moved(storeRetryMs)
      return 'again'
    }
    if (reply.kind !== 'ok' || reply.text.length === 0) return lostEvent(this.#asked)
    const { at, text } = reply
    const end = at + text.length
    reader.attempt = { turn, attempt, ends: [end] }
    const data = deltaEncoder(session, turn, attempt, 0)(at, end, text.toString())
    return { type: 'turn.delta', data, id: this.placeId(), isLast: false }
  }

  /** The store does not know the place: its history is another. The client is told what there is now. */
  async #reset(): Promise<void> {
    const { session, turn } = this.#asked
    const reader = this.#reader
    const cursor = { seq: reader.seq, mark: reader.mark }
    const reply = await this.#parts.log.open({ session, cursor, limit: pageRecordsDefault }).catch(() => undefined)
    const { feed } = reader
    if (this.#state !== 'open' || feed === undefined) return
    if (reply === undefined) return this.#moved(storeRetryMs)
    if (reply.kind === 'gone') return this.gone(reader, 'lost')
    if (reply.from !== 'reset') return
    const { frame, attempt } = openedFrame(session, reply, cursor)
    reader.place(feed, { seq: frame.seq, mark: frame.mark }, attempt)
    const record = frame.records.find((candidate) => isTerminal(candidate) && candidate.turn === turn)
    const isLast = record !== undefined
    const data = Buffer.from(JSON.stringify(frame))
    const event = { type: frame.type, data, id: this.placeId(isLast), isLast }
    this.#ahead = record === undefined ? event : { ...event, record }
  }

  /** Until the feed moves, or `atMostMs` have passed. */
  #moved(atMostMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = atMostMs === undefined ? undefined : setTimeout(() => this.#wakeUp(), atMostMs).unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}

export interface StreamParts {
  readonly feeds: Feeds
  readonly log: SessionLog
}

export interface StreamedTurn {
  readonly session: string
  readonly turn: string
  /** `none`: records alone, for who reads the text when the turn has ended. */
  readonly text: 'deltas' | 'none'
}

export interface TurnEvent {
  /** The frame's `type`. */
  readonly type: string
  /** The frame, as JSON. */
  readonly data: Buffer
  /** The place after this event; absent where the client should keep the one it has. */
  readonly id?: string
  /** Nothing follows. */
  readonly isLast: boolean
  /** The record that the event announces. */
  readonly record?: LogRecord
  /** Why the stream ended without the turn's terminal record. */
  readonly refusal?: Refusal
}

const sessionGone = { kind: 'refused', refusal: refusal('not-found', 'there is no such session') } as const
const storeAway = {
  kind: 'refused',
  refusal: refusal('unavailable', 'the store does not answer: resume the stream later', storeRetryMs),
} as const

function lostEvent({ session }: StreamedTurn): TurnEvent {
  const lost = refusal('not-found', 'the session has no such turn any more: send the message again')
  const data = Buffer.from(JSON.stringify({ type: 'error', session, ...lost }))
  return { type: 'error', data, isLast: true, refusal: lost }
}
