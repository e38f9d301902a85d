import type { Down } from '../protocol/down.ts'
import { isTerminal, type TerminalRecord } from '../protocol/record.ts'
import type { Cursor, Metadata } from '../protocol/shapes.ts'
import type { Feed, GoneReason } from '../sessions/feed.ts'
import type { Feeds } from '../sessions/feeds.ts'
import type { LogEntry, OpenReply, SessionInfo, SessionLog } from '../sessions/session-log.ts'
import { fetchAgainMaxMs, fetchAgainMinMs, fetchRecords, fetchTextBytes, leastRoomBytes } from './bounds.ts'
import { deltaEncoder, encodeFrame, fitPage, fitRecord, liveRecordFrame } from './frames.ts'
import { Reader, type ReaderAttempt, type ReaderOwner } from './reader.ts'
import { SendWindow } from './window.ts'

/**
 * What a socket still has to be sent: positions on shared feeds, never frames. Only answers to its own requests are
 * sent as they are made; everything else is drawn from the feeds when the window has room.
 */
export class Outbox implements ReaderOwner {
  readonly #sink: FrameSink
  readonly #feeds: Feeds
  readonly #log: SessionLog
  readonly #readers = new Map<string, Reader>()
  /** Those that wait for room, the longest first; made for the first of them: most sockets never have one. */
  #behind: Set<Reader> | undefined
  readonly #window = new SendWindow()
  readonly #events: OutboxEvents
  readonly #bugs: BugListener
  #isClosed = false

  /** `bugs`: told what was thrown where nobody waits for it, by a feed's call or while the store was read. */
  constructor(sink: FrameSink, feeds: Feeds, log: SessionLog, events: OutboxEvents, bugs: BugListener = rethrowing) {
    this.#bugs = bugs
    this.#sink = sink
    this.#feeds = feeds
    this.#log = log
    this.#events = events
  }

  get watchedCount(): number {
    return this.#readers.size
  }

  get unansweredBytes(): number {
    return this.#window.unansweredBytes
  }

  get hasRoom(): boolean {
    return this.#window.room >= leastRoomBytes
  }

  watches(session: string): boolean {
    return this.#readers.has(session)
  }

  /** Answers the frame's length in bytes. */
  send(frame: Down): number {
    const encoded = encodeFrame(frame)
    const bytes = Buffer.byteLength(encoded)
    this.#write(encoded, bytes)
    return bytes
  }

