import type { LogListener, SessionLog, Subscription } from '../../sessions/session-log.ts'
import { type Plan, restful } from './plan.ts'
import type { Chance } from './random.ts'

export interface LinkParts {
  readonly chance: Chance
  readonly plan: Plan
  isStoreAway(): boolean
  /** Another one at each call, the same in each run of a seed. */
  randomId(): string
  /** The number of the next call of a model, whichever node's. */
  nextCall(): number
  /** A message may be in the store, and its sender was told that this is not known. */
  acceptanceUnknown(): void
  count(what: string): void
}

/** An operation that waits to be executed, or to be answered. */
interface Held {
  go(): void
  fail(): void
}

/**
 * One node's way to the store: the real one behind it, and in between what networks, drivers and schedulers do.
 * Operations are lost, answered too late, executed after they were given up; what is published is lost or held.
 */
export class NodeLink {
  readonly log: SessionLog
  /** Executed at the real store now. */
  inFlight = 0
  /** Executions since the world looked last. */
  executed = 0
  unconfirmed = 0
  breaks = 0
  isPaused = false
  isDead = false
  readonly #store: SessionLog
  #parts: LinkParts
  #held: Held[] = []
  #late: (() => void)[] = []
  readonly #lines = new Set<Line>()

  constructor(store: SessionLog, parts: LinkParts) {
    this.#store = store
    this.#parts = parts
    const wrap =
      <Q, R>(operate: (request: Q) => Promise<R>) =>
      (request: Q) =>
        this.#operate(
          () => operate(request),
          () => undefined,
        )
    this.log = {
      create: wrap((request: Parameters<SessionLog['create']>[0]) => store.create(request)),
      describe: wrap((session: string) => store.describe(session)),
      // One that is executed after it was given up has no producer.
      accept: (request) => this.#operate(() => store.accept(request), parts.acceptanceUnknown),
      append: wrap((request: Parameters<SessionLog['append']>[0]) => store.append(request)),
      end: wrap((request: Parameters<SessionLog['end']>[0]) => store.end(request)),
      takeOver: wrap((request: Parameters<SessionLog['takeOver']>[0]) => store.takeOver(request)),
      open: wrap((request: Parameters<SessionLog['open']>[0]) => store.open(request)),
      page: wrap((request: Parameters<SessionLog['page']>[0]) => store.page(request)),
      read: wrap((request: Parameters<SessionLog['read']>[0]) => store.read(request)),
      findTurn: wrap((request: Parameters<SessionLog['findTurn']>[0]) => store.findTurn(request)),
      cancel: wrap((request: Parameters<SessionLog['cancel']>[0]) => store.cancel(request)),
      opening: wrap((request: Parameters<SessionLog['opening']>[0]) => store.opening(request)),
      addFeedback: wrap((request: Parameters<SessionLog['addFeedback']>[0]) => store.addFeedback(request)),
      update: wrap((request: Parameters<SessionLog['update']>[0]) => store.update(request)),
      erase: wrap((session: string) => store.erase(session)),
      list: wrap((request: Parameters<SessionLog['list']>[0]) => store.list(request)),
      breaks: () => this.breaks,
      lapsed: () =>
        this.#operate(
          () => store.lapsed(),
          () => undefined,
        ),
      subscribe: (session, listener) => this.#subscribe(session, listener),
      close: () => Promise.resolve(),
    }
  }

  get heldCount(): number {
    return this.#held.length + this.#late.length
  }

  /** What is held goes on, one in two, or all of it. */
  deliver(all: boolean): void {
    if (this.isPaused || this.isDead) return
    const mayGo = () => all || this.#parts.chance.is(0.5)
    const held = this.#held
    this.#held = []
    for (const one of held) {
      if (mayGo()) one.go()
      else this.#held.push(one)
    }
    const late = this.#late
    this.#late = []
    for (const run of late) {
      if (mayGo()) run()
      else this.#late.push(run)
    }
  }

  /** No more faults. */
  calm(): void {
    this.#parts = { ...this.#parts, plan: restful(this.#parts.plan) }
  }

  resume(): void {
    this.isPaused = false
    this.deliver(true)
    for (const line of [...this.#lines]) line.release()
  }

  /** Everything under way is of unknown outcome, and every subscription is lost. */
  break(): void {
    this.breaks += 1
    this.#parts.count('broken links')
    for (const held of this.#held.splice(0)) held.fail()
    this.loseLines()
  }

  loseLines(): void {
    for (const line of [...this.#lines]) line.lose()
  }

  die(): void {
    this.isDead = true
    this.#held = []
    // What the driver had sent is executed without it.
    for (const run of this.#late.splice(0)) run()
    for (const line of [...this.#lines]) line.close()
  }

  #operate<R>(execute: () => Promise<R>, onLate: () => void): Promise<R> {
    const { chance, plan, count } = this.#parts
    if (this.isDead) return new Promise(() => undefined)
    const run = () => this.#execute(execute)
    return new Promise<R>((resolve, reject) => {
      const fail = () => {
        this.breaks += 1
        reject(new Error('the store is away'))
      }
      const go = () => {
        if (this.isDead) return
        if (this.#parts.isStoreAway()) return fail()
        if (chance.is(plan.fates.lose)) {
          count('lost operations')
          return fail()
        }
        if (chance.is(plan.fates.late)) {
          count('late executions')
          onLate()
          this.#late.push(() => void run().catch(() => undefined))
          return fail()
        }
        const isReplyLost = chance.is(plan.fates.loseReply)
        if (isReplyLost) count('lost replies')
        run().then((reply) => (isReplyLost || this.isDead ? fail() : resolve(reply)), fail)
      }
      if (this.isPaused || chance.is(plan.fates.slow)) this.#held.push({ go, fail })
      else go()
    })
  }

  async #execute<R>(execute: () => Promise<R>): Promise<R> {
    this.inFlight += 1
    this.executed += 1
    try {
      return await execute()
    } finally {
      this.inFlight -= 1
    }
  }

  #subscribe(session: string, listener: LogListener): Subscription {
    if (this.isDead) return { hearDeltas: () => undefined, close: () => undefined }
    const line: Line = new Line(session, listener, {
      isHeld: () => this.isPaused,
      isLost: () => {
        const isLost = this.#parts.chance.is(this.#parts.plan.newsLost)
        if (isLost) this.#parts.count('lost news')
        return isLost
      },
      waiting: (change) => {
        this.unconfirmed += change
      },
      closed: () => this.#lines.delete(line),
    })
    this.#lines.add(line)
    const go = () => (this.#parts.isStoreAway() ? line.lose() : line.listen(this.#store))
    // What is published before it is there is missed.
    if (this.isPaused || this.#parts.chance.is(this.#parts.plan.fates.slow))
      this.#held.push({ go, fail: () => line.lose() })
    else queueMicrotask(go)
    return line
  }
}

interface LineParts {
  isHeld(): boolean
  isLost(): boolean
  waiting(change: number): void
  closed(): void
}

/** A subscription: what comes keeps its order, whatever happens to some of it. */
class Line implements Subscription {
  readonly #session: string
  readonly #listener: LogListener
  readonly #parts: LineParts
  #inner: Subscription | undefined
  #held: (() => void)[] = []
  #isOpen = true
  #isWaiting = false
  #hearsDeltas = true

  constructor(session: string, listener: LogListener, parts: LineParts) {
    this.#session = session
    this.#listener = listener
    this.#parts = parts
  }

  listen(store: SessionLog): void {
    if (!this.#isOpen) return
    this.#wait(true)
    this.#inner = store.subscribe(this.#session, {
      confirmed: () => {
        this.#wait(false)
        this.#tell(() => this.#listener.confirmed())
      },
      lost: () => this.lose(),
      record: (previous, entry) => this.#news(() => this.#listener.record(previous, entry)),
      delta: (fence, part, at, end, text) => this.#news(() => this.#listener.delta(fence, part, at, end, text)),
      nudge: (kind) => this.#news(() => this.#listener.nudge(kind)),
      updated: (metadata) => this.#news(() => this.#listener.updated(metadata)),
      erased: (reason) => this.#news(() => this.#listener.erased(reason)),
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

  lose(): void {
    if (!this.#isOpen) return
    this.close()
    this.#listener.lost()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#held = []
    this.#wait(false)
    this.#inner?.close()
    this.#parts.closed()
  }

  #news(tell: () => void): void {
    if (!this.#parts.isLost()) this.#tell(tell)
  }

  #tell(tell: () => void): void {
    if (!this.#isOpen) return
    if (this.#parts.isHeld() || this.#held.length > 0) this.#held.push(() => this.#isOpen && tell())
    else tell()
  }

  #wait(isWaiting: boolean): void {
    if (this.#isWaiting === isWaiting) return
    this.#isWaiting = isWaiting
    this.#parts.waiting(isWaiting ? 1 : -1)
  }
}
