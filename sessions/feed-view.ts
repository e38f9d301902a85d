import { isTerminal, type LogRecord } from '../protocol/record.ts'
import { tailEntries } from './feed-limits.ts'
import { type FeedRun, hasWhole, newTape, pendingRun } from './feed-run.ts'
import { FeedTape } from './feed-tape.ts'
import { LogTail } from './log-tail.ts'
import type { LogEntry, LogPlace, OpenReply, RunningTurn, SessionLog } from './session-log.ts'

/**
 * What a feed has of its session: the log's tail, the tapes of the running turn, and the text of the one that ended
 * last. It knows how a record, a delta and an answer of the store go together, and nothing of when they may be trusted:
 * that is the feed's.
 */
export class FeedView {
  run: FeedRun | undefined
  /** The text of the turn that ended last; whoever holds the view drops it when nobody lacks a part of it. */
  ended: FeedRun | undefined
  readonly #tail = new LogTail()

  /** The last record's place; -1 before the first answer of the store. */
  get head(): LogPlace {
    return this.#tail.head
  }

  /** The entry after `seq`; `undefined` if the tail does not reach back to it. */
  entryAfter(seq: number): LogEntry | undefined {
    return this.#tail.after(seq)
  }

  /** Whether `position` is a place in this history, as far as the tail tells. */
  knows(position: LogPlace): boolean {
    return this.#tail.knows(position)
  }

  /** Whether the record ends a turn of which not all text is here. */
  lacksTextOf(record: LogRecord): boolean {
    return isTerminal(record) && !hasWhole(this.run, record)
  }

  /** Text of the running attempt: `missing` when there is a gap before it, or it is new and came without its bytes. */
  delta(part: number, at: number, end: number, text: Uint8Array | undefined): 'new' | 'known' | 'missing' {
    const run = this.run
    if (run === undefined) return 'known'
    const tape = run.tapes[part] ?? (part === run.tapes.length ? newTape(run) : undefined)
    if (tape === undefined || at > tape.length) return 'missing'
    if (end <= tape.length) return 'known'
    if (text === undefined) return 'missing'
    tape.append(at === tape.length ? text : text.subarray(tape.length - at))
    return 'new'
  }

  /** The record after the head. */
  apply(entry: LogEntry): void {
    const { record } = entry
    this.#tail.add(entry)
    if (record.type === 'message.added') this.run = pendingRun(record.turn)
    else if (record.type === 'turn.started' || record.type === 'turn.restarted') this.#openAttempt(entry)
    else if (isTerminal(record)) this.#endTurn(record.seq)
  }

  /** An answer to `question` that was asked at this head. */
  merge(reply: Extract<OpenReply, { kind: 'ok' }>): void {
    if (reply.from === 'reset') {
      this.#tail.replace(reply.entries, reply.head)
      this.ended = undefined
    } else for (const entry of reply.entries) this.#merged(entry)
    if (!reply.hasMore || reply.from === 'reset') this.#mergeRun(reply.run)
  }

  /** Asks the store for what is after the head and after the tapes' ends. */
  question(session: string): Parameters<SessionLog['open']>[0] {
    const run = this.run
    const ends =
      run === undefined ? undefined : { turn: run.turn, attempt: run.attempt, ends: run.tapes.map((t) => t.length) }
    const isFirst = this.head.seq < 0
    return {
      session,
      limit: isFirst ? 1 : tailEntries,
      ...(isFirst ? {} : { cursor: this.head }),
      ...(ends === undefined ? {} : { run: ends }),
    }
  }

  /** Whether all that the answer speaks of is here. */
  has(reply: Extract<OpenReply, { kind: 'ok' }>): boolean {
    if (this.head.seq !== reply.head.seq || this.head.mark !== reply.head.mark) return false
    return (reply.run?.tapes ?? []).every((tape, part) => (this.run?.tapes[part]?.length ?? 0) >= tape.length)
  }

  /** Changes whenever there is more, or something else. */
  extent(): string {
    const lengths = this.run?.tapes.map((tape) => tape.length).join() ?? ''
    return `${this.head.seq}-${this.head.mark} ${this.run?.turn} ${this.run?.attempt} ${lengths}`
  }

  #openAttempt(entry: LogEntry): void {
    const { record } = entry
    if (record.type !== 'turn.started' && record.type !== 'turn.restarted') return
    const keep = record.type === 'turn.restarted' ? record.keep : undefined
    const kept =
      keep !== undefined && this.run?.attempt === keep.attempt ? this.run.tapes[0]?.prefix(keep.end) : undefined
    this.run = {
      ...pendingRun(record.turn),
      attempt: record.attempt,
      openedBy: entry.openedBy,
      tapes: kept ? [kept] : [],
    }
  }

  #endTurn(endSeq: number): void {
    this.ended = this.run === undefined || this.run.tapes.length === 0 ? undefined : { ...this.run, endSeq }
    this.run = undefined
  }

  /** A terminal that was read brings the text that this feed may have missed. */
  #merged(entry: LogEntry): void {
    const { record } = entry
    if (isTerminal(record) && entry.texts !== undefined && !hasWhole(this.run, record)) {
      this.run = {
        ...pendingRun(record.turn),
        attempt: record.attempt,
        tapes: entry.texts.map((text) => new FeedTape(text)),
      }
    }
    this.apply(entry)
  }

  #mergeRun(stored: RunningTurn | undefined): void {
    if (stored === undefined) {
      this.run = undefined
      return
    }
    const mine = this.run
    const isSame = mine?.turn === stored.turn && mine.attempt === stored.attempt && mine.openedBy === stored.openedBy
    const run =
      isSame && mine !== undefined
        ? mine
        : { ...pendingRun(stored.turn), attempt: stored.attempt, openedBy: stored.openedBy }
    this.run = run
    for (const [part, slice] of stored.tapes.entries()) {
      const tape = run.tapes[part] ?? newTape(run)
      if (slice.at <= tape.length) tape.append(slice.text.subarray(tape.length - slice.at))
    }
  }
}
