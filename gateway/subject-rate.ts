import type { Identity } from './auth/identity.ts'
import { subjectRatesMax } from './bounds.ts'
import { Buckets } from './buckets.ts'

/**
 * How much one subject asks of this node, over all its sockets: a token bucket for each subject, which holds one second's
 * worth. What is refused is not charged, so that a subject which sends too much gets its rate and not less.
 */
export class SubjectRate {
  readonly #buckets: Buckets
  readonly #costFactor: () => number
  readonly #perSecond: number

  /** `costFactor`: how many times what is asked for counts. */
  constructor(perSecond: number, costFactor: () => number) {
    this.#buckets = new Buckets({ capacity: perSecond, perSecond, maxCount: subjectRatesMax })
    this.#costFactor = costFactor
    this.#perSecond = perSecond
  }

  /** Charges `cost` and answers 0, or charges nothing and answers how many milliseconds to wait. */
  take(identity: Identity, cost: number, nowMs: number): number {
    const waitMs = this.#buckets.waitMs(keyOf(identity), nowMs)
    if (waitMs === 0) this.charge(identity, Math.min(cost, this.#perSecond), nowMs)
    return waitMs
  }

  /** Charges for work that is done already. */
  charge(identity: Identity, cost: number, nowMs: number): void {
    if (cost > 0) this.#buckets.take(keyOf(identity), cost * this.#costFactor(), nowMs)
  }
}

function keyOf({ tenant, subject }: Identity): string {
  return JSON.stringify([tenant, subject])
}
