import type { Identity } from './auth/identity.ts'
import { subjectRatesMax } from './bounds.ts'
import { type Bucket, take, untilNextMs } from './bucket.ts'

/**
 * How much one subject asks of this node, over all its sockets: a token bucket for each subject, which holds one second's
 * worth. What is refused is not charged, so that a subject which sends too much gets its rate and not less.
 */
export class SubjectRate {
  readonly #perSecond: number
  /** By subject, the least recently used first. One that is dropped begins anew with a full bucket. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** Charges `cost` and answers 0, or charges nothing and answers how many milliseconds to wait. */
  take(identity: Identity, cost: number, nowMs: number): number {
    const taken = this.#taken(identity, cost, nowMs)
    if (taken.level >= 0) {
      this.#keep(identity, taken)
      return 0
    }
    const refilled = this.#taken(identity, 0, nowMs)
    this.#keep(identity, refilled)
    return untilNextMs(refilled, this.#perSecond, Math.min(cost, this.#perSecond))
  }

  /** Charges for work that is done already. The level never falls below one second's worth under nothing. */
  charge(identity: Identity, cost: number, nowMs: number): void {
    if (cost <= 0) return
    const taken = this.#taken(identity, cost, nowMs)
    this.#keep(identity, { ...taken, level: Math.max(taken.level, -this.#perSecond) })
  }

  #taken(identity: Identity, cost: number, nowMs: number): Bucket {
    const bucket = this.#buckets.get(keyOf(identity)) ?? { level: this.#perSecond, atMs: nowMs }
    return take(bucket, this.#perSecond, this.#perSecond, nowMs, cost)
  }

  #keep(identity: Identity, bucket: Bucket): void {
    const key = keyOf(identity)
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size <= subjectRatesMax) return
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest)
      return
    }
  }
}

function keyOf({ tenant, subject }: Identity): string {
  return JSON.stringify([tenant, subject])
}
