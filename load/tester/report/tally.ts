import type { SeriesPoint } from '../result.ts'

const counted = ['questions', 'completed', 'failed', 'deltas', 'bytes', 'killed', 'resumed', 'faults'] as const

export type Sums = Readonly<Record<(typeof counted)[number], number>>

const nothing: Sums = { questions: 0, completed: 0, failed: 0, deltas: 0, bytes: 0, killed: 0, resumed: 0, faults: 0 }

/** What came until the latest point. */
export interface Tally {
  readonly latest: SeriesPoint
  /** Since the run began. */
  readonly totals: Sums
  /** Since what is shown was last begun anew, in `recentMs` of the run. */
  readonly recent: Sums
  readonly recentMs: number
}

export function tallyFrom(first: SeriesPoint): Tally {
  return added({ latest: first, totals: nothing, recent: nothing, recentMs: 0 }, first, first.atMs)
}

export function tallyWith(tally: Tally, point: SeriesPoint): Tally {
  return added(tally, point, point.atMs - tally.latest.atMs)
}

export function begunAnew(tally: Tally): Tally {
  return { ...tally, recent: nothing, recentMs: 0 }
}

export function sumsOf(one: Sums, other: Sums): Sums {
  const sums: Record<(typeof counted)[number], number> = { ...nothing }
  for (const key of counted) sums[key] = one[key] + other[key]
  return sums
}

function added(tally: Tally, point: SeriesPoint, passedMs: number): Tally {
  return {
    latest: point,
    totals: sumsOf(tally.totals, point),
    recent: sumsOf(tally.recent, point),
    recentMs: tally.recentMs + passedMs,
  }
}
