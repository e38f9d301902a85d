import type { Metadata } from '../protocol/shapes.ts'
import { endHeardMs, readAgainMaxMs, readAgainMinMs, readRounds, resubscribeMs, settleWithinMs } from './feed-limits.ts'
import { type FeedRun, isOf } from './feed-run.ts'
import { FeedView } from './feed-view.ts'
import { HeardMeanwhile } from './heard-meanwhile.ts'
import type { ReadGate } from './read-gate.ts'
import type {
  Fence,
  LogEntry,
  LogListener,
  LogPlace,
  OpenReply,
  SessionInfo,
  SessionLog,
  Subscription,
} from './session-log.ts'
import { SilenceCheck } from './silence-check.ts'

/**
 * One node's live view of one watched session: the tail of its log and the tapes of its running turn, shared by all
 * who watch it here.
 *
 * The problem: what the store publishes is a hint. It can be lost, late, or about another history. The invariant: the
 * feed's head and tapes are a state that the store has had, and only grow by what fits them exactly: a record whose
 * predecessor is the head, a delta of the current attempt that begins at or before the tape's end. Anything else makes
 * it read the store. It reads only after the subscription was confirmed, and an answer counts only while the
 * subscription it was asked under stands and the head is where it was asked from (STORE A10). Merging before that, or
 * queueing messages by number, delivers records of two histories as one.
 *
 * The node that runs a turn hears it by acknowledgement (`delivered`), not by its own echo, and only while the attempt
 * carries its own token (A11). From a turn of its own on it listens to deltas only once somebody else opens an attempt.
 */
export class Feed implements LogListener {
  readonly session: string
  info: SessionInfo
  readonly watchers = new Set<Watcher>()

  readonly #parts: FeedParts
  readonly #log: SessionLog
  readonly #view = new FeedView()
  #state: 'subscribing' | 'reading' | 'live' | 'gone' = 'subscribing'
  #subscription: Subscription | undefined
  #subscriptionNumber = 0
  readonly #meanwhile = new HeardMeanwhile()
  #waiting: (() => void)[] = []
  #ownToken: string | undefined
  #hearsDeltas: boolean
  readonly #after: After
  readonly #silence: SilenceCheck | undefined
  #isChecking = false
  #failedReads = 0
  #cancelNext: () => void = nothing
  #cancelWaiting: () => void = nothing
  #isStarted = false

  /** `ownToken`: of the producer that runs the session's turn on this node, if one does. */
  constructor(session: string, info: SessionInfo, parts: FeedParts, ownToken?: string) {
    this.session = session
    this.info = info
    this.#parts = parts
    this.#ownToken = ownToken
    this.#hearsDeltas = ownToken === undefined
    this.#log = parts.log
    this.#after = parts.after
    this.#silence = parts.checksSilence ? new SilenceCheck(parts.after, () => this.#check()) : undefined
  }

  /** The last record's place; -1 before the first read. */
  get head(): LogPlace {
    return this.#view.head
  }

  get run(): FeedRun | undefined {
    return this.#view.run
  }

  /** The text of the turn that ended last, while some watcher still lacks a part of it. */
  get ended(): FeedRun | undefined {
    return this.#view.ended
  }

