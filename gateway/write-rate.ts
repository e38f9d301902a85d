import { MinuteWindow } from '../sessions/budgets/minute-window.ts'
import { Recent } from '../sessions/budgets/recent.ts'
import type { Identity } from './auth/identity.ts'
import { writersMax } from './bounds.ts'

/**
 * How often a subject may write on this node beside its messages, which budgets count: sessions made, metadata replaced,
 * feedback given. Deleting is never counted, since it is what makes room.
 */
export class WriteRate {
  readonly #perMinute: number
  readonly #nowMs: () => number
  /** The longest unused is forgotten above the bound, and may write as if it had not yet. */
  readonly #windows = new Recent<MinuteWindow>(writersMax, () => true)

  /** `perMinute` 0: no limit. */
  constructor(perMinute: number, nowMs: () => number) {
    this.#perMinute = perMinute
    this.#nowMs = nowMs
  }

  get perMinute(): number {
    return this.#perMinute
  }

  /** Counts a write, and answers 0; or milliseconds until there is room for one. */
  take({ tenant, subject }: Identity): number {
    if (this.#perMinute === 0) return 0
    const nowMs = this.#nowMs()
    const window = this.#windows.use(`${tenant.length}:${tenant}${subject}`, () => new MinuteWindow())
    const waitMs = window.waitMs(1, this.#perMinute, nowMs)
    if (waitMs === 0) window.add(1, nowMs)
    return waitMs
  }
}
