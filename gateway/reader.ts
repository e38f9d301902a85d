import { deltaTextBytes, frameDownBytes } from '../protocol/limits.ts'
import { isTerminal, type LogRecord, type OpeningRecord, type TerminalRecord } from '../protocol/record.ts'
import type { Metadata } from '../protocol/shapes.ts'
import type { Feed, GoneReason, Watcher } from '../sessions/feed.ts'
import type { FeedRun } from '../sessions/feed-run.ts'
import type { FeedTape } from '../sessions/feed-tape.ts'
import type { LogPlace } from '../sessions/session-log.ts'
import { deltaHeadBytes, leastTextBytes } from './bounds.ts'
import { deltaEncoder, liveRecordFrame } from './frames.ts'

/**
 * A socket's place in one watched session: the last record it was sent, and how far it is on the tapes of the attempt
 * it is in. It holds no text and no frames, so a slow reader costs the same as a fast one: when the socket can take
 * more, the next frame covers everything from here to the tape's end.
 *
 * Order is the log's order (STORE A12): a terminal goes out only after its text; deltas only after the record that
 * opened their attempt; a restart drops what was unsent of the attempt before.
 */
export class Reader implements Watcher {
  readonly session: string
  seq: number
  mark: number
  attempt: ReaderAttempt | undefined
  /** Set once the feed is live and the position was told to the client. Before, nothing is sent. */
  feed: Feed | undefined
  isFetching = false
  failedFetchCount = 0
  cancelRetry: () => void = nothingToCancel
  /** That was not sent yet. */
  metadata: Metadata | undefined
  /** The session ended while it was watched. */
  isSessionGone = false
  readonly #owner: ReaderOwner

  constructor(session: string, owner: ReaderOwner) {
    this.session = session
    this.#owner = owner
    this.seq = 0
    this.mark = 0
  }

  place(feed: Feed, position: LogPlace, attempt: ReaderAttempt | undefined): void {
    this.feed = feed
    this.seq = position.seq
    this.mark = position.mark
    this.attempt = attempt
  }

  moved(): void {
    if (this.feed !== undefined) this.#owner.moved(this)
  }

  updated(metadata: Metadata): void {
    this.#owner.updated(this, metadata)
  }

  gone(reason: GoneReason): void {
    this.#owner.gone(this, reason)
  }

  /** The next frame for a socket that can take `roomBytes`, with the position moved over it. */
  next(roomBytes: number): NextFrame {
    const feed = this.feed
    if (feed === undefined || this.isFetching || feed.head.seq < 0) return nothing
    // Ahead of the feed it was shown something that the feed has not heard of yet, or that a roll-back took back: only
    // the store can say which (STORE A13). A feed that is asking it already tells when it knows.
    if (this.seq > feed.head.seq) return feed.isReading ? nothing : fetch
    if (this.seq === feed.head.seq) {
      if (this.mark !== feed.head.mark) return fetch
      return feed.run === undefined ? nothing : this.#nextDelta(feed.run, Number.POSITIVE_INFINITY, roomBytes)
    }
    if (!feed.knows(this)) return fetch
    const entry = feed.entryAfter(this.seq)
    if (entry === undefined) return fetch
    return isTerminal(entry.record) ? this.#nextTerminal(feed, entry.record, roomBytes) : this.#passRecord(entry.record)
  }

  /** Moves over a record that is being sent. */
  pass(record: LogRecord): void {
    this.seq = record.seq
    this.mark = record.mark
    if (isTerminal(record)) this.attempt = undefined
    else if (record.type === 'turn.started' || record.type === 'turn.restarted')
      this.attempt = attemptAfter(this.attempt, record)
  }

