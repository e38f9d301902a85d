/** Refusals, failures and wrong answers by kind. */
import type { RunResult } from '../../result.ts'
import { formatCount, formatShare } from '../figures.ts'
import { type Markup, markup } from '../markup.ts'
import type { Runs } from './runs.ts'
import { scrollingTable } from './tables.ts'

interface ErrorKind {
  readonly group: string
  readonly kind: string
  readonly count: number
}

export function errorTable({ after, before }: Runs): Markup {
  const [now, then] = [errorsOf(after), before === undefined ? [] : errorsOf(before)]
  const keys = [...new Map([...now, ...then].map((error) => [keyOf(error), error])).values()]
  if (keys.length === 0) return markup`<p>None.</p>`
  const countIn = (errors: readonly ErrorKind[], key: string) =>
    errors.find((error) => keyOf(error) === key)?.count ?? 0
  const greatest = Math.max(1, ...keys.map((error) => countIn(now, keyOf(error))))
  const rows = keys.map((error) => {
    const [count, earlier] = [countIn(now, keyOf(error)), countIn(then, keyOf(error))]
    const share = formatShare(count / Math.max(1, after.counts.questions))
    const beforeCell = before === undefined ? undefined : markup`<td>${formatCount(earlier)}</td>`
    return markup`<tr><th scope="row">${error.kind}</th><td>${error.group}</td>${beforeCell}<td>${formatCount(count)}</td><td>${share}</td><td>${bar(count / greatest)}</td></tr>`
  })
  const counts = before === undefined ? ['count'] : ['before', 'after']
  const titles = ['kind', 'what', ...counts, 'of all questions'].map((title) => markup`<th scope="col">${title}</th>`)
  return scrollingTable('Errors', markup`<thead><tr>${titles}<td></td></tr></thead><tbody>${rows}</tbody>`)
}

function errorsOf(run: RunResult): ErrorKind[] {
  const kinds = (group: string, counts: Readonly<Record<string, number>>) =>
    Object.entries(counts).map(([kind, count]) => ({ group, kind, count }))
  const faults = run.faults.map(({ check, count }) => ({ group: 'wrong answer', kind: check, count }))
  const all = [...faults, ...kinds('failed', run.failures), ...kinds('refused', run.refusals)]
  return all.filter(({ count }) => count > 0).sort((one, other) => other.count - one.count)
}

/** The same figure for the eye alone. */
function bar(share: number): Markup {
  return markup`<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><path class="bars c1" d="M0 0H${Math.round(share * 1000) / 10}V10H0Z"/></svg>`
}

function keyOf({ group, kind }: ErrorKind): string {
  return `${group} ${kind}`
}
