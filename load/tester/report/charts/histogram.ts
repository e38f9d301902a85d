/** How many of the values took how long, as bars; a second run is drawn as an outline over them. */
import { countOf, type Distribution } from '../../distribution.ts'
import { formatMs, formatShare } from '../figures.ts'
import { HISTOGRAM_BARS } from '../limits.ts'
import { type Markup, markup } from '../markup.ts'
import { type Axis, linearAxis, logAxis, spanAxis } from './axis.ts'
import type { NamedDistribution } from './percentile-curve.ts'
import { classOf, placeX, placeY, plotBottom, plotFigure } from './plot.ts'

/** The share of all values in each bar, from the left to the right. */
type Bars = readonly number[]

/** Times that reach over more than this factor are drawn on a logarithmic axis. */
const logFactor = 8
/** The least that a logarithmic axis begins with, in milliseconds: 0 has no place on it. */
const leastLogMs = 0.001

export function histogramBars(name: string, all: readonly NamedDistribution[]): Markup {
  const x = timesAxis(all.map(({ distribution }) => distribution))
  const drawn = all.map((one) => ({ ...one, bars: barsOf(one.distribution, x) }))
  const greatest = Math.max(...drawn.flatMap(({ bars }) => bars))
  const y = linearAxis(greatest, formatShare)
  const isEmpty = all.every(({ distribution }) => distribution.length === 0)
  return plotFigure({
    title: `${name}: distribution`,
    description: drawn
      .map(({ name: run, bars }) => `${run}: at most ${formatShare(Math.max(...bars))} in a bar`)
      .join('. '),
    xTitle: 'time; height: share of all values',
    x,
    y,
    legend: all,
    marks: isEmpty
      ? []
      : drawn.map(({ bars, look }) =>
          look.isBefore ? outline(bars, y, classOf(look)) : filled(bars, y, classOf(look)),
        ),
  })
}

function timesAxis(distributions: readonly Distribution[]): Axis {
  const ends = distributions.flatMap((distribution) => [distribution[0], distribution.at(-1)])
  const known = ends.filter((step) => step !== undefined)
  if (known.length === 0) return spanAxis(0, 1, formatMs)
  const least = Math.min(...known.map(({ fromMs }) => fromMs))
  const greatest = Math.max(...known.map(({ toMs }) => toMs))
  if (greatest > logFactor * least)
    return logAxis(Math.max(leastLogMs, least), Math.max(leastLogMs * 10, greatest), formatMs)
  // One value alone stands in the middle.
  const margin = greatest - least < 0.01 * greatest ? 0.05 * greatest : 0
  return spanAxis(least - margin, greatest + margin, formatMs)
}

function barsOf(distribution: Distribution, x: Axis): Bars {
  const counts = Array.from({ length: HISTOGRAM_BARS }, () => 0)
  for (const { fromMs, toMs, count } of distribution) {
    const bar = Math.min(HISTOGRAM_BARS - 1, Math.floor(x.place((fromMs + toMs) / 2) * HISTOGRAM_BARS))
    counts[bar] = (counts[bar] ?? 0) + count
  }
  const total = Math.max(1, countOf(distribution))
  return counts.map((count) => count / total)
}

/** Bars divide the axis evenly, so their edges are places on an axis from 0 to 1. */
const edges: Axis = { place: (share) => share, ticks: [] }
const edgeAt = (bar: number) => placeX(edges, bar / HISTOGRAM_BARS)

function filled(bars: Bars, y: Axis, look: string): Markup {
  const boxes = bars.map((share, bar) => {
    return share === 0 ? '' : `M${edgeAt(bar)} ${plotBottom}V${placeY(y, share)}H${edgeAt(bar + 1) - 1}V${plotBottom}Z`
  })
  return markup`<path class="bars ${look}" d="${boxes.join('')}"/>`
}

function outline(bars: Bars, y: Axis, look: string): Markup {
  const steps = bars.map((share, bar) => `V${placeY(y, share)}H${edgeAt(bar + 1)}`)
  return markup`<path class="line ${look}" d="M${edgeAt(0)} ${plotBottom}${steps.join('')}V${plotBottom}"/>`
}
