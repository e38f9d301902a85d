/**
 * Places for calls of one target: so many at once, so many a minute, so many tokens a minute; a bounded number waits.
 *
 * Bottleneck counts and queues; what it runs is only a permit, which ends when the call does, since a job in its queue cannot
 * be taken out: one whose call was given up meanwhile ends at once when it gets its place, and counts as waiting until then. A minute is a window that begins
 * anew for all at one time, as most providers have it.
 */
import Bottleneck from 'bottleneck'
import type { TargetLimits } from '../policy.ts'

export interface Place {
  /** Gives the place back, or gives up to wait for it. Idempotent. */
  leave(): void
}

export interface Places {
  /** `granted` is called once, maybe before this returns; or `full`, later, when too many wait already. `tokens`: of the call, estimated. */
  enter(tokens: number, granted: () => void, full: () => void): Place
  close(): void
}

const minuteMs = 60_000
const nowhere: Place = { leave: () => undefined }

export function createPlaces(limits: TargetLimits): Places {
  const { concurrent, requestsPerMinute, tokensPerMinute } = limits
  if (concurrent === 0 && requestsPerMinute === 0 && tokensPerMinute === 0) return unlimited
  return new CountedPlaces(limits)
}

const unlimited: Places = {
  enter(_tokens, granted) {
    granted()
    return nowhere
  },
  close: () => undefined,
}

class CountedPlaces implements Places {
  readonly #limits: TargetLimits
  readonly #calls: Bottleneck
  readonly #tokens: Bottleneck | undefined

  constructor(limits: TargetLimits) {
    this.#limits = limits
    const { concurrent, requestsPerMinute, tokensPerMinute, waiting } = limits
    // One more than may wait is dropped, unless it need not wait.
    const bounded = { highWater: waiting, strategy: Bottleneck.strategy.OVERFLOW }
    const requests = requestsPerMinute === 0 ? {} : refilled(requestsPerMinute)
    this.#calls = new Bottleneck({ ...bounded, ...requests, maxConcurrent: concurrent === 0 ? null : concurrent })
    this.#tokens = tokensPerMinute === 0 ? undefined : new Bottleneck({ ...bounded, ...refilled(tokensPerMinute) })
  }

  enter(tokens: number, granted: () => void, full: () => void): Place {
    const over = Promise.withResolvers<void>()
    let isOver = false
    // More than a minute's tokens would wait for ever.
    const weight = Math.min(tokens, this.#limits.tokensPerMinute)
    let hasTokens = false
    const permit = () =>
      this.#calls.schedule(() => {
        if (isOver) this.#giveBack(weight)
        else granted()
        return over.promise
      })
    const takeTokens = () =>
      this.#tokens?.schedule({ weight }, async () => {
        hasTokens = true
      }) ?? Promise.resolve()
    const done = this.#tokens === undefined ? permit() : takeTokens().then(permit)
    done.catch(() => {
      if (hasTokens) void this.#tokens?.incrementReservoir(weight)
      if (!isOver) full()
    })
    return {
      leave() {
        isOver = true
        over.resolve()
      },
    }
  }

  close(): void {
    for (const each of [this.#calls, this.#tokens]) {
      void each?.stop({ dropWaitingJobs: true }).catch(() => undefined)
      // Its timer that fills the minute's reservoir goes on otherwise.
      void each?.disconnect()
    }
  }

  /** Of the minute, for a call that was given up before it got its place. */
  #giveBack(weight: number): void {
    if (this.#limits.requestsPerMinute > 0) void this.#calls.incrementReservoir(1)
    void this.#tokens?.incrementReservoir(weight)
  }
}

function refilled(amount: number) {
  return { reservoir: amount, reservoirRefreshAmount: amount, reservoirRefreshInterval: minuteMs }
}
