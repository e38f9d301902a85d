/** Tables of a page. They scroll inside themselves where they are wider than the screen. */
import { type Measured, type MeasureName, measures } from '../../result.ts'
import { type Change, compareFigures, compareMeasures, measureNames, statisticNames, statistics } from '../compare.ts'
import { formatCount, formatMs } from '../figures.ts'
import { type Content, type Markup, markup } from '../markup.ts'
import { formatDifference, formatRatio } from '../text-comparison.ts'
import { isPair, type RunPair, type Runs } from './runs.ts'

/**
 * @param label what the table is, for who cannot see it
 * @param isWide whether it takes all the width there is; default: what its words need
 */
export function scrollingTable(label: string, rows: Content, isWide = false): Markup {
  return markup`<div class="scroll${isWide ? ' wide' : ''}" role="region" aria-label="${label}" tabindex="0"><table>${rows}</table></div>
`
}

/** Each measure with its formula and its numbers; of two runs both, and the change. */
export function measureTable(runs: Runs): Markup {
  const titles = ['count', ...Object.values(statistics)].map((title) => markup`<th scope="col">${title}</th>`)
  const corner = runs.before === undefined ? undefined : markup`<th scope="col">run</th>`
  const bodies = measureNames.map((name) => measureRows(name, runs))
  return scrollingTable('Measures', markup`<thead><tr>${corner}${titles}</tr></thead>${bodies}`, true)
}

function measureRows(name: MeasureName, runs: Runs): Content {
  const [after, before] = [runs.after.measures[name], runs.before?.measures[name]]
  if (after === undefined && before === undefined) return undefined
  const columns = statisticNames.length + 1 + (runs.before === undefined ? 0 : 1)
  const { name: title, formula } = measures[name]
  const head = markup`<tr class="measure"><th scope="rowgroup" colspan="${columns}"><span>${title} <small>= ${formula}</small></span></th></tr>`
  const values = runs.before === undefined ? [valueRow(after)] : [valueRow(before, 'before'), valueRow(after, 'after')]
  return markup`<tbody>${head}${values}${isPair(runs) ? changeRow(name, runs) : undefined}</tbody>
`
}

function valueRow(found: Measured | undefined, run?: string): Markup {
  const cells = statisticNames.map(
    (statistic) => markup`<td>${found === undefined ? '–' : formatMs(found[statistic])}</td>`,
  )
  const head = run === undefined ? undefined : markup`<th scope="row">${run}</th>`
  return markup`<tr>${head}<td>${found === undefined ? '–' : formatCount(found.count)}</td>${cells}</tr>`
}

function changeRow(name: MeasureName, { before, after }: RunPair): Content {
  const compared = compareMeasures(before, after).find(({ measure }) => measure === name)
  if (compared === undefined) return undefined
  const cells = statisticNames.map((statistic) => {
    const change = compared.statistics.get(statistic)
    return markup`<td>${change === undefined ? undefined : changeCell(change, formatMs)}</td>`
  })
  return markup`<tr class="change"><th scope="row">change</th><td></td>${cells}</tr>`
}

/** Ratio, difference and a word, which does not depend on colours. */
function changeCell(change: Change, format: (value: number) => string): Markup {
  const word = {
    better: markup`<b class="good">▼ better</b>`,
    worse: markup`<b class="bad">▲ worse</b>`,
    same: undefined,
  }
  return markup`${formatRatio(change)}<br><small>${formatDifference(change, format)}</small><br>${word[change.verdict]}`
}

export function figureTable({ before, after }: RunPair): Markup {
  const rows = compareFigures(before, after).map(({ name, format, change }) => {
    const word = { better: markup`<b class="good">better</b>`, worse: markup`<b class="bad">worse</b>`, same: 'same' }[
      change.verdict
    ]
    return markup`<tr><th scope="row">${name}</th><td>${format(change.before)}</td><td>${format(change.after)}</td><td>${formatRatio(change)}</td><td>${formatDifference(change, format)}</td><td>${word}</td></tr>`
  })
  const titles = ['figure', 'before', 'after', 'ratio', 'difference', 'verdict'].map(
    (title) => markup`<th scope="col">${title}</th>`,
  )
  return scrollingTable('Both runs in figures', markup`<thead><tr>${titles}</tr></thead><tbody>${rows}</tbody>`)
}
