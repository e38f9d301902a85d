import { cpus } from 'node:os'
import { faultExamplesMax, pointsMax } from './bounds.ts'
import { Measures } from './measures.ts'
import type { RunPlan } from './plan.ts'
import type { RunResult, SeriesPoint } from './result.ts'
import { type WorkerState, whyLimit } from './self-watch.ts'
import { judgeSlos, parseSlo } from './slo.ts'
import { type Counts, type Interval, noCounts } from './tally.ts'

/** An interval that some worker has not told of yet. */
interface OpenPoint {
  readonly counts: Counts
  readonly measures: Measures
  faultCount: number
}

interface WorkerView {
  lastIndex: number
  sockets: number
  streams: number
  isOver: boolean
}

/** What all workers told, added up: the totals, and the series, whose points close when every worker has told of them. */
export class Gathering {
  readonly #counts = noCounts()
  readonly #measures = new Measures()
  readonly #refusals: Record<string, number> = {}
  readonly #failures: Record<string, number> = {}
  readonly #faults = new Map<string, { count: number; examples: string[] }>()
  readonly #workers: readonly WorkerView[]
  readonly #open = new Map<number, OpenPoint>()
  readonly #points: SeriesPoint[] = []
  readonly #states: WorkerState[] = []
  readonly #intervalMs: number
  readonly #closed: (point: SeriesPoint) => void

  /** `closed`: called with each point, in order. */
  constructor({ workers, intervalMs }: RunPlan, closed: (point: SeriesPoint) => void) {
    this.#intervalMs = intervalMs
    this.#closed = closed
    this.#workers = Array.from({ length: workers }, () => ({ lastIndex: -1, sockets: 0, streams: 0, isOver: false }))
  }

  get faultCount(): number {
    return [...this.#faults.values()].reduce((sum, { count }) => sum + count, 0)
  }

  add(worker: number, interval: Interval): void {
    const { counts, measures, refusals, failures, faults, sockets, streams } = interval
    const index = Math.min(interval.index, pointsMax - 1)
    const view = this.#workers[worker]
    if (view !== undefined) Object.assign(view, { lastIndex: Math.max(view.lastIndex, index), sockets, streams })
    const point = this.#openPoint(index)
    for (const into of [this.#counts, point.counts]) addUp(into, counts)
    this.#measures.add(measures)
    point.measures.add(measures)
    addUp(this.#refusals, refusals)
    addUp(this.#failures, failures)
    for (const [check, { count, examples }] of Object.entries(faults)) {
      point.faultCount += count
      this.fault(check, count, examples)
    }
    this.#closePoints()
  }

  fault(check: string, count: number, examples: readonly string[]): void {
    const known = this.#faults.get(check) ?? { count: 0, examples: [] }
    this.#faults.set(check, known)
    known.count += count
    known.examples.push(...examples.slice(0, faultExamplesMax - known.examples.length))
  }

  /** The worker says nothing more. `state` is absent when it was lost. */
  over(worker: number, state?: WorkerState): void {
    const view = this.#workers[worker]
    if (view !== undefined) Object.assign(view, { isOver: true, sockets: 0, streams: 0 })
    if (state !== undefined) this.#states.push(state)
    this.#closePoints()
  }

  result(
    run: Pick<RunResult, 'name' | 'startedMs' | 'durationMs' | 'stoppedBy' | 'options'>,
    plan: RunPlan,
  ): RunResult {
    const { kept, ...counts } = this.#counts
    const { questions, completed, failed, cancelled } = counts
    const measured = this.#measures.measured()
    const why = whyLimit(this.#states)
    return {
      version: 1,
      ...run,
      machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version },
      counts: { ...counts, unfinished: Math.max(0, questions - completed - failed - cancelled) },
      refusals: this.#refusals,
      failures: this.#failures,
      faults: [...this.#faults].map(([check, fault]) => ({ check, ...fault })),
      measures: measured,
      series: { intervalMs: this.#intervalMs, points: this.#points },
      slos: judgeSlos(plan.slos.map(parseSlo), measured),
      goodput: {
        // What the plan itself cancelled was not to be completed.
        share: kept / Math.max(1, questions - cancelled),
        perSecond: (1_000 * kept) / Math.max(1, run.durationMs),
      },
      driver: {
        workers: plan.workers,
        loopDelayP99Ms: Math.max(0, ...this.#states.map(({ loopDelayP99Ms }) => loopDelayP99Ms)),
        cpuShares: this.#states.map(({ cpuShare }) => cpuShare),
        isLimit: why !== '',
        why,
      },
    }
  }

  #openPoint(index: number): OpenPoint {
    // A worker that told late of an interval that is closed: it counts in the next one.
    const place = Math.max(index, this.#points.length)
    const known = this.#open.get(place) ?? { counts: noCounts(), measures: new Measures(), faultCount: 0 }
    this.#open.set(place, known)
    return known
  }

  #closePoints(): void {
    const running = this.#workers.filter(({ isOver }) => !isOver)
    const last =
      running.length === 0 ? Math.max(-1, ...this.#open.keys()) : Math.min(...running.map((worker) => worker.lastIndex))
    while (this.#points.length <= last) {
      const point = this.#pointOf(this.#points.length)
      this.#points.push(point)
      this.#closed(point)
    }
  }

  #pointOf(index: number): SeriesPoint {
    const { counts, measures, faultCount } = this.#openPoint(index)
    this.#open.delete(index)
    const { questions, completed, failed, deltas, bytes, killed, resumed } = counts
    const sum = (name: 'sockets' | 'streams') => this.#workers.reduce((total, worker) => total + worker[name], 0)
    const ttftP50Ms = measures.percentileMs('ttft', 50)
    const ttftP99Ms = measures.percentileMs('ttft', 99)
    const gapP99Ms = measures.percentileMs('gap', 99)
    return {
      atMs: (index + 1) * this.#intervalMs,
      sockets: sum('sockets'),
      streams: sum('streams'),
      questions,
      completed,
      failed,
      deltas,
      bytes,
      killed,
      resumed,
      faults: faultCount,
      ...(ttftP50Ms !== undefined && { ttftP50Ms }),
      ...(ttftP99Ms !== undefined && { ttftP99Ms }),
      ...(gapP99Ms !== undefined && { gapP99Ms }),
    }
  }
}

function addUp(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(from)) into[name] = (into[name] ?? 0) + count
}
