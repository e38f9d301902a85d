/** Each measure as a percentile curve and as bars. */
import { readDistribution } from '../../distribution.ts'
import { type MeasureName, measures, type RunResult } from '../../result.ts'
import { parseSlo } from '../../slo.ts'
import { histogramBars } from '../charts/histogram.ts'
import { type LimitLine, type NamedDistribution, percentileCurves } from '../charts/percentile-curve.ts'
import { type Markup, markup } from '../markup.ts'
import type { Runs } from './runs.ts'

const shown = ['ttft', 'gap', 'tpot', 'e2e', 'resume'] as const satisfies readonly MeasureName[]

/** All curves, then all bars. */
export function distributionCharts({ after, before }: Runs): Markup {
  const limits = limitsOf(after)
  const charts = shown.map((measure) => {
    const earlier = before === undefined ? [] : [named(before, measure, 'before')]
    const all = [named(after, measure, before === undefined ? 'this run' : 'after'), ...earlier]
    const { name } = measures[measure]
    const own = limits.filter((limit) => limit.measure === measure)
    return { curves: percentileCurves(name, all, own), bars: histogramBars(name, all) }
  })
  return markup`<div class="charts">${charts.map(({ curves }) => curves)}</div><h3>How many took how long</h3>
<div class="charts">${charts.map(({ bars }) => bars)}</div>`
}

/** Without values where nothing was measured. */
function named(run: RunResult, measure: MeasureName, name: string): NamedDistribution {
  const found = run.measures[measure]
  const isBefore = name === 'before'
  const look = { color: isBefore ? 2 : 1, isBefore } as const
  return { name, look, distribution: found === undefined ? [] : readDistribution(found.histogram) }
}

type MeasureLimit = LimitLine & { readonly measure: MeasureName }

/** A result can be of another version of the tester, whose SLOs are read differently: they have no line then. */
function limitsOf({ slos }: RunResult): MeasureLimit[] {
  return slos.flatMap(({ text }) => {
    try {
      return [parseSlo(text)]
    } catch {
      return []
    }
  })
}