  /** Resolves when the feed is live, or gone, or the store did not confirm in time: then it goes on by itself. */
  start(): Promise<void> {
    if (!this.#isStarted) this.#subscribe()
    this.#isStarted = true
    return this.#settled()
  }

  #settled(): Promise<void> {
    if (this.#state === 'live' || this.#state === 'gone') return Promise.resolve()
    if (this.#waiting.length === 0) this.#cancelWaiting = this.#after(settleWithinMs, () => this.#resolveWaiting())
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  get isReading(): boolean {
    return this.#state === 'reading' || this.#state === 'subscribing'
  }

  get isGone(): boolean {
    return this.#state === 'gone'
  }

  stop(): void {
    this.#subscription?.close()
    this.#subscription = undefined
    this.#cancelNext()
    this.#silence?.stop()
    this.#enter('gone')
  }

  /** The entry after `seq`; `undefined` if the tail does not reach back to it. */
  entryAfter(seq: number): LogEntry | undefined {
    return this.#view.entryAfter(seq)
  }

  /** Whether `position` is a place in this feed's history, as far as the tail tells. */
  knows(position: LogPlace): boolean {
    return this.#view.knows(position)
  }

  /** Text of a turn produced on this node which the store has acknowledged. */
  delivered(fence: Fence, part: number, at: number, text: Uint8Array): void {
    if (this.#state === 'reading') this.#meanwhile.delta(fence, part, at + text.length)
    if (this.#state !== 'live') return
    if (isOf(this.run, fence)) {
      this.#heard()
      this.#delta(part, at, at + text.length, text)
    } else if (this.#ownToken === fence.token && !this.#hearsDeltas) {
      // Deaf to the echo, it would hear of this attempt nothing else.
      this.#read()
    }
  }

  producerStarted(token: string): void {
    this.#ownToken = token
    this.#hearDeltas(this.#isOthers)
  }

  /** It is over. `isEnded`: it wrote its turn's end, of which a record is on its way. */
  producerStopped(token: string, isEnded: boolean): void {
    if (this.#ownToken === token) this.#ownToken = undefined
    const { run } = this
    if (run === undefined) return
    if (isEnded && this.#state === 'live' && this.#failedReads === 0) {
      this.#next(endHeardMs, () => this.run?.turn === run.turn && this.#read())
    } else {
      this.#chooseDeltas()
      this.#read()
    }
  }

  /** Drops the ended turn's text once nobody needs it. */
  releaseEnded(): void {
    const ended = this.ended
    if (ended === undefined) return
    for (const watcher of this.watchers) if (watcher.seq < ended.endSeq) return
    this.#view.ended = undefined
  }

  /**
   * Somebody read the store and found this: a feed that is behind it missed something, and reads. So does one that knows
   * the place which was `asked` from when the store does not: then the store has travelled back, and what this feed still
   * has of it must not be told again.
   */
  heardOf(reply: HeardReply, asked?: LogPlace): void {
    // One that could not be made good is due later: at once again, it and a reader would drive each other without an end.
    if (this.#state !== 'live' || this.#failedReads > 0) return
    if (reply.kind === 'ok') {
      const isTakenBack = reply.from === 'reset' && asked !== undefined && this.knows(asked)
      if (!isTakenBack && (reply.head.seq < this.head.seq || this.knows(reply.head))) return
    }
    this.#read()
  }

  #subscribe(): void {
    this.#subscription?.close()
    this.#subscription = undefined
    try {
      this.#subscription = this.#log.subscribe(this.session, this)
      this.#subscription.hearDeltas(this.#hearsDeltas)
    } catch {
      // The store is closed or away: as if the subscription had been lost at once.
      this.#next(resubscribeMs, () => this.#subscribe())
    }
  }

  /** As the store's listener: this and the following, up to `erased`. */
  confirmed(): void {
    if (this.#state === 'gone') return
    this.#subscriptionNumber++
    this.#isChecking = false
    this.#state = 'reading'
    void this.#readOnce()
  }

  /** What is published from now on is missed: whatever is being read does not count, and a new subscription is due. */
  lost(): void {
    if (this.#state === 'gone') return
    this.#subscriptionNumber++
    this.#state = 'subscribing'
    this.#silence?.stop()
    // Spread, since all feeds lose a broken connection at once.
    this.#next(resubscribeMs * (1 + Math.random()), () => this.#subscribe())
  }

  record(previous: LogPlace, entry: LogEntry): void {
    if (this.#state === 'reading') {
      this.#meanwhile.record(entry.record)
      return
    }
    if (this.#state !== 'live' || this.knows(entry.record)) return
    this.#heard()
    // What it did to the turn, this node is too old to know.
    if (entry.record.type === 'record.skipped') return this.#read()
    if (previous.seq !== this.head.seq || previous.mark !== this.head.mark) return this.#read()
    if (this.#view.lacksTextOf(entry.record)) return this.#read()
    this.#view.apply(entry)
    this.#chooseDeltas()
    this.#silence?.watch(this.run !== undefined)
    this.#wake()
  }

  delta(fence: Fence, part: number, at: number, end: number, text: Uint8Array | undefined): void {
    if (this.#state === 'reading') {
      this.#meanwhile.delta(fence, part, end)
      return
    }
    if (this.#state !== 'live') return
    this.#heard()
    if (!isOf(this.run, fence)) return this.#read()
    this.#delta(part, at, end, text)
  }

  nudge(): void {
    // For those who run turns.
  }

  #heard(): void {
    if (this.#silence !== undefined) this.#silence.wasHeard = true
  }

  /** Nothing was heard for a while. */
  #check(): void {
    if (this.#state !== 'live') return
    this.#isChecking = true
    this.#read()
  }

  #delta(part: number, at: number, end: number, text: Uint8Array | undefined): void {
    const fit = this.#view.delta(part, at, end, text)
    if (fit === 'missing') this.#read()
    else if (fit === 'new') this.#wake()
  }

  /** Between attempts it stays as it is: whose turn comes next is seldom another's than before. */
  #chooseDeltas(): void {
    if (this.run?.openedBy !== undefined) this.#hearDeltas(this.#isOthers)
  }

  /** Whether an attempt runs that was opened elsewhere. */
  get #isOthers(): boolean {
    const openedBy = this.run?.openedBy
    return openedBy !== undefined && openedBy !== this.#ownToken
  }

  #hearDeltas(isWanted: boolean): void {
    if (isWanted === this.#hearsDeltas) return
    this.#hearsDeltas = isWanted
    this.#subscription?.hearDeltas(isWanted)
  }

  #wake(): void {
    for (const watcher of this.watchers) watcher.moved()
    this.releaseEnded()
  }

  updated(metadata: Metadata): void {
    this.info = { ...this.info, metadata }
    for (const watcher of this.watchers) watcher.updated(metadata)
  }

  erased(reason: GoneReason): void {
    if (this.#state === 'gone') return
    this.stop()
    this.#parts.onGone(this, reason)
  }

  #read(): void {
    if (this.#state !== 'live') {
      this.#meanwhile.doubt()
      return
    }
    this.#state = 'reading'
    void this.#readOnce()
  }

  /** Never rejects: the store away is a state, healed by reading later. */
  async #readOnce(): Promise<void> {
    this.#cancelNext()
    const number = this.#subscriptionNumber
    const before = this.#view.extent()
    for (let round = 0; round < readRounds; round++) {
      this.#meanwhile.clear()
      const asked = this.head
      const reply = await this.#open()
      if (number !== this.#subscriptionNumber || this.#state !== 'reading') return
      if (reply === undefined) return this.#readLater()
      if (reply.kind === 'gone') return this.erased('lost')
      // Whoever touches a session finds the turn whose producer is gone (STORE B2).
      if (reply.run?.lease === 'lapsed') this.#parts.onLapsed(this.session, reply.run.turn)
      if (asked === this.head) this.#merge(reply)
      if (!this.#view.has(reply) || !this.#meanwhile.isIn(this.#view)) continue
      const foundNews = this.#isChecking && before !== this.#view.extent() && !this.#meanwhile.hasHeard
      return this.#live(foundNews)
    }
    this.#readLater()
  }

  /** `undefined`: the store is away. */
  async #open(): Promise<OpenReply | undefined> {
    const { gate } = this.#parts
    const waiting = gate.enter(this.run !== undefined)
    if (waiting !== undefined) await waiting
    try {
      return await this.#log.open(this.#view.question(this.session))
    } catch {
      return undefined
    } finally {
      gate.leave()
    }
  }

  /**
   * The store is away, or moves faster than it is read. What is published next tells by position what is missing; since
   * that may be nothing for a long time, the store is read again by itself.
   */
  #readLater(): void {
    const delayMs = Math.min(readAgainMaxMs, readAgainMinMs * 2 ** this.#failedReads++)
    this.#enter('live')
    this.#next(delayMs, () => this.#read())
    this.#wake()
  }

  /** One thing is due at a time: reading again, or subscribing again. */
  #next(delayMs: number, run: () => void): void {
    this.#cancelNext()
    this.#cancelNext = this.#after(delayMs, run)
  }

  #merge(reply: Extract<OpenReply, { kind: 'ok' }>): void {
    this.info = reply.info
    this.#view.merge(reply)
    this.#chooseDeltas()
  }

  /** `foundNews`: in silence it found what no message told of, so the subscription may be dead and look healthy. */
  #live(foundNews: boolean): void {
    this.#failedReads = 0
    this.#enter('live')
    this.#silence?.watch(this.run !== undefined)
    if (this.#isChecking) this.#silence?.looked(foundNews)
    this.#isChecking = false
    if (foundNews) {
      this.#parts.onRepair()
      this.#subscribe()
    }
    this.#wake()
  }

  #enter(state: 'live' | 'gone'): void {
    this.#state = state
    this.#resolveWaiting()
  }

  #resolveWaiting(): void {
    this.#cancelWaiting()
    // A timer that is kept is kept for as long as the feed.
    this.#cancelWaiting = nothing
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** What a node's feeds have in common. */
export interface FeedParts {
  readonly log: SessionLog
  readonly after: After
  readonly gate: ReadGate
  /** What the store publishes may be lost without a word. */
  readonly checksSilence: boolean
  onGone(feed: Feed, reason: GoneReason): void
  /** A feed found in silence what no message had told of. */
  onRepair(): void
  /** A feed met a running turn whose lease has lapsed. */
  onLapsed(session: string, turn: string): void
}

/** What is told of an answer to `open`. */
export type HeardReply =
  | { readonly kind: 'gone' }
  | { readonly kind: 'ok'; readonly head: LogPlace; readonly from?: 'after' | 'reset' }

export type GoneReason = 'erased' | 'expired' | 'lost'

/** Who watches a feed. Called synchronously, while the feed is whole; must not throw. */
export interface Watcher {
  /** The last record it has. */
  readonly seq: number
  moved(): void
  updated(metadata: Metadata): void
  gone(reason: GoneReason): void
}

/** Calls `run` once, after a time in milliseconds, unless the answer is called before. */
export type After = (ms: number, run: () => void) => () => void

function nothing(): void {
  // Nothing is due.
}
