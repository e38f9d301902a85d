import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How one worker fared. */
export interface WorkerState {
  /** By how much its event loop was late, above the timer's own resolution. */
  readonly loopDelayP99Ms: number
  /** CPU that it used, of one processor; 0 for a run of less than half a second. */
  readonly cpuShare: number
  /** Sessions waited since it had as many sockets as it may. */
  readonly isFull: boolean
}

const resolutionMs = 5
const leastMs = 500

/** Watches this process from now until what it answers is called. */
export function watchSelf(): (isFull: boolean) => WorkerState {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  const startedMs = performance.now()
  const before = process.cpuUsage()
  return (isFull) => {
    delay.disable()
    const { user, system } = process.cpuUsage(before)
    const elapsedMs = Math.max(1, performance.now() - startedMs)
    const loopDelayP99Ms = delay.count === 0 ? 0 : Math.max(0, delay.percentile(99) / 1e6 - resolutionMs)
    // Of less than that it would be the process's own start that is measured.
    const cpuShare = elapsedMs < leastMs ? 0 : (user + system) / 1_000 / elapsedMs
    return { loopDelayP99Ms, cpuShare, isFull }
  }
}

/** From here on what is measured is the tester as much as the gateway. */
const delayMaxMs = 10
const cpuShareMax = 0.9

/** Why the workers, and not the gateway, were the limit; empty if they were not. */
export function whyLimit(states: readonly WorkerState[]): string {
  const late = states.filter(({ loopDelayP99Ms }) => loopDelayP99Ms > delayMaxMs)
  const busy = states.filter(({ cpuShare }) => cpuShare > cpuShareMax)
  const full = states.filter(({ isFull }) => isFull)
  const worst = Math.max(0, ...late.map(({ loopDelayP99Ms }) => loopDelayP99Ms))
  return [
    late.length > 0 && `the event loop of ${of(late, states)} was late by up to ${worst.toFixed(0)} ms (p99)`,
    busy.length > 0 && `${of(busy, states)} used more than ${100 * cpuShareMax} % of a processor`,
    full.length > 0 && `${of(full, states)} had as many sockets as a worker may have, so that sessions began late`,
  ]
    .filter((reason) => reason !== false)
    .concat(late.length + busy.length + full.length > 0 ? ['give more --workers, or more machines'] : [])
    .join('; ')
}

function of(some: readonly WorkerState[], all: readonly WorkerState[]): string {
  return `${some.length} of ${all.length} workers`
}
