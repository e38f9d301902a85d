import type { LogRecord, RecordOf } from '../protocol/record.ts'
import type { Metadata } from '../protocol/shapes.ts'

/**
 * The store of sessions: one log of records for each, and the tapes of its running turn.
 *
 * The problem: nodes die, links break, replies get lost and a store that fails over can travel back in time, while a
 * reader must never see text that is lost, doubled or another's. The answer is the same everywhere: every write is
 * fenced by a token that is used once or keyed by a message's id, so every operation may be repeated with the same
 * arguments, by anybody, at any time, and a late execution of a forgotten one is harmless. Numbers (`seq`, `attempt`)
 * order; they never identify. A record's `mark` is chained over all records before it, so a cursor proves its past.
 *
 * Rules that every implementation keeps (test/sessions/contract.ts runs them on each):
 *
 * - A reply is a value. A rejection means "the store is away and the outcome is unknown": repeat the same call.
 * - Every operation but `create` answers `gone` for a session that is not there, and makes none.
 * - Each operation is one atomic step; all checks come before the first write.
 * - A tape exists exactly while its attempt is the running turn's; afterwards its text is the terminal record's.
 * - Records are published in the order of the log, each with the head before it; deltas with their fence and range.
 *   What is published is a hint: it may be lost, and whoever listens notices by position.
 */
export interface SessionLog {
  /** Makes a session, once: `exists` for an id that is there, whoever made it. */
  create(request: CreateRequest): Promise<CreateReply>
  /** Who owns a session and what it was made with. */
  describe(session: string): Promise<DescribeReply>
  /** Writes a user's message and takes its turn's lease. Idempotent by `messageId`. */
  accept(request: AcceptRequest): Promise<AcceptReply>
  /** Adds to a tape where it ends, if the fence stands; with `open` begins an attempt first; with `leaseMs` renews. */
  append(request: AppendRequest): Promise<AppendReply>
  /** Writes the turn's terminal record with the text of its tapes, and ends the tapes. */
  end(request: EndRequest): Promise<EndReply>
  /** Claims a turn whose producer's lease ran out. */
  takeOver(request: TakeOverRequest): Promise<TakeOverReply>
  /** What a reader at `cursor` lacks: records after it, the running turn, and its tapes from `ends`. */
  open(request: OpenRequest): Promise<OpenReply>
  /** Records before `before`, the latest first found, answered in ascending order. */
  page(request: PageRequest): Promise<PageReply>
  /** A slice of a running or an ended turn's text, cut on character boundaries. */
  read(request: ReadRequest): Promise<ReadReply>
  /** Where a turn is in the log, at the same cost however long the log is. */
  findTurn(request: FindTurnRequest): Promise<FindTurnReply>
  /** A fact in the log's meta: nothing is appended after it, and the turn ends `cancelled`. */
  cancel(request: { readonly session: string; readonly turn: string }): Promise<CancelReply>
  /** Writes feedback on a turn of this session, unless the turn's last feedback says the same. */
  addFeedback(request: FeedbackRequest): Promise<FeedbackReply>
  /** The record that opened a turn's last attempt. Costs the same however long the log is. */
  opening(request: { readonly session: string; readonly turn: string }): Promise<OpeningReply>
  /** Replaces the session's metadata and tells its watchers. */
  update(request: { readonly session: string; readonly metadata: Metadata }): Promise<UpdateReply>
  /** Erases every trace of the session and tells its watchers. */
  erase(session: string): Promise<{ kind: 'ok' } | Gone>
  /** An owner's sessions, the latest used first. */
  list(request: ListRequest): Promise<ListReply>
  /**
   * How often the way to the store was seen broken so far. What was seen of leases before the last time proves nothing:
   * while the store is away all of them lapse.
   */
  breaks(): number
  /** Turns whose lease seems to have lapsed, some of them: a hint for who takes over. */
  lapsed(): Promise<readonly { readonly session: string; readonly turn: string }[]>
  /**
   * Listens to a session. `confirmed` is called once it is certain that whatever is published from now on arrives (a
   * read made earlier may miss something), and again when that had not been so for a while, as after deltas were not
   * wanted; `lost` when that ended for good: subscribe again. In order, at most once.
   */
  subscribe(session: string, listener: LogListener): Subscription
  close(): Promise<void>
}

