/** What was counted, and what the run was asked for and ran on. */
import type { RunResult } from '../../result.ts'
import { formatBytes, formatCount, formatMs, formatShare } from '../figures.ts'
import { type Markup, markup } from '../markup.ts'
import type { Runs } from './runs.ts'
import { scrollingTable } from './tables.ts'

type Named = readonly (readonly [name: string, value: string])[]

export function countTable(runs: Runs): Markup {
  return namedTable('Counts', 'number', runs, countsOf)
}

export function detailTable(runs: Runs): Markup {
  return namedTable('The run', 'words', runs, detailsOf)
}

/** One row for each name that either run has. */
function namedTable(
  label: string,
  kind: 'number' | 'words',
  { after, before }: Runs,
  of: (run: RunResult) => Named,
): Markup {
  const columns = [...(before === undefined ? [] : [new Map(of(before))]), new Map(of(after))]
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))]
  const rows = names.map((name) => {
    const cells = columns.map((column) => markup`<td class="${kind}">${column.get(name) ?? '–'}</td>`)
    return markup`<tr><th scope="row">${name}</th>${cells}</tr>`
  })
  const titles = before === undefined ? ['', 'value'] : ['', 'before', 'after']
  const heads = titles.map((title) => (title === '' ? markup`<td></td>` : markup`<th scope="col">${title}</th>`))
  return scrollingTable(label, markup`<thead><tr>${heads}</tr></thead><tbody>${rows}</tbody>`)
}

const countNames = {
  sessions: 'sessions',
  questions: 'questions',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  unfinished: 'without an end when the run was over',
  sockets: 'sockets',
  killed: 'sockets killed by the tester',
  lost: 'sockets lost otherwise',
  resumed: 'resumed',
  resent: 'questions sent again',
  restarted: 'answers begun again',
  deltas: 'deltas',
  frames: 'frames',
  outputTokens: 'output tokens',
} as const satisfies Partial<Record<keyof RunResult['counts'], string>>

function countsOf({ counts }: RunResult): Named {
  // The keys of a literal are known; Object.keys() does not say so.
  const keys = Object.keys(countNames) as (keyof typeof countNames)[]
  return [
    ...keys.map((key) => [countNames[key], formatCount(counts[key])] as const),
    ['received', formatBytes(counts.bytes)],
  ]
}

function detailsOf({ name, machine, driver, options }: RunResult): Named {
  return [
    ['name', name],
    ...Object.entries(options).map(([option, value]) => [`--${option}`, String(value)] as const),
    ['machine', `${machine.cores} × ${machine.cpu}`],
    ['node', machine.node],
    ['workers', formatCount(driver.workers)],
    ['CPU of each worker', driver.cpuShares.map(formatShare).join(', ') || '–'],
    ['event loop delay, p99', formatMs(driver.loopDelayP99Ms)],
  ]
}