  /**
   * Watches a session anew: nothing of it is sent from now on, until the reader is placed. Resolves when its feed is
   * live; `superseded` when another watch of it, its end or the socket's close came in between.
   */
  async watch(session: string, info: SessionInfo): Promise<Watched> {
    if (this.#isClosed) return superseded
    const before = this.#readers.get(session)
    const reader = new Reader(session, this)
    this.#readers.set(session, reader)
    const watching = this.#feeds.watch(session, info, reader)
    // Only now, so that the feed is never without a watcher and read again for nothing.
    if (before !== undefined) this.#drop(before)
    const feed = await watching
    if (feed !== undefined && this.isCurrent(reader)) return { kind: 'watching', reader, feed }
    this.#drop(reader)
    if (this.isCurrent(reader)) this.#readers.delete(session)
    return reader.isSessionGone ? { kind: 'gone' } : superseded
  }

  unwatch(session: string): void {
    const reader = this.#readers.get(session)
    if (reader === undefined) return
    this.#readers.delete(session)
    this.#drop(reader)
  }

  isCurrent(reader: Reader): boolean {
    return this.#readers.get(reader.session) === reader
  }

  /** Any pong: its payload may answer a ping of the window. Answers whether it says that more was read. */
  pong(payload: string): boolean {
    if (!this.#window.answered(payload)) return false
    this.#serveBehind()
    return true
  }

  #serveBehind(): void {
    // Who used the room up waits behind those who had none of it.
    for (const reader of this.#behind ?? []) {
      if (!this.hasRoom) return
      this.#behind?.delete(reader)
      this.moved(reader)
      reader.feed?.releaseEnded()
    }
  }

  /** A ping that only asks whether anybody is there. */
  heartbeat(): void {
    if (!this.#isClosed) this.#sink.ping(this.#window.ping())
  }

  close(): void {
    this.#isClosed = true
    for (const session of [...this.#readers.keys()]) this.unwatch(session)
  }

  moved(reader: Reader): void {
    try {
      this.#draw(reader)
    } catch (error) {
      // The feed that called has other readers, and a producer behind it.
      this.#bugs.broke(error)
    }
  }

  #draw(reader: Reader): void {
    while (!this.#isClosed && this.isCurrent(reader)) {
      if (!this.hasRoom) {
        this.#behind ??= new Set()
        if (!this.#behind.has(reader)) this.#events.held()
        this.#behind.add(reader)
        return
      }
      this.#tellMetadata(reader)
      const next = reader.next(this.#window.room)
      if (next.kind === 'none') return
      if (next.kind === 'fetch') {
        void this.#fetch(reader)
        return
      }
      this.#write(next.frame, next.frame.length)
      if (next.isDelta) this.#events.deltaSent()
    }
  }

  /** The latest metadata counts: what a reader without room missed of it is replaced, not queued. */
  updated(reader: Reader, metadata: Metadata): void {
    if (reader.feed === undefined) return
    reader.metadata = metadata
    this.moved(reader)
  }

  gone(reader: Reader, reason: GoneReason): void {
    if (!this.isCurrent(reader)) return
    reader.isSessionGone = true
    this.#readers.delete(reader.session)
    this.#behind?.delete(reader)
    reader.cancelRetry()
    if (reader.feed !== undefined) this.send({ type: 'session.deleted', session: reader.session, reason })
    reader.feed = undefined
  }

  #tellMetadata(reader: Reader): void {
    const { session, metadata } = reader
    if (metadata === undefined) return
    reader.metadata = undefined
    this.send({ type: 'session.updated', session, metadata })
  }

  #drop(reader: Reader): void {
    this.#behind?.delete(reader)
    reader.cancelRetry()
    reader.feed = undefined
    this.#feeds.unwatch(reader.session, reader)
  }

  #write(frame: string | Buffer, bytes: number): void {
    if (this.#isClosed) return
    this.#sink.send(frame)
    this.#events.frameSent(bytes)
    const ping = this.#window.wrote(bytes)
    if (ping !== undefined) this.#sink.ping(ping)
  }

  /** Serves a reader that is further back than its feed's tail, or of another history, from the store. */
  async #fetch(reader: Reader): Promise<void> {
    if (reader.isFetching) return
    reader.isFetching = true
    const fetched = await this.#fetchOnce(reader).catch((error: unknown) => this.#bugs.broke(error))
    reader.isFetching = false
    if (fetched === 'away') return this.#retry(reader)
    reader.failedFetchCount = 0
    if (fetched === 'moved') this.moved(reader)
  }

  async #fetchOnce(reader: Reader): Promise<Fetched> {
    const cursor = { seq: reader.seq, mark: reader.mark }
    const reply = await this.#log.open({ session: reader.session, cursor, limit: fetchRecords }).catch(() => undefined)
    if (!this.#isServed(reader)) return 'nothing'
    if (reply === undefined) return 'away'
    reader.feed?.heardOf(reply, cursor)
    if (reply.kind === 'gone') return 'away'
    return reply.from === 'reset' ? this.#sendReset(reader, reply) : this.#sendEntries(reader, reply.entries)
  }

  /** Nothing may tell a reader that it is behind once its feed stands still: so it asks again, later each time. */
  #retry(reader: Reader): void {
    if (!this.#isServed(reader)) return
    const delayMs = Math.min(fetchAgainMaxMs, fetchAgainMinMs * 2 ** reader.failedFetchCount++)
    reader.cancelRetry()
    const timer = setTimeout(() => this.moved(reader), delayMs).unref()
    reader.cancelRetry = () => clearTimeout(timer)
  }

  #isServed(reader: Reader): boolean {
    return reader.feed !== undefined && this.isCurrent(reader) && !this.#isClosed
  }

  /** As many as the window takes. Where there are none, the store has nothing newer. */
  async #sendEntries(reader: Reader, entries: readonly LogEntry[]): Promise<Fetched> {
    for (const entry of entries) {
      if (!this.hasRoom) return 'moved'
      const { record } = entry
      const lacks = isTerminal(record) && record.bytes > (reader.attempt?.ends[0] ?? 0)
      const shown = lacks ? fitRecord(entry) : record
      if (lacks && isTerminal(shown) && shown.text === undefined) return this.#sendSlice(reader, record)
      const frame = liveRecordFrame(reader.session, shown)
      this.#write(frame, frame.length)
      reader.pass(record)
    }
    return entries.length > 0 ? 'moved' : 'nothing'
  }