export interface Owner {
  readonly tenant: string
  readonly subject: string
}

/** What a session is made with; never changes, but for its metadata. */
export interface SessionAttributes {
  readonly project?: string
  readonly prompt?: string
  readonly channel?: string
}

export interface SessionInfo extends SessionAttributes {
  readonly owner: Owner
  readonly createdMs: number
  readonly metadata?: Metadata
}

/** A place in a log: the record `seq` with exactly this `mark`. `{seq: 0, mark: 0}` is the place before the first. */
export interface LogPlace {
  readonly seq: number
  readonly mark: number
}

export const logStart: LogPlace = { seq: 0, mark: 0 }

/** A record in its place. */
export interface LogEntry {
  readonly record: LogRecord
  /** A terminal's parts' whole texts in UTF-8, where the entry was read; never where it was published. */
  readonly texts?: readonly Buffer[]
  /** The token that opened the attempt, for a record that opens one. Never leaves the gateway. */
  readonly openedBy?: string
}

/** Who may write: the claim's token, the turn and the attempt that this token opened. */
export interface Fence {
  readonly token: string
  readonly turn: string
  readonly attempt: number
}

/** The session is not there: never made, expired, erased, or lost with the store. */
export interface Gone {
  readonly kind: 'gone'
}

/** The store holds as much as it may. `retryAfterMs`: when to ask again. */
export interface Full {
  readonly kind: 'store-full'
  readonly retryAfterMs: number
}

/**
 * A share of the store is used up: that of one subject or one tenant, in sessions or in bytes. Nobody else is refused. There
 * is room again when one of these sessions is erased or expires.
 */
export interface ShareFull {
  readonly kind: 'share-full'
  readonly of: 'subject' | 'tenant'
  readonly unit: 'sessions' | 'bytes'
  readonly limit: number
}

export interface CreateRequest {
  readonly session: string
  readonly owner: Owner
  readonly attributes: SessionAttributes
  readonly metadata?: Metadata
  readonly timeMs: number
}
export type CreateReply = { readonly kind: 'created' | 'exists' } | ShareFull | Full

export type DescribeReply = { readonly kind: 'ok'; readonly info: SessionInfo } | Gone

export interface AcceptRequest {
  readonly session: string
  readonly messageId: string
  /** Of the content and the options: another hash under the same `messageId` is a conflict. */
  readonly hash: string
  readonly turn: string
  /** Random, made for this one claim and never used again. */
  readonly token: string
  readonly leaseMs: number
  readonly record: Omit<RecordOf<'message.added'>, 'seq' | 'mark'>
}
export type AcceptReply =
  /** This caller holds the turn, however often it asks: run it unless already running here. */
  | { readonly kind: 'yours'; readonly turn: string; readonly entry: LogPlace }
  /** Somebody else's claim of the same message: acknowledge only. */
  | { readonly kind: 'repeat'; readonly turn: string; readonly entry: LogPlace }
  | { readonly kind: 'conflict'; readonly turn: string; readonly entry: LogPlace }
  /** Another turn is running. `lapsed`: its producer seems dead, a take-over is due. */
  | { readonly kind: 'busy'; readonly turn: string; readonly lease: 'held' | 'lapsed' }
  /** `replaces` does not name the last turn. */
  | { readonly kind: 'not-last'; readonly last?: string }
  | ShareFull
  | Full
  | Gone

export type NewOpeningRecord =
  | Omit<RecordOf<'turn.started'>, 'seq' | 'mark'>
  | Omit<RecordOf<'turn.restarted'>, 'seq' | 'mark'>

