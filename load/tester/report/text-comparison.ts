/** Two runs beside each other, as plain text. */
import { measures, type RunResult } from '../result.ts'
import {
  type Change,
  compareFigures,
  compareMeasures,
  differingOptions,
  statisticNames,
  statistics,
  thresholdText,
} from './compare.ts'
import { formatMs, formatShare, formatSignedMs, formatTime, printable, signOf } from './figures.ts'
import { joinSections } from './text.ts'
import { textTable } from './text-table.ts'
import { verdictOf } from './verdict.ts'

/** Each figure of both runs with its ratio, and what got better or worse. Lines that end in a newline. */
export function textComparison(before: RunResult, after: RunResult): string {
  return joinSections([
    [`Before: ${runText(before)}`, `After:  ${runText(after)}`],
    optionLines(before, after),
    figureLines(before, after),
    ...compareMeasures(before, after).map(({ measure, statistics: changes }) => [
      `${measures[measure].name} = ${measures[measure].formula}`,
      ...changeTable(
        statisticNames.flatMap((name) => {
          const change = changes.get(name)
          return change === undefined ? [] : [{ name: statistics[name], change, format: formatMs }]
        }),
      ),
    ]),
    [thresholdText],
  ])
}

/** `×0.82`; `new` when there was nothing before. */
export function formatRatio({ ratio, after }: Change): string {
  if (ratio !== undefined) return `×${ratio.toFixed(2)}`
  return after === 0 ? '' : 'new'
}

/** The difference with its sign, in the figure's own format. */
export function formatDifference({ difference }: Change, format: (value: number) => string): string {
  if (format === formatMs) return formatSignedMs(difference)
  if (format === formatShare) return `${signOf(difference)}${(Math.abs(difference) * 100).toFixed(2)} points`
  return `${signOf(difference)}${format(Math.abs(difference))}`
}

interface Row {
  readonly name: string
  readonly format: (value: number) => string
  readonly change: Change
}

function changeTable(rows: readonly Row[]): string[] {
  const cells = rows.map(({ name, format, change }) => [
    name,
    format(change.before),
    format(change.after),
    formatRatio(change),
    formatDifference(change, format),
    { better: 'better', worse: 'WORSE', same: '' }[change.verdict],
  ])
  return textTable(['', 'before', 'after', 'ratio', 'difference', ''], cells)
}

function figureLines(before: RunResult, after: RunResult): string[] {
  return ['The whole', ...changeTable(compareFigures(before, after))]
}

function runText(run: RunResult): string {
  const { exitCode, reason } = verdictOf(run)
  const limit = run.driver.isLimit ? '; THE TESTER ITSELF WAS THE LIMIT' : ''
  return `${printable(run.name)}, ${formatTime(run.startedMs)}; exit code ${exitCode}: ${reason}${limit}`
}

function optionLines(before: RunResult, after: RunResult): string[] {
  const differing = differingOptions(before, after).map((option) => {
    return `  ${printable(option.name)}: ${printable(option.before ?? '(none)')} → ${printable(option.after ?? '(none)')}`
  })
  return differing.length === 0 ? [] : ['The runs were asked for different things', ...differing]
}
