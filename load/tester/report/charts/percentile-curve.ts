/** A distribution as HdrHistogram draws it: time against 1 ÷ (1 − p). A flat line with a step at its end is a tail. */
import { countOf, type Distribution } from '../../distribution.ts'
import { formatMs } from '../figures.ts'
import { MAX_CURVE_POINTS } from '../limits.ts'
import { type Markup, markup } from '../markup.ts'
import { type Axis, linearAxis, percentileAxis } from './axis.ts'
import { classOf, type LegendEntry, pathOf, placeX, placeY, plotFigure, plotLeft, plotRight, plotTop } from './plot.ts'

export interface NamedDistribution extends LegendEntry {
  readonly distribution: Distribution
}

/** A time that an SLO sets. */
export interface LimitLine {
  readonly text: string
  readonly limitMs: number
}

interface CurvePoint {
  /** 1 ÷ (1 − p): of so many values this one is the greatest. */
  readonly rank: number
  readonly ms: number
}

export function percentileCurves(
  name: string,
  all: readonly NamedDistribution[],
  limits: readonly LimitLine[],
): Markup {
  const x = percentileAxis(Math.max(...all.map(({ distribution }) => countOf(distribution))))
  const greatest = Math.max(0, ...all.map(({ distribution }) => distribution.at(-1)?.toMs ?? 0))
  // A limit far above all values would press them to the ground.
  const near = limits.filter(({ limitMs }) => limitMs <= greatest * 2)
  const y = linearAxis(Math.max(greatest, ...near.map(({ limitMs }) => limitMs)), formatMs)
  const isEmpty = all.every(({ distribution }) => distribution.length === 0)
  return plotFigure({
    title: `${name}: percentiles`,
    description: all.map(({ name: run, distribution }) => `${run}: ${described(distribution)}`).join('. '),
    xTitle: 'percentile',
    x,
    y,
    legend: all,
    marks: isEmpty ? [] : [...near.map((limit) => limitMark(limit, y)), ...all.map((one) => curve(one, x, y))],
  })
}

function curve({ distribution, look }: NamedDistribution, x: Axis, y: Axis): Markup {
  const points = curvePoints(distribution, x).map(({ rank, ms }) => [placeX(x, rank), placeY(y, ms)] as const)
  return markup`<path class="line ${classOf(look)}" d="${pathOf([points])}"/>`
}

/** From the least value to the greatest; of those that fall on one spot of the axis, the last. */
function curvePoints(distribution: Distribution, x: Axis): CurvePoint[] {
  const total = countOf(distribution)
  const bySpot = new Map<number, CurvePoint>()
  const [least] = distribution
  if (least !== undefined && total > 1) bySpot.set(-1, { rank: 1, ms: least.fromMs })
  let seen = 0
  for (const { toMs, count } of distribution) {
    seen += count
    const rank = seen === total ? total : total / (total - seen)
    bySpot.set(Math.round(x.place(rank) * MAX_CURVE_POINTS), { rank, ms: toMs })
  }
  return [...bySpot.values()]
}

function limitMark({ text, limitMs }: LimitLine, y: Axis): Markup {
  const at = placeY(y, limitMs)
  return markup`<path class="limit" d="M${plotLeft} ${at}H${plotRight}"/><text class="limit-text" x="${plotLeft + 6}" y="${at < plotTop + 16 ? at + 14 : at - 4}">${text}</text>`
}

function described(distribution: Distribution): string {
  const total = countOf(distribution)
  const [least, greatest] = [distribution[0], distribution.at(-1)]
  if (least === undefined || greatest === undefined) return 'no values'
  return `${total} values from ${formatMs(least.fromMs)} to ${formatMs(greatest.toMs)}; the table of measures has the percentiles`
}
