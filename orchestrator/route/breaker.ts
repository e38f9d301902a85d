/**
 * Leaves a target alone that fails too often, and finds out by single calls when it is well again.
 *
 * Closed: calls are counted in slices of the window. When enough were made and too many of them failed it opens. Open:
 * nobody calls. After `openMs` it is half open: a few calls at once, and the first result decides. A call that was
 * cancelled proves nothing and is only taken out of the count of those under way.
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
  #window: Slice[] = []
  /** 0: closed. */
  #openUntilMs = 0
  #probing = 0

  constructor(policy: BreakerPolicy) {
    this.#policy = policy
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

  /** The same for a call that is made; after 0 `ended` must follow. */
  enter(nowMs: number): number {
    const forMs = this.openForMs(nowMs)
    if (forMs === 0 && this.#openUntilMs !== 0) this.#probing++
    return forMs
  }

  ended(result: CallResult, nowMs: number): void {
    const isProbe = this.#openUntilMs !== 0
    if (isProbe) this.#probing = Math.max(0, this.#probing - 1)
    if (result === 'unknown') return
    if (isProbe) return this.#decide(result, nowMs)
    const slice = this.#slice(nowMs)
    slice.calls++
    if (result === 'ill') slice.failures++
    if (result === 'ill' && this.#isTooMuch()) this.#open(nowMs)
  }

  /** A late result of a call from before it opened says no more than that. */
  #decide(result: 'well' | 'ill', nowMs: number): void {
    if (nowMs < this.#openUntilMs) return
    if (result === 'ill') return this.#open(nowMs)
    this.#openUntilMs = 0
    this.#probing = 0
    this.#window = []
  }

  #open(nowMs: number): void {
    this.#openUntilMs = nowMs + this.#policy.openMs
    this.#probing = 0
    this.#window = []
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
