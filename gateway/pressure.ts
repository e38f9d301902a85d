import { type EventLoopUtilization, performance } from 'node:perf_hooks'
import { pressedCost, pressedUtilization, pressureLookMs, pressureReportMs } from './bounds.ts'

/**
 * Whether this node is busier than it should be. Rates that each client keeps to may still be too much in all: fifty
 * clients at their rates filled a core. While the event loop is busy for more than `pressedUtilization` of the time, what
 * clients ask for counts `pressedCost` times against their rates, so that those who ask for much wait. A client that reads
 * an answer asks for next to nothing, and does not notice.
 */
export class Pressure {
  readonly #report: (utilization: number) => void
  #last: EventLoopUtilization = performance.eventLoopUtilization()
  #lastReportMs = Number.NEGATIVE_INFINITY
  #isHigh = false
  #timer: NodeJS.Timeout | undefined

  /** `report` is called when the node is busy, at most once in `pressureReportMs`. */
  constructor(report: (utilization: number) => void) {
    this.#report = report
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), pressureLookMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** How many times a request counts. */
  readonly costFactor = (): number => (this.#isHigh ? pressedCost : 1)

  #look(): void {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#last)
    this.#last = now
    this.#isHigh = utilization > pressedUtilization
    if (!this.#isHigh || performance.now() - this.#lastReportMs < pressureReportMs) return
    this.#lastReportMs = performance.now()
    this.#report(utilization)
  }
}
