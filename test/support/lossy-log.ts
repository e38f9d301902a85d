import type { After } from '../../sessions/feed.ts'
import type {
  Fence,
  LogEntry,
  LogListener,
  LogPlace,
  OpenReply,
  OpenRequest,
  SessionLog,
  Subscription,
} from '../../sessions/session-log.ts'

/** What happens to something published: it keeps its place in the order, whatever happens. */
export type Fate = 'pass' | 'lose' | 'twice' | 'hold'

/**
 * A store whose publishing is only a hint, as the port allows: it loses, delays and repeats what is published, loses
 * subscriptions, and answers reads late or never. What is written is written; nothing is delivered out of order.
 */
export class LossyLog {
  readonly log: SessionLog
  fate: (kind: 'record' | 'delta') => Fate = () => 'pass'
  /** `late`: read at once, answered when told to. */
  reading: 'now' | 'late' | 'fail' = 'now'
  /** Text is never published, as a store does with what is too long. */
  isTextHeldBack = false
  /** Nobody can subscribe until `comeBack`. */
  isAway = false
  readCount = 0
  lostCount = 0
  #store: SessionLog
  readonly #lines = new Set<Line>()
  #unanswered: (() => void)[] = []

  constructor(store: SessionLog) {
    this.#store = store
    this.log = {
      ...store,
      open: (request) => this.#open(request),
      subscribe: (session, listener) => this.#subscribe(session, listener),
    }
  }

  get lineCount(): number {
    return this.#lines.size
  }

  get hearsDeltas(): boolean {
    return [...this.#lines].some((line) => line.hears)
  }

  get unansweredCount(): number {
    return this.#unanswered.length
  }

  /** Another history from now on, unnoticed: a failover that subscriptions survive. */
  becomes(store: SessionLog): void {
    this.#store = store
    for (const line of this.#lines) line.listen(store)
  }

  answerReads(): void {
    for (const answer of this.#unanswered.splice(0)) answer()
  }

  release(): void {
    for (const line of [...this.#lines]) line.release()
  }

  /** Ends every subscription, with what was held for it. */
  breakLines(): void {
    for (const line of [...this.#lines]) line.break()
  }

  comeBack(): void {
    this.isAway = false
    for (const line of this.#lines) line.listen(this.#store)
  }

  async #open(request: OpenRequest): Promise<OpenReply> {
    this.readCount++
    if (this.reading === 'fail') throw new Error('the store is away')
    const isLate = this.reading === 'late'
    const reply = await this.#store.open(request)
    if (isLate) await new Promise<void>((resolve) => this.#unanswered.push(resolve))
    return reply
  }

  #subscribe(session: string, listener: LogListener): Subscription {
    const line: Line = new Line(session, listener, {
      fate: (kind) => this.#fateOf(kind),
      isTextHeldBack: () => this.isTextHeldBack,
      ended: () => this.#lines.delete(line),
    })
    this.#lines.add(line)
    if (!this.isAway) line.listen(this.#store)
    return line
  }

  #fateOf(kind: 'record' | 'delta'): Fate {
    const fate = this.fate(kind)
    if (fate === 'lose') this.lostCount++
    return fate
  }
}

interface LineOwner {
  fate(kind: 'record' | 'delta'): Fate
  isTextHeldBack(): boolean
  ended(): void
}

class Line implements Subscription {
  readonly #session: string
  readonly #listener: LogListener
  readonly #owner: LineOwner
  #inner: Subscription | undefined
  #held: (() => void)[] = []
  #hearsDeltas = true
  #isConfirmed = false
  #isOpen = true

  constructor(session: string, listener: LogListener, owner: LineOwner) {
    this.#session = session
    this.#listener = listener
    this.#owner = owner
  }

  get hears(): boolean {
    return this.#hearsDeltas
  }

  listen(store: SessionLog): void {
    this.#inner?.close()
    this.#inner = store.subscribe(this.#session, {
      confirmed: () => this.#confirmed(),
      lost: () => this.break(),
      record: (previous, entry) => this.#record(previous, entry),
      delta: (fence, part, at, end, text) => this.#delta(fence, part, at, end, text),
      nudge: (kind) => this.#listener.nudge(kind),
      updated: (metadata) => this.#listener.updated(metadata),
      erased: (reason) => this.#listener.erased(reason),
    })
    this.#inner.hearDeltas(this.#hearsDeltas)
  }

  hearDeltas(wanted: boolean): void {
    this.#hearsDeltas = wanted
    this.#inner?.hearDeltas(wanted)
  }

  release(): void {
    for (let next = this.#held.shift(); next !== undefined; next = this.#held.shift()) next()
  }

  break(): void {
    if (!this.#isOpen) return
    this.close()
    this.#listener.lost()
  }

  close(): void {
    this.#isOpen = false
    this.#held = []
    this.#inner?.close()
    this.#owner.ended()
  }

  #confirmed(): void {
    if (this.#isConfirmed) return
    this.#isConfirmed = true
    this.#listener.confirmed()
  }

  #record(previous: LogPlace, entry: LogEntry): void {
    this.#publish('record', () => this.#listener.record(previous, entry))
  }

  #delta(fence: Fence, part: number, at: number, end: number, given: Uint8Array | undefined): void {
    const text = this.#owner.isTextHeldBack() ? undefined : given
    this.#publish('delta', () => {
      if (this.#hearsDeltas) this.#listener.delta(fence, part, at, end, text)
    })
  }

  #publish(kind: 'record' | 'delta', tell: () => void): void {
    const fate = this.#owner.fate(kind)
    if (fate === 'lose') return
    if (fate === 'hold' || this.#held.length > 0) {
      this.#held.push(tell)
      return
    }
    tell()
    if (fate === 'twice' && this.#isOpen) tell()
  }
}

/** Time that passes when a test says so: everything that is due comes at once. */
export class ManualTimers {
  readonly #due = new Map<object, () => void>()

  get count(): number {
    return this.#due.size
  }

  readonly after: After = (_ms, run) => {
    const key = {}
    this.#due.set(key, run)
    return () => void this.#due.delete(key)
  }

  pass(): void {
    const due = [...this.#due]
    for (const [key, run] of due) if (this.#due.delete(key)) run()
  }
}
