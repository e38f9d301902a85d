/** What a page begins with: how the run went, what was wrong, whether the tester itself was the limit. */
import type { RunResult } from '../../result.ts'
import { formatClock, formatCount, formatMs, formatRate, formatShare, formatTime } from '../figures.ts'
import { MAX_EXAMPLE_CHARACTERS } from '../limits.ts'
import { type Content, type Markup, markup } from '../markup.ts'
import { goodputFormula } from '../text.ts'
import { countedNoun, faultCount, stopText, verdictOf } from '../verdict.ts'
import { scrollingTable } from './tables.ts'

export function summary(run: RunResult): Markup {
  return markup`${faultBox(run)}${verdictBox(run)}${driverBox(run)}${tiles(run)}${sloTable(run)}`
}

/** When it began, how long it took and how it ended. */
export function runLine(run: RunResult): string {
  return `${formatTime(run.startedMs)}, ${formatClock(run.durationMs)}, ${stopText(run)}`
}

function verdictBox(run: RunResult): Markup {
  const { exitCode, reason } = verdictOf(run)
  const word =
    exitCode === 0 ? markup`<strong class="good">✓ Passed</strong>` : markup`<strong class="bad">✗ Failed</strong>`
  return markup`<div class="box${exitCode === 0 ? '' : ' wrong'}"><p>${word}: ${reason} <small>(exit code ${exitCode})</small></p></div>`
}

function faultBox(run: RunResult): Content {
  if (run.faults.length === 0) return undefined
  const items = run.faults.map(({ check, count, examples }) => {
    const shown = examples.map((example) => markup`<li><code>${example.slice(0, MAX_EXAMPLE_CHARACTERS)}</code></li>`)
    return markup`<li><b>${check}</b>: ${formatCount(count)}<ul>${shown}</ul></li>`
  })
  return markup`<div class="box wrong"><strong class="bad">✗ ${countedNoun(faultCount(run), 'wrong answer')}</strong><ul>${items}</ul></div>`
}

function driverBox({ driver }: RunResult): Content {
  if (!driver.isLimit) return undefined
  return markup`<div class="box limit"><p><strong>⚠ The tester itself was the limit, not the server</strong></p><p>${driver.why}</p></div>`
}

function tiles(run: RunResult): Markup {
  const { goodput, counts, measures, driver } = run
  const each = (count: number) => `${formatRate((count * 1000) / Math.max(1, run.durationMs))} a second`
  const busiest = formatShare(Math.max(0, ...driver.cpuShares))
  return markup`<dl class="tiles">${[
    tile('Goodput', formatShare(goodput.share), `${formatRate(goodput.perSecond)} a second`),
    tile('Completed', formatCount(counts.completed), each(counts.completed)),
    tile('Failed', formatCount(counts.failed), `${formatCount(counts.unfinished)} unfinished`),
    tile('Wrong answers', formatCount(faultCount(run)), 'of all that were checked'),
    tile('First token, p99', measures.ttft === undefined ? '–' : formatMs(measures.ttft.p99Ms), p50(measures.ttft)),
    tile('End to end, p99', measures.e2e === undefined ? '–' : formatMs(measures.e2e.p99Ms), p50(measures.e2e)),
    tile(
      'Tester',
      driver.isLimit ? 'the limit' : 'not the limit',
      `busiest worker ${busiest}, loop p99 ${formatMs(driver.loopDelayP99Ms)}`,
    ),
  ]}</dl><p><small>Goodput = ${goodputFormula}.</small></p>`
}

function p50(found: RunResult['measures']['ttft']): string {
  return found === undefined ? 'nothing came' : `p50 ${formatMs(found.p50Ms)}`
}

function tile(name: string, value: string, more: string): Markup {
  return markup`<div><dt>${name}</dt><dd>${value}<small>${more}</small></dd></div>`
}

function sloTable({ slos }: RunResult): Content {
  if (slos.length === 0) return undefined
  const rows = slos.map(({ text, reached, wanted, isMet }) => {
    const word = isMet ? markup`<b class="good">✓ met</b>` : markup`<b class="bad">✗ missed</b>`
    return markup`<tr><th scope="row"><code>${text}</code></th><td>${word}</td><td>${formatShare(reached)}</td><td>${formatShare(wanted)}</td></tr>`
  })
  const titles = ['SLO', 'verdict', 'within', 'wanted'].map((title) => markup`<th scope="col">${title}</th>`)
  return markup`<h2>SLOs</h2>${scrollingTable('SLOs', markup`<thead><tr>${titles}</tr></thead><tbody>${rows}</tbody>`)}`
}
