import type { DownOf } from '../../protocol/down.ts'
import type { LogRecord, TerminalRecord } from '../../protocol/record.ts'
import { againMs, refusalsMax } from './bounds.ts'
import { Device, GivenUp } from './device.ts'
import { pause, within } from './pauses.ts'
import { Question } from './question.ts'
import { seededFor } from './random.ts'
import type { PlannedQuestion, PlannedSession } from './schedule.ts'
import { SessionReading } from './session-reading.ts'
import { Watcher } from './watcher.ts'
import type { World } from './world.ts'
import { WrongAnswer } from './wrong-answer.ts'

/**
 * Who holds one session's conversation: one socket, one subject. It asks one question after the other, each under an id of its
 * own; what the log does not have after a socket broke is sent again under the same id. A question whose time comes while the
 * answer before it still runs waits, and its waiting counts.
 */
export class User {
  readonly #world: World
  readonly #planned: PlannedSession
  readonly #device: Device
  readonly #reading: SessionReading
  readonly #random: () => number
  readonly #sent = new Map<string, string>()
  readonly #watchers: Watcher[] = []
  #session = ''
  #askedCount = 0
  #asking: Question | undefined
  #history: { readonly records: LogRecord[]; readonly done: () => void } | undefined

  constructor(world: World, planned: PlannedSession) {
    this.#world = world
    this.#planned = planned
    const { plan } = world
    // Not the numbers that the schedule drew from.
    this.#random = seededFor(plan.seed + 1, planned.n)
    this.#reading = new SessionReading(
      { check: plan.check, contentOf: (messageId) => this.#sent.get(messageId) },
      {
        asked: () => undefined,
        restarted: () => world.tally.count('restarted'),
        ended: (messageId, record) => this.#ended(messageId, record),
      },
    )
    this.#device = new Device(
      world,
      {
        subject: this.#name,
        opens: { key: this.#name },
        reading: this.#reading,
        isSlow: planned.isSlow,
        drops: planned.drops.map(({ atMs, awayMs }) => ({ dueMs: (planned.dueMs ?? world.now()) + atMs, awayMs })),
        random: this.#random,
      },
      {
        opened: (session) => this.#opened(session),
        text: (_bytes, gapMs) => this.#text(gapMs),
        cut: () => this.#asking?.disturb(),
        answered: (frame) => this.#answered(frame),
      },
    )
  }

