/**
 * Leaves a target alone that fails too often, and finds out by single calls when it is well again.
 *
 * Closed: calls are counted in slices of the window. When enough were made and too many of them failed it opens. Open:
 * nobody calls. After `openMs` it is half open: a few calls at once, and the first result decides. Each time it opens or
 * closes a new epoch begins, and results of calls from an earlier one say nothing any more. A call that was given up proves
 * nothing; it is only taken out of the count of those under way.
 */
import type { BreakerPolicy } from '../policy.ts'

export type BreakerState = 'closed' | 'half-open' | 'open'
export type CallResult = 'well' | 'ill' | 'unknown'

const slices = 10

interface Slice {
  readonly at: number
  calls: number
  failures: number
}

export class Breaker {
  readonly #policy: BreakerPolicy
  readonly #changed: (isOpen: boolean) => void
  #window: Slice[] = []
  /** 0: closed. */
  #openUntilMs = 0
  #probing = 0
  #epoch = 0

  /** `changed`: it opened, again or for the first time, or closed. */
  constructor(policy: BreakerPolicy, changed: (isOpen: boolean) => void = () => undefined) {
    this.#policy = policy
    this.#changed = changed
  }

  state(nowMs: number): BreakerState {
    if (this.#openUntilMs === 0) return 'closed'
    return nowMs < this.#openUntilMs ? 'open' : 'half-open'
  }

  /** 0: a call may be made now. Else in how many milliseconds it is worth asking again. */
  openForMs(nowMs: number): number {
    switch (this.state(nowMs)) {
      case 'closed':
        return 0
      case 'open':
        return this.#openUntilMs - nowMs
      case 'half-open':
        return this.#probing < this.#policy.probes ? 0 : this.#policy.openMs
    }
  }

  /** A call is made, which `openForMs` allowed. Answers its epoch; `ended` must follow. */
  enter(nowMs: number): number {
    if (this.state(nowMs) === 'half-open') this.#probing++
    return this.#epoch
  }

  ended(result: CallResult, epoch: number, nowMs: number): void {
    if (epoch !== this.#epoch) return
    if (this.#openUntilMs !== 0) return this.#probed(result, nowMs)
    if (result === 'unknown') return
    const slice = this.#slice(nowMs)
    slice.calls++
    if (result === 'ill') slice.failures++
    if (result === 'ill' && this.#isTooMuch()) this.#begin(nowMs + this.#policy.openMs)
  }

  #probed(result: CallResult, nowMs: number): void {
    if (result === 'unknown') this.#probing--
    else this.#begin(result === 'ill' ? nowMs + this.#policy.openMs : 0)
  }

  #begin(openUntilMs: number): void {
    this.#openUntilMs = openUntilMs
    this.#probing = 0
    this.#window = []
    this.#epoch++
    this.#changed(openUntilMs !== 0)
  }

  #isTooMuch(): boolean {
    const calls = this.#window.reduce((sum, slice) => sum + slice.calls, 0)
    const failures = this.#window.reduce((sum, slice) => sum + slice.failures, 0)
    return calls >= this.#policy.minimumCalls && failures >= calls * this.#policy.errorRatio
  }

  #slice(nowMs: number): Slice {
    const at = Math.floor((nowMs * slices) / this.#policy.windowMs)
    const last = this.#window.at(-1)
    if (last?.at === at) return last
    const fresh = { at, calls: 0, failures: 0 }
    this.#window = [...this.#window.filter((slice) => slice.at > at - slices), fresh]
    return fresh
  }
}
