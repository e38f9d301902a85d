import { Device, GivenUp } from './device.ts'
import { within } from './pauses.ts'
import { seededFor } from './random.ts'
import { SessionReading } from './session-reading.ts'
import type { World } from './world.ts'
import { WrongAnswer } from './wrong-answer.ts'

export interface WatcherOptions {
  readonly subject: string
  readonly session: string
  /** Which of the session's watchers, and of which session. */
  readonly number: number
  readonly n: number
  /** What the user sent, by message id. */
  readonly sent: ReadonlyMap<string, string>
}

/** A second device of a user: it opens the session where it stands, reads along, and must get all that the first one gets. */
export class Watcher {
  readonly #world: World
  readonly #name: string
  readonly #device: Device
  readonly #reading: SessionReading
  readonly #waiting: { readonly seq: number; readonly done: () => void }[] = []
  #isOver = false

  constructor(world: World, { subject, session, number, n, sent }: WatcherOptions) {
    this.#world = world
    this.#name = `session ${n}, watcher ${number + 1}`
    const wake = () => this.#wake()
    this.#reading = new SessionReading(
      { check: world.plan.check, contentOf: (messageId) => sent.get(messageId) },
      { asked: wake, restarted: wake, ended: wake },
    )
    const random = seededFor(world.plan.seed + 2 + number, n)
    this.#device = new Device(
      world,
      { subject, opens: { session }, reading: this.#reading, isSlow: false, drops: [], random },
      { opened: wake, text: () => undefined, cut: () => undefined, answered: () => undefined },
    )
  }

  start(): void {
    this.#device.run().catch((error: unknown) => {
      // Without a socket there is nothing to compare; lost sockets are counted.
      if (error instanceof WrongAnswer) this.#world.tally.fault(error.check, `${this.#name}: ${error.message}`)
      else if (!(error instanceof GivenUp)) this.#world.tally.fault('internal', `${this.#name}: ${String(error)}`)
      this.close()
    })
  }

  /** Resolves when it has that record, or has ended; one that does not get it in time is a fault. */
  async reached(seq: number): Promise<void> {
    const { plan, tally } = this.#world
    const reached = new Promise<void>((done) => {
      this.#waiting.push({ seq, done })
      this.#wake()
    })
    // It may be away on purpose.
    const patienceMs = plan.graceMs + 2 * (plan.churn?.awayMs ?? 0)
    const late = () => new WrongAnswer('behind', `it has record ${this.#reading.seq}, the user has ${seq}`)
    await within(patienceMs, reached, late).catch((error: unknown) => {
      tally.fault('behind', `${this.#name}: ${error instanceof Error ? error.message : String(error)}`)
    })
  }

  close(): void {
    this.#isOver = true
    this.#device.close()
    this.#wake()
  }

  #wake(): void {
    for (const waiting of [...this.#waiting]) {
      if (!this.#isOver && this.#reading.seq < waiting.seq) continue
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
      waiting.done()
    }
  }
}