  get #name(): string {
    return `${this.#world.plan.runId}-${this.#planned.n}`
  }

  /** Until its last answer is there, the run is stopped, or something was wrong, which is counted: then it answers false. */
  async run(): Promise<boolean> {
    const { tally, stopped } = this.#world
    tally.count('sessions')
    const device = this.#device.run()
    // Awaited below, but perhaps only after it has failed.
    device.catch(() => undefined)
    let isRight = true
    try {
      // Whichever is first: the last answer, or what makes the rest impossible.
      await Promise.race([this.#converse(), device])
      this.#device.close()
      // What comes behind the last answer can be wrong as well.
      await device
    } catch (error) {
      isRight = false
      this.#broke(error)
    } finally {
      this.#device.close()
      for (const watcher of this.#watchers) watcher.close()
    }
    if (stopped.aborted) this.#countDue()
    return isRight
  }

  async #converse(): Promise<void> {
    for (const [index, question] of this.#planned.questions.entries()) {
      if (!(await this.#isTime(question, index))) break
      this.#askedCount++
      await this.#inTime(this.#ask(question, index))
    }
    if (this.#world.plan.isHistoryChecked && !this.#world.stopped.aborted && this.#askedCount > 0)
      await this.#inTime(this.#readHistory())
    await Promise.all(this.#watchers.map((watcher) => watcher.reached(this.#reading.seq)))
  }

  #inTime(coming: Promise<void>): Promise<void> {
    const { patienceMs } = this.#world.plan
    return within(patienceMs, coming, () => new GivenUp('timeout', `nothing came for ${patienceMs} ms`))
  }

  /** Waits for a question's time; answers false if it does not come any more. */
  async #isTime({ dueMs }: PlannedQuestion, index: number): Promise<boolean> {
    const { plan, now, over, stopped } = this.#world
    if (dueMs !== undefined && dueMs <= now()) return !stopped.aborted
    const thinkingMs = index === 0 ? 0 : 2 * plan.thinkMs * this.#random()
    return (await pause(dueMs === undefined ? thinkingMs : dueMs - now(), over)) && !over.aborted
  }

  #ask(planned: PlannedQuestion, index: number): Promise<void> {
    const { tally } = this.#world
    const messageId = `${this.#name}-${index}`
    this.#sent.set(messageId, planned.text)
    tally.count('questions')
    tally.streamCount++
    return new Promise((resolve) => {
      this.#asking = new Question(this.#world, messageId, planned, this.#planned.isSlow, resolve)
      this.#sendWhatIsOpen()
    })
  }

  #opened(session: string): void {
    if (this.#session === '') this.#watch(session)
    this.#session = session
    this.#sendWhatIsOpen()
    if (this.#history !== undefined) this.#readPage()
  }

  #watch(session: string): void {
    for (let number = 0; number < this.#planned.watcherCount; number++) {
      const subject = this.#name
      const watcher = new Watcher(this.#world, { subject, session, number, n: this.#planned.n, sent: this.#sent })
      this.#watchers.push(watcher)
      watcher.start()
    }
  }

  /** The question that the log does not have, or the cancel of one that it has. */
  #sendWhatIsOpen(): void {
    const asking = this.#asking
    if (asking === undefined || !this.#device.isOpen) return
    if (this.#reading.has(asking.messageId)) return this.#cancelIfTime(asking, true)
    const { plan } = this.#world
    const { text: content, model = plan.model } = asking.planned
    const { messageId } = asking
    asking.sending(() => this.#cancelIfTime(asking, false))
    this.#device.send({
      type: 'message.send',
      session: this.#session,
      messageId,
      content,
      ...(model !== undefined && { model }),
    })
  }

  #text(gapMs: number | undefined): void {
    this.#asking?.text(gapMs)
    if (this.#asking !== undefined) this.#cancelIfTime(this.#asking, false)
  }

  #cancelIfTime(asking: Question, isAgain: boolean): void {
    const turn = this.#reading.runningTurn
    if (turn === undefined || this.#asking !== asking || !asking.isCancelDue(isAgain)) return
    this.#device.send({ type: 'turn.cancel', session: this.#session, turn })
  }

  #ended(messageId: string, record: TerminalRecord): void {
    const asking = this.#asking
    if (asking?.messageId !== messageId) throw new WrongAnswer('once', `${messageId} ended, but it is not asked`)
    asking.ended(record)
    this.#settled(asking)
  }

  #settled(asking: Question): void {
    this.#asking = undefined
    this.#world.tally.streamCount--
    asking.settle()
  }

  #answered(frame: DownOf<'error' | 'history.page'>): void {
    if (frame.type === 'history.page') return this.#page(frame)
    const asking = this.#asking
    // A refused cancel or refresh changes nothing of the question, once the log has it.
    if (asking === undefined || this.#reading.has(asking.messageId)) return
    if (!frame.retryable || ++asking.refusalCount > refusalsMax) {
      this.#world.tally.failed(frame.kind)
      return this.#settled(asking)
    }
    setTimeout(() => {
      if (this.#asking === asking) this.#sendWhatIsOpen()
    }, frame.retryAfterMs ?? againMs)
  }

  #readHistory(): Promise<void> {
    return new Promise((resolve) => {
      this.#history = { records: [], done: resolve }
      this.#readPage()
    })
  }

  #readPage(): void {
    const before = this.#history?.records[0]?.seq
    this.#device.send({ type: 'history.get', session: this.#session, limit: 100, ...(before && { before }) })
  }

  #page({ records, hasMore }: DownOf<'history.page'>): void {
    if (this.#history === undefined) return
    this.#history.records.unshift(...records)
    if (hasMore && records.length > 0) return this.#readPage()
    this.#reading.checkHistory(this.#history.records)
    this.#history.done()
  }

  #broke(error: unknown): void {
    const { tally } = this.#world
    const kind = error instanceof GivenUp ? error.kind : error instanceof WrongAnswer ? 'wrong-answer' : 'internal'
    if (!(error instanceof GivenUp)) {
      const check = error instanceof WrongAnswer ? error.check : 'internal'
      tally.fault(check, `session ${this.#planned.n}: ${error instanceof Error ? error.message : String(error)}`)
    }
    if (this.#asking !== undefined) {
      tally.failed(kind)
      this.#settled(this.#asking)
    } else if (this.#askedCount === 0 && this.#planned.questions[0]?.dueMs === undefined) {
      tally.count('questions')
      this.#askedCount++
      tally.failed(kind)
    }
    for (const { dueMs } of this.#planned.questions.slice(this.#askedCount)) {
      if (dueMs === undefined) continue
      tally.count('questions')
      tally.failed(kind)
    }
  }

  /** Of a run that was stopped: what was due counts, also when it was not sent any more. */
  #countDue(): void {
    const { tally, now } = this.#world
    const rest = this.#planned.questions.slice(this.#askedCount)
    tally.count('questions', rest.filter(({ dueMs = Number.POSITIVE_INFINITY }) => dueMs <= now()).length)
    if (this.#asking !== undefined) tally.streamCount--
  }
}
