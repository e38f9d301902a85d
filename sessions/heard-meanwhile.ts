import { isOf } from './feed-run.ts'
import type { FeedView } from './feed-view.ts'
import type { Fence, LogPlace } from './session-log.ts'

/**
 * What was published while a feed read the store: the answer must hold it, or the store is read again. The last record
 * and the last delta tell all: a state of the store that has them has everything that was published before them.
 */
export class HeardMeanwhile {
  #record: LogPlace | undefined
  #delta: { readonly fence: Fence; readonly part: number; readonly end: number } | undefined
  #isDoubted = false

  get hasHeard(): boolean {
    return this.#record !== undefined || this.#delta !== undefined
  }

  clear(): void {
    this.#record = undefined
    this.#delta = undefined
    this.#isDoubted = false
  }

  record(record: LogPlace): void {
    this.#record = record
    this.#delta = undefined
  }

  delta(fence: Fence, part: number, end: number): void {
    this.#delta = { fence, part, end }
  }

  /** Somebody wants a state of the store from now on. */
  doubt(): void {
    this.#isDoubted = true
  }

  isIn(view: FeedView): boolean {
    if (this.#isDoubted || (this.#record !== undefined && !view.knows(this.#record))) return false
    const delta = this.#delta
    const { run } = view
    return delta === undefined || (isOf(run, delta.fence) && (run?.tapes[delta.part]?.length ?? 0) >= delta.end)
  }
}