export interface AppendRequest {
  readonly session: string
  readonly fence: Fence
  readonly part: number
  /** The length of the tape that the caller believes in, in bytes. */
  readonly at: number
  /** Well-formed UTF-8; may be empty. At most `deltaTextBytes`. */
  readonly text: Uint8Array
  /** Opens `fence.attempt`, if it is not open yet. */
  readonly open?: NewOpeningRecord
  /** Above 0: the lease runs this long from now. */
  readonly leaseMs: number
  readonly maxBytes: number
}
export type AppendReply =
  /** The tape's length by now, and nothing else: go on from there, wherever it is. */
  | { readonly kind: 'ok'; readonly length: number }
  /** The current attempt was not opened by this producer: open a higher one, from byte 0, without `keep`. */
  | { readonly kind: 'attempt'; readonly attempt: number }
  /** The turn is cancelled, at this attempt and length of part 0. */
  | { readonly kind: 'cancel'; readonly attempt: number; readonly length: number }
  /** Not this caller's turn, by the store's present state: repeat the claim. */
  | { readonly kind: 'stale' }
  /** The tape may not grow by that much. */
  | { readonly kind: 'full'; readonly length: number }
  | Gone

export type NewTerminalRecord =
  | Omit<RecordOf<'turn.completed'>, 'seq' | 'mark'>
  | Omit<RecordOf<'turn.cancelled'>, 'seq' | 'mark'>
  | Omit<RecordOf<'turn.failed'>, 'seq' | 'mark'>

/** What a part without text has as its hash. */
export const sha1OfNothing = 'da39a3ee5e6b4b0d3255bfef95601890afd80709'

export interface EndRequest {
  readonly session: string
  readonly token: string
  readonly turn: string
  /** The store's current attempt, 0 when none was opened. */
  readonly attempt: number
  readonly record: NewTerminalRecord
  /** Length in bytes and SHA-1 (hex) of each part's whole text; must equal the tapes. */
  readonly parts: readonly { readonly bytes: number; readonly sha1: string }[]
}
export type EndReply =
  | { readonly kind: 'ok' | 'ended'; readonly entry: LogPlace }
  /** The tapes are not what the caller says, or the attempt is another: append again, then end again. */
  | { readonly kind: 'behind'; readonly attempt: number }
  | { readonly kind: 'cancel'; readonly attempt: number; readonly length: number }
  | { readonly kind: 'stale' }
  | Gone

export interface TakeOverRequest {
  readonly session: string
  readonly token: string
  readonly leaseMs: number
  /** The deadline that the caller saw lapsed, a grace ago, over a connection unbroken since. */
  readonly seen?: number
  readonly turn?: string
}
export type TakeOverReply =
  | {
      readonly kind: 'yours'
      readonly turn: string
      readonly attempt: number
      readonly parts: number
      readonly isCancelled: boolean
      readonly message: LogPlace
    }
  /** Lapsed at this deadline (the store's clock, milliseconds): a suspicion; ask again with `seen` after the grace. */
  | { readonly kind: 'lapsed'; readonly deadline: number }
  | { readonly kind: 'held'; readonly forMs: number }
  | { readonly kind: 'idle' }
  | Gone

export interface OpenRequest {
  readonly session: string
  /** Absent: the latest page. */
  readonly cursor?: LogPlace
  /** The most records. */
  readonly limit: number
  /** The tapes the reader already has parts of. `ends` count only if turn and attempt are the running ones. */
  readonly run?: { readonly turn: string; readonly attempt: number; readonly ends: readonly number[] }
}

export interface RunningTurn {
  readonly turn: string
  /** 0: no attempt is open yet. */
  readonly attempt: number
  /** The token that opened the attempt; absent while none is open. */
  readonly openedBy?: string
  readonly isCancelled: boolean
  readonly lease: 'held' | 'lapsed'
  /** By part: bytes from the reader's end, at most `deltaTextBytes` of them, and the tape's whole length. */
  readonly tapes: readonly { readonly at: number; readonly text: Buffer; readonly length: number }[]
}

