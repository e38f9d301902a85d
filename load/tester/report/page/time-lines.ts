/** The series of a run, or of two, as charts over time. */
import type { RunResult, SeriesPoint } from '../../result.ts'
import { type TimeChart, type TimeLine, timeLines } from '../charts/time-line.ts'
import { formatBytes, formatCount, formatMs, formatRate } from '../figures.ts'
import { MAX_TIME_LINE_POINTS } from '../limits.ts'
import type { Markup } from '../markup.ts'
import { sumsOf } from '../tally.ts'
import type { Runs } from './runs.ts'

/** One interval, or several put together. */
interface Interval {
  readonly point: SeriesPoint
  readonly lengthMs: number
}

interface LineKind {
  readonly name: string
  readonly of: (interval: Interval) => number | undefined
}

interface ChartKind {
  readonly title: string
  readonly format: TimeChart['format']
  readonly atLeast?: number
  /** One or two: so many colours can be told apart by their lightness. */
  readonly lines: readonly LineKind[]
}

const rateOf = (key: 'questions' | 'completed' | 'failed' | 'deltas' | 'bytes' | 'killed' | 'resumed') => {
  return ({ point, lengthMs }: Interval) => (point[key] * 1000) / lengthMs
}

const charts: readonly ChartKind[] = [
  {
    title: 'Sockets and streams',
    format: formatCount,
    atLeast: 4,
    lines: [
      { name: 'sockets', of: ({ point }) => point.sockets },
      { name: 'streams', of: ({ point }) => point.streams },
    ],
  },
  {
    title: 'Questions, each second',
    format: formatRate,
    lines: [
      { name: 'asked', of: rateOf('questions') },
      { name: 'completed', of: rateOf('completed') },
    ],
  },
  {
    title: 'Failed and wrong answers, each second',
    format: formatRate,
    lines: [
      { name: 'failed', of: rateOf('failed') },
      { name: 'wrong', of: ({ point, lengthMs }) => (point.faults * 1000) / lengthMs },
    ],
  },
  {
    title: 'Time to first token',
    format: formatMs,
    lines: [
      { name: 'p50', of: ({ point }) => point.ttftP50Ms },
      { name: 'p99', of: ({ point }) => point.ttftP99Ms },
    ],
  },
  { title: 'Gap between deltas, p99', format: formatMs, lines: [{ name: 'p99', of: ({ point }) => point.gapP99Ms }] },
  {
    title: 'Sockets killed and resumed, each second',
    format: formatRate,
    lines: [
      { name: 'killed', of: rateOf('killed') },
      { name: 'resumed', of: rateOf('resumed') },
    ],
  },
  { title: 'Deltas, each second', format: formatRate, lines: [{ name: 'deltas', of: rateOf('deltas') }] },
  { title: 'Bytes received, each second', format: formatBytes, lines: [{ name: 'bytes', of: rateOf('bytes') }] },
]

export function timeLineCharts({ after, before }: Runs): Markup[] {
  const intervals = { after: intervalsOf(after), before: before === undefined ? undefined : intervalsOf(before) }
  return charts.map(({ lines, ...chart }) => {
    const now = lines.map((line, index) =>
      drawnLine(line, index, intervals.after, before === undefined ? undefined : 'after'),
    )
    const earlier = intervals.before ?? []
    const then = before === undefined ? [] : lines.map((line, index) => drawnLine(line, index, earlier, 'before'))
    return timeLines({ ...chart, lines: [...now, ...then] })
  })
}

function drawnLine(
  { name, of }: LineKind,
  index: number,
  intervals: readonly Interval[],
  run?: 'before' | 'after',
): TimeLine {
  const values = intervals.map((interval) => ({ atMs: interval.point.atMs, value: of(interval) }))
  const look = { color: index === 0 ? 1 : 2, isBefore: run === 'before' } as const
  return { name: run === undefined ? name : `${name}, ${run}`, look, values }
}

/** At most so many that a chart can show them. */
function intervalsOf({ series }: RunResult): Interval[] {
  const intervals = series.points.map((point, index) => {
    const previous = series.points[index - 1]
    return { point, lengthMs: Math.max(1, previous === undefined ? series.intervalMs : point.atMs - previous.atMs) }
  })
  const each = Math.max(1, Math.ceil(intervals.length / MAX_TIME_LINE_POINTS))
  return Array.from({ length: Math.ceil(intervals.length / each) }, (_, index) => {
    return intervals.slice(index * each, (index + 1) * each).reduce(together)
  })
}

/** Counts are added; of percentiles, which cannot be, the worst is kept. */
function together(one: Interval, other: Interval): Interval {
  const worst = (key: 'ttftP50Ms' | 'ttftP99Ms' | 'gapP99Ms') => {
    const known = [one.point[key], other.point[key]].filter((ms) => ms !== undefined)
    return known.length === 0 ? {} : { [key]: Math.max(...known) }
  }
  const point = {
    ...other.point,
    ...sumsOf(one.point, other.point),
    ...worst('ttftP50Ms'),
    ...worst('ttftP99Ms'),
    ...worst('gapP99Ms'),
  }
  return { point, lengthMs: one.lengthMs + other.lengthMs }
}
