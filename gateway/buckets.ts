import { type Bucket, take, untilNextMs } from './bucket.ts'

/** A token bucket for each name. One that is full again is as good as none, so only names in use are kept, and of those a bounded number. */
export class Buckets {
  readonly #capacity: number
  readonly #perSecond: number
  readonly #maxCount: number
  readonly #buckets = new Map<string, Bucket>()

  /** `perSecond`: Infinity takes nothing. */
  constructor(options: { readonly capacity: number; readonly perSecond: number; readonly maxCount: number }) {
    this.#capacity = options.capacity
    this.#perSecond = options.perSecond
    this.#maxCount = options.maxCount
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Milliseconds until there is something to take; 0: now. Takes nothing. */
  waitMs(name: string, nowMs: number): number {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) return 0
    const level = this.#levelAt(bucket, nowMs)
    if (level >= this.#capacity) this.#buckets.delete(name)
    return level >= 1 ? 0 : untilNextMs({ level, atMs: nowMs }, this.#perSecond)
  }

  /** What was not there is owed, but never more than the capacity: nobody is shut out for longer than that takes to fill. */
  take(name: string, count: number, nowMs: number): void {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return
    const bucket = this.#buckets.get(name) ?? { level: this.#capacity, atMs: nowMs }
    const level = Math.max(-this.#capacity, this.#levelAt(bucket, nowMs) - count)
    this.#buckets.delete(name)
    this.#buckets.set(name, { level, atMs: nowMs })
    if (this.#buckets.size <= this.#maxCount) return
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }

  #levelAt(bucket: Bucket, nowMs: number): number {
    return take(bucket, this.#capacity, this.#perSecond, nowMs).level + 1
  }
}