export type OpenReply =
  | {
      readonly kind: 'ok'
      readonly info: SessionInfo
      readonly head: LogPlace
      /** `after`: records that follow the cursor. `reset`: no such cursor, these are the latest. */
      readonly from: 'after' | 'reset'
      readonly entries: readonly LogEntry[]
      /** `after`: more follow the last of these. `reset`: older ones exist than the first. */
      readonly hasMore: boolean
      readonly run?: RunningTurn
    }
  | Gone

export interface PageRequest {
  readonly session: string
  readonly before?: number
  readonly limit: number
}
export type PageReply = { readonly kind: 'ok'; readonly entries: readonly LogEntry[]; readonly hasMore: boolean } | Gone

export interface ReadRequest {
  readonly session: string
  readonly turn: string
  readonly part: number
  /** In the middle of a character it counts as 0. */
  readonly at: number
  readonly maxBytes: number
}
export type ReadReply =
  | { readonly kind: 'ok'; readonly at: number; readonly text: Buffer; readonly length: number }
  | { readonly kind: 'unknown' }
  | Gone

export interface FindTurnRequest {
  readonly session: string
  readonly turn: string
}
export type FindTurnReply =
  /** `message`: the place of its message. */
  | { readonly kind: 'running'; readonly message: LogPlace }
  /** `entry`: the place of its terminal record. */
  | { readonly kind: 'ended'; readonly entry: LogPlace }
  | { readonly kind: 'unknown' }
  | Gone

export type CancelReply = { readonly kind: 'cancelling' | 'ended' | 'unknown' } | Gone

export interface FeedbackRequest {
  readonly session: string
  readonly record: Omit<RecordOf<'feedback.added'>, 'seq' | 'mark'>
}
export type FeedbackReply =
  /** `timeMs`: of the record that stands there, which an equal one of before may be. */
  | { readonly kind: 'ok'; readonly entry: LogPlace; readonly timeMs: number }
  /** The turn has as many feedback records as it may: its last one stays. */
  | { readonly kind: 'too-many'; readonly limit: number }
  | { readonly kind: 'unknown' }
  | ShareFull
  | Full
  | Gone

export type OpeningReply =
  /** Without `record` no attempt of the turn was opened, or the store does not know it any more. */
  | { readonly kind: 'ok'; readonly record?: RecordOf<'turn.started' | 'turn.restarted'> }
  | { readonly kind: 'unknown' }
  | Gone

export type UpdateReply = { readonly kind: 'ok' } | ShareFull | Full | Gone

export interface ListRequest {
  readonly owner: Owner
  /** `next` of the page before. */
  readonly before?: string
  readonly limit: number
  /** The page's entries as JSON, in bytes; one entry is answered in any case. Absent: no bound. */
  readonly maxBytes?: number
}
export interface ListedSession {
  readonly session: string
  readonly createdMs: number
  readonly updatedMs: number
  readonly preview: string
  readonly metadata?: Metadata
  readonly running: boolean
}
export type ListReply =
  | { readonly kind: 'ok'; readonly sessions: readonly ListedSession[]; readonly next?: string }
  /** `before` was none of ours. */
  | { readonly kind: 'invalid' }

/** What a session's subscription brings. Callbacks are synchronous and must not throw. */
export interface LogListener {
  confirmed(): void
  lost(): void
  /** A record was added; `previous` is the head before it. A terminal comes without text. */
  record(previous: LogPlace, entry: LogEntry): void
  /** Text was appended. Without `text` when it is too long to be published: read it. */
  delta(fence: Fence, part: number, at: number, end: number, text: Uint8Array | undefined): void
  /** `renew`: the lease is suspected. `taken`: another producer claimed the turn. `cancel`: it is cancelled. */
  nudge(kind: 'renew' | 'taken' | 'cancel'): void
  updated(metadata: Metadata): void
  erased(reason: 'erased' | 'expired'): void
}

export interface Subscription {
  /** Deltas are heard only while this is true; a node does not listen to the echo of its own turns. Default true. */
  hearDeltas(wanted: boolean): void
  close(): void
}
