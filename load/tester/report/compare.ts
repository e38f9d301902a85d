/** What changed from one run to another. Pure; the text and the page show the same. */
import { type Measured, type MeasureName, measures, type RunResult } from '../result.ts'
import { formatCount, formatMs, formatRate, formatShare } from './figures.ts'
import { SAME_MS, SAME_RATIO, SAME_SHARE } from './limits.ts'
import { faultCount } from './verdict.ts'

export type Verdict = 'better' | 'worse' | 'same'

/** `lower`, `higher`: which of the two is better; `neither`: the figure says nothing about the server. */
type Direction = 'lower' | 'higher' | 'neither'

export interface Change {
  readonly before: number
  readonly after: number
  readonly difference: number
  /** After ÷ before; absent when before is 0. */
  readonly ratio: number | undefined
  readonly verdict: Verdict
}

/** A change that is smaller in one of them is none. */
interface Threshold {
  /** Of the figure before. */
  readonly ratio: number
  /** In the figure's own unit. */
  readonly difference: number
}

export interface ComparedFigure {
  readonly name: string
  readonly format: (value: number) => string
  readonly change: Change
}

export interface ComparedMeasure {
  readonly measure: MeasureName
  readonly statistics: ReadonlyMap<Statistic, Change>
}

export interface ComparedOption {
  readonly name: string
  /** Absent when the run had none. */
  readonly before: string | undefined
  readonly after: string | undefined
}

/** The numbers of a measure in the order of their columns. */
export const statistics = {
  meanMs: 'mean',
  minMs: 'min',
  p50Ms: 'p50',
  p90Ms: 'p90',
  p95Ms: 'p95',
  p99Ms: 'p99',
  p999Ms: 'p99.9',
  maxMs: 'max',
} as const satisfies Partial<Record<keyof Measured, string>>

export type Statistic = keyof typeof statistics

// The keys of a literal are known; Object.keys() does not say so.
export const statisticNames = Object.keys(statistics) as readonly Statistic[]
export const measureNames = Object.keys(measures) as readonly MeasureName[]

export const thresholdText = `A change of less than ${formatShare(SAME_RATIO)} counts as none; so does one of a time by less than ${formatMs(SAME_MS)}, and of a share by less than ${SAME_SHARE * 100} point. The least and the greatest are not judged; wrong answers count from the first.`

/** The least and the greatest are one value each: they differ between any two runs. */
const directions: Partial<Readonly<Record<Statistic, Direction>>> = { minMs: 'neither', maxMs: 'neither' }

const times: Threshold = { ratio: SAME_RATIO, difference: SAME_MS }
const amounts: Threshold = { ratio: SAME_RATIO, difference: 0 }
/** From 99.5 % to 98.4 % is much, though the ratio is near 1. */
const shares: Threshold = { ratio: 0, difference: SAME_SHARE }
const none: Threshold = { ratio: 0, difference: 0 }

export function changeOf(before: number, after: number, direction: Direction, threshold: Threshold): Change {
  const difference = after - before
  const ratio = before === 0 ? undefined : after / before
  const size = Math.abs(difference)
  const isSame = size === 0 || size < threshold.difference || size < threshold.ratio * before
  const isBetter = direction === 'lower' ? difference < 0 : difference > 0
  const verdict = isSame || direction === 'neither' ? 'same' : isBetter ? 'better' : 'worse'
  return { before, after, difference, ratio, verdict }
}

/** Those that both runs have. */
export function compareMeasures(before: RunResult, after: RunResult): ComparedMeasure[] {
  return measureNames.flatMap((measure) => {
    const [one, other] = [before.measures[measure], after.measures[measure]]
    if (one === undefined || other === undefined) return []
    const changes = statisticNames.map((name) => {
      return [name, changeOf(one[name], other[name], directions[name] ?? 'lower', times)] as const
    })
    return [{ measure, statistics: new Map(changes) }]
  })
}

/** What is told of a run in one number each, in both runs. */
export function compareFigures(before: RunResult, after: RunResult): ComparedFigure[] {
  const compared = figures.map(({ name, of, format, direction, threshold }) => {
    return { name, format, change: changeOf(of(before), of(after), direction, threshold) }
  })
  return compared.filter(({ change }) => change.before !== 0 || change.after !== 0)
}

/** What was asked of the two runs differently, and where: figures of unlike runs say little. */
export function differingOptions(before: RunResult, after: RunResult): ComparedOption[] {
  const [one, other] = [optionsOf(before), optionsOf(after)]
  return [...new Set([...one.keys(), ...other.keys()])]
    .map((name) => ({ name, before: one.get(name), after: other.get(name) }))
    .filter((option) => option.before !== option.after)
}

function optionsOf({ options, machine }: RunResult): Map<string, string> {
  const { cpu, cores, node } = machine
  return new Map<string, string>([
    ...Object.entries(options).map(([name, value]) => [name, String(value)] as const),
    ['machine', `${cores} × ${cpu}, node ${node}`],
  ])
}

interface Figure {
  readonly name: string
  readonly of: (run: RunResult) => number
  readonly format: (value: number) => string
  readonly direction: Direction
  readonly threshold: Threshold
}

const perSecond = (count: number, { durationMs }: RunResult) => (count * 1000) / Math.max(1, durationMs)
const ofQuestions = (count: number, { counts }: RunResult) => count / Math.max(1, counts.questions)
const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)
const formatPerSecond = (value: number) => `${formatRate(value)}/s`

const figures: readonly Figure[] = [
  share('Goodput', 'higher', ({ goodput }) => goodput.share),
  rate('Goodput a second', 'higher', ({ goodput }) => goodput.perSecond),
  rate('Completed a second', 'higher', (run) => perSecond(run.counts.completed, run)),
  share('Failed, of all questions', 'lower', (run) => ofQuestions(run.counts.failed, run)),
  share('Unfinished, of all questions', 'lower', (run) => ofQuestions(run.counts.unfinished, run)),
  {
    name: 'Wrong answers',
    of: faultCount,
    format: formatCount,
    direction: 'lower',
    threshold: none,
  },
  share('Refusals, of all questions', 'lower', (run) => ofQuestions(sum(Object.values(run.refusals)), run)),
  share('Lost, of all sockets', 'lower', ({ counts }) => counts.lost / Math.max(1, counts.sockets)),
  rate('Output tokens a second', 'higher', (run) => perSecond(run.counts.outputTokens, run)),
  rate('Questions a second', 'neither', (run) => perSecond(run.counts.questions, run)),
  rate('Resumed a second', 'neither', (run) => perSecond(run.counts.resumed, run)),
]

function share(name: string, direction: Direction, of: Figure['of']): Figure {
  return { name, of, format: formatShare, direction, threshold: shares }
}

function rate(name: string, direction: Direction, of: Figure['of']): Figure {
  return { name, of, format: formatPerSecond, direction, threshold: amounts }
}
