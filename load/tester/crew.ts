import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { dialAheadMs, workerEndMaxMs, workerReadyMaxMs } from './bounds.ts'
import { Gathering } from './gathering.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import type { RunPlan } from './plan.ts'
import type { RunResult, SeriesPoint } from './result.ts'

export interface CrewOptions {
  /** As on the command line, for the result. */
  readonly options: RunResult['options']
  /** Each interval, when all workers have told of it. */
  point(point: SeriesPoint): void
  /** A worker was lost: what to tell the operator at once. */
  warn(message: string): void
}

export interface Crew {
  /** @throws when not all workers came up. */
  readonly result: Promise<RunResult>
  /** Asks nothing more and tells what there is. */
  stop(): void
  /** By their process ids, of those that still run. */
  readonly pids: readonly number[]
}

/**
 * Runs a plan with its workers. Each takes every nth session, tells what it measured at each interval, and ends with this
 * process. One that dies is a fault: what it had told counts, what it did not is missing, and the others go on.
 */
export function startCrew(plan: RunPlan, options: CrewOptions): Crew {
  const leader = new Leader(plan, options)
  return {
    result: leader.run(),
    stop: () => leader.stop('signal'),
    get pids() {
      return leader.pids
    },
  }
}

const workerFile = join(import.meta.dirname, 'worker', 'main.ts')

class Leader {
  readonly #plan: RunPlan
  readonly #options: CrewOptions
  readonly #gathering: Gathering
  readonly #children: readonly ChildProcess[]
  #stoppedBy: RunResult['stoppedBy'] = 'end'
  #killing: NodeJS.Timeout | undefined
  #isStarted = false

  constructor(plan: RunPlan, options: CrewOptions) {
    this.#plan = plan
    this.#options = options
    this.#gathering = new Gathering(plan, (point) => options.point(point))
    this.#children = Array.from({ length: plan.workers }, () => fork(workerFile))
  }

  get pids(): readonly number[] {
    return this.#children.flatMap(({ pid, exitCode }) => (pid === undefined || exitCode !== null ? [] : [pid]))
  }

  async run(): Promise<RunResult> {
    const { name } = this.#plan
    try {
      await Promise.all(this.#children.map(ready))
      // Who has to dial ahead of the first question gets the time for it.
      const startedMs = Date.now() + (this.#plan.arrivals === 'open' ? dialAheadMs : 0)
      const working = this.#children.map((child, worker) => this.#oneWorker(child, worker, startedMs))
      this.#isStarted = true
      if (this.#stoppedBy !== 'end') this.#stopAll()
      await Promise.all(working)
      const durationMs = Math.max(0, Date.now() - startedMs)
      const run = { name, startedMs, durationMs, stoppedBy: this.#stoppedBy, options: this.#options.options }
      return this.#gathering.result(run, this.#plan)
    } finally {
      clearTimeout(this.#killing)
      for (const child of this.#children) if (child.connected) child.disconnect()
    }
  }

  stop(by: 'signal' | 'faults'): void {
    if (this.#stoppedBy !== 'end') return
    this.#stoppedBy = by
    // Who is asked to stop before it began would be one that did not start.
    if (this.#isStarted) this.#stopAll()
  }

  #stopAll(): void {
    for (const child of this.#children) say(child, { type: 'stop' })
    this.#killing = setTimeout(() => {
      for (const child of this.#children) child.kill('SIGKILL')
    }, workerEndMaxMs)
  }

  /** Resolves when it has said its last word, or is gone. */
  #oneWorker(child: ChildProcess, worker: number, startsAtMs: number): Promise<void> {
    return new Promise((resolve) => {
      const lost = (reason: string) => {
        const message = `worker ${worker + 1} ${reason}: what it had not told yet is missing`
        this.#options.warn(message)
        this.#gathering.fault('worker', 1, [message])
      }
      const exited = (code: number | null, signal: string | null) => {
        lost(`ended with ${signal ?? code}`)
        this.#gathering.over(worker)
        resolve()
      }
      // Gone since it was ready.
      if (child.exitCode !== null || child.signalCode !== null) return exited(child.exitCode, child.signalCode)
      child.once('exit', exited)
      // The channel's other end is `worker/main.ts`.
      child.on('message', (message: FromWorker) => {
        if (message.type === 'ready') return
        this.#gathering.add(worker, message.interval)
        if (this.#gathering.faultCount >= this.#plan.faultsMax) this.stop('faults')
        if (message.type !== 'done') return
        child.off('exit', exited)
        if (message.problem !== undefined) lost(`gave up (${message.problem})`)
        this.#gathering.over(worker, message.state)
        resolve()
      })
      say(child, { type: 'start', plan: this.#plan, worker, startsAtMs })
    })
  }
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = () => reject(new Error('unable to load: a worker process did not start'))
    const late = setTimeout(failed, workerReadyMaxMs)
    child.once('error', failed)
    child.once('exit', failed)
    child.once('message', () => {
      clearTimeout(late)
      child.off('exit', failed)
      resolve()
    })
  })
}

function say(child: ChildProcess, message: ToWorker): void {
  // One that is gone is noticed by its exit.
  if (child.connected) child.send(message, () => undefined)
}