  /** A piece of an ended turn's text that is too long to go with its terminal record. */
  async #sendSlice(reader: Reader, record: TerminalRecord): Promise<Fetched> {
    const { session } = reader
    const { turn, attempt } = record
    const place = reader.attempt?.attempt === attempt ? reader.attempt : { turn, attempt, ends: [] }
    const at = place.ends[0] ?? 0
    const maxBytes = Math.min(fetchTextBytes, this.#window.room - leastRoomBytes / 2)
    const read = await this.#log.read({ session, turn, part: 0, at, maxBytes }).catch(() => undefined)
    if (!this.#isServed(reader)) return 'nothing'
    // No progress is as good as no answer: asked at once, it would be asked for ever.
    if (read?.kind !== 'ok' || read.text.length === 0) return 'away'
    // In the middle of a character the store counts from 0: a client that said it was there is wrong, and told so.
    const end = read.at + read.text.length
    const frame = deltaEncoder(session, turn, attempt, 0)(read.at, end, read.text.toString())
    place.ends[0] = end
    reader.attempt = place
    this.#write(frame, frame.length)
    this.#events.deltaSent()
    return 'moved'
  }

  #sendReset(reader: Reader, reply: Extract<OpenReply, { kind: 'ok' }>): Fetched {
    const { feed } = reader
    if (feed === undefined) return 'nothing'
    const { frame, attempt } = openedFrame(reader.session, reply, undefined)
    reader.place(feed, { seq: frame.seq, mark: frame.mark }, attempt)
    this.#events.sessionOpened('reset')
    this.send({ ...frame, reset: true })
    return 'moved'
  }
}

/** What an outbox writes to: a socket, or the body of a server-sent event stream. */
export interface FrameSink {
  send(frame: string | Buffer): void
  ping(payload: string): void
}

/** For metrics; called on the hot path. */
export interface OutboxEvents {
  frameSent(bytes: number): void
  deltaSent(): void
  /** A reader began to wait for the window. */
  held(): void
  /** How a reader came to its position. */
  sessionOpened(how: 'new' | 'resumed' | 'reset'): void
}

export type Watched =
  | { readonly kind: 'watching'; readonly reader: Reader; readonly feed: Feed }
  /** The session is not there. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'superseded' }

const superseded = { kind: 'superseded' } as const

/** What came of reading the store for a reader: it may have more to be sent, nothing newer, or no answer. */
type Fetched = 'moved' | 'nothing' | 'away'

/** Who is told what was thrown where nobody waits for it. */
export interface BugListener {
  broke(error: unknown): void
}

const rethrowing: BugListener = {
  broke(error) {
    throw error
  },
}

/** `session.opened` for a reader whose cursor the store has judged, and where that reader then is. */
export function openedFrame(
  session: string,
  reply: Extract<OpenReply, { kind: 'ok' }>,
  cursor: Cursor | undefined,
): { frame: Extract<Down, { type: 'session.opened' }>; attempt: ReaderAttempt | undefined } {
  const isReset = reply.from === 'reset'
  const { records, isCut } = fitPage(reply.entries, isReset ? 'back' : 'front')
  const last = records.at(-1)
  const known = isReset ? undefined : cursor
  const position = last ?? known ?? { seq: 0, mark: 0 }
  const attempt = attemptAt(known, records)
  const isAtHead = position.seq === reply.head.seq
  const run = isAtHead ? reply.run : undefined
  const placed = run === undefined || run.attempt === 0 ? attempt : placedOn(attempt, run)
  return {
    frame: {
      type: 'session.opened',
      session,
      seq: position.seq,
      mark: position.mark,
      reset: isReset && cursor !== undefined,
      records,
      hasMore: isReset && (reply.hasMore || isCut),
      ...(run === undefined ? {} : { turn: runningTurn(run, placed) }),
      createdMs: reply.info.createdMs,
      ...(reply.info.metadata === undefined ? {} : { metadata: reply.info.metadata }),
    },
    attempt: placed,
  }
}

function runningTurn(run: { readonly turn: string; readonly attempt: number }, placed: ReaderAttempt | undefined) {
  const state = run.attempt === 0 ? ('pending' as const) : ('streaming' as const)
  return { turn: run.turn, attempt: run.attempt, state, ends: run.attempt === 0 ? [] : [...(placed?.ends ?? [])] }
}

/** The attempt a reader is in after these records, from the one of its cursor on. */
function attemptAt(
  cursor: Cursor | undefined,
  records: readonly Parameters<Reader['pass']>[0][],
): ReaderAttempt | undefined {
  const scratch = new Reader('', silentOwner)
  if (cursor?.turn !== undefined && cursor.attempt !== undefined) {
    scratch.attempt = { turn: cursor.turn, attempt: cursor.attempt, ends: [...(cursor.ends ?? [])] }
  }
  for (const record of records) scratch.pass(record)
  return scratch.attempt
}

/** The reader's own positions, if it is in the attempt that runs; else the beginning. */
function placedOn(
  attempt: ReaderAttempt | undefined,
  run: { readonly turn: string; readonly attempt: number },
): ReaderAttempt {
  if (attempt?.turn === run.turn && attempt.attempt === run.attempt) return attempt
  return { turn: run.turn, attempt: run.attempt, ends: [] }
}

const silentOwner: ReaderOwner = { moved: () => undefined, updated: () => undefined, gone: () => undefined }