  #passRecord(record: LogRecord): NextFrame {
    this.pass(record)
    return { kind: 'frame', frame: liveRecordFrame(this.session, record), isDelta: false }
  }

  #nextTerminal(feed: Feed, record: TerminalRecord, roomBytes: number): NextFrame {
    const has = this.attempt?.ends[0] ?? 0
    if (record.bytes > has) {
      const run = feed.ended
      if (run === undefined || run.endSeq !== record.seq || this.attempt?.attempt !== run.attempt) return fetch
      const delta = this.#nextDelta(run, record.bytes, roomBytes)
      if (delta.kind !== 'none') return delta
      if ((run.tapes[0]?.length ?? 0) < record.bytes) return fetch
    }
    return this.#passRecord(record)
  }

  #nextDelta(run: FeedRun, limit: number, roomBytes: number): NextFrame {
    const attempt = this.attempt
    if (attempt === undefined || attempt.turn !== run.turn || attempt.attempt !== run.attempt) return nothing
    for (let part = 0; part < run.tapes.length; part++) {
      const tape = run.tapes[part]
      const at = attempt.ends[part] ?? 0
      if (tape !== undefined && at < Math.min(tape.length, limit))
        return this.#delta(attempt, part, tape, at, limit, roomBytes)
    }
    return nothing
  }

  #delta(
    attempt: ReaderAttempt,
    part: number,
    tape: FeedTape,
    at: number,
    limit: number,
    roomBytes: number,
  ): NextFrame {
    tape.encode ??= deltaEncoder(this.session, attempt.turn, attempt.attempt, part)
    const mostBytes = Math.min(frameDownBytes, roomBytes)
    let textBytes = Math.max(leastTextBytes, Math.min(deltaTextBytes, roomBytes - deltaHeadBytes))
    for (;;) {
      const end = tape.endOf(at, limit, textBytes)
      const frame = tape.frame(at, end, tape.encode)
      if (frame.length <= mostBytes || textBytes === leastTextBytes) {
        attempt.ends[part] = end
        return { kind: 'frame', frame, isDelta: true }
      }
      // JSON's escapes make text longer, up to six times: less text then. Ordinary text fits at once.
      textBytes = Math.max(leastTextBytes, Math.floor(textBytes / 4))
    }
  }
}

/** The attempt a reader is in, as of its last record. */
export interface ReaderAttempt {
  readonly turn: string
  readonly attempt: number
  /** By part, in bytes; missing means 0. */
  readonly ends: number[]
}

export type NextFrame =
  | { readonly kind: 'none' }
  /** The feed does not reach back to this position: read the store. */
  | { readonly kind: 'fetch' }
  | { readonly kind: 'frame'; readonly frame: Buffer; readonly isDelta: boolean }

/** Who drives the reader. */
export interface ReaderOwner {
  moved(reader: Reader): void
  updated(reader: Reader, metadata: Metadata): void
  gone(reader: Reader, reason: GoneReason): void
}

function nothingToCancel(): void {
  // Nothing is due.
}

const nothing: NextFrame = { kind: 'none' }
const fetch: NextFrame = { kind: 'fetch' }

/** Where a reader is once an attempt opened: at its beginning, or at the end of what it has of the kept prefix. */
export function attemptAfter(before: ReaderAttempt | undefined, record: OpeningRecord): ReaderAttempt {
  const keep = record.type === 'turn.restarted' ? record.keep : undefined
  const has = keep !== undefined && before?.attempt === keep.attempt ? Math.min(before.ends[0] ?? 0, keep.end) : 0
  return { turn: record.turn, attempt: record.attempt, ends: has > 0 ? [has] : [] }
}

/** A position in the middle of a character is none of ours: it counts as the tape's beginning (STORE A9). */
export function snapToCharacters(attempt: ReaderAttempt | undefined, feed: Feed): void {
  const { run } = feed
  if (attempt === undefined || run === undefined || run.turn !== attempt.turn || run.attempt !== attempt.attempt) return
  for (const [part, tape] of run.tapes.entries()) {
    const at = attempt.ends[part] ?? 0
    if (at < tape.length && !tape.startsCharacter(at)) attempt.ends[part] = 0
  }
}
