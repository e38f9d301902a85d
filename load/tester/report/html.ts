/**
 * A run as one file that can be mailed and opened anywhere: no script, no font and no picture from elsewhere, and a policy
 * in it that forbids them.
 */
import type { RunResult } from '../result.ts'
import { differingOptions, thresholdText } from './compare.ts'
import { type Content, type Markup, markup } from './markup.ts'
import { countTable, detailTable } from './page/details.ts'
import { distributionCharts } from './page/distributions.ts'
import { errorTable } from './page/errors.ts'
import type { RunPair, Runs } from './page/runs.ts'
import { style } from './page/style.ts'
import { runLine, summary } from './page/summary.ts'
import { figureTable, measureTable } from './page/tables.ts'
import { timeLineCharts } from './page/time-lines.ts'
import { verdictOf } from './verdict.ts'

/**
 * @param before an earlier run that this one is compared with: each chart has both, each figure its ratio
 * @throws when a histogram cannot be read.
 */
export function htmlReport(run: RunResult, before?: RunResult): string {
  const runs: Runs = { after: run, before }
  return page(
    run.name,
    markup`<header><h1>${run.name}${before === undefined ? undefined : markup` <small>compared with ${before.name}</small>`}</h1><p class="soft">${runLine(run)}</p></header>
${summary(run)}
${before === undefined ? undefined : comparison({ after: run, before })}
<section><h2>Measures</h2>${measureTable(runs)}</section>
<section><h2>Distributions</h2>${distributionCharts(runs)}</section>
<section><h2>Over time</h2><div class="charts">${timeLineCharts(runs)}</div></section>
<div class="columns"><section><h2>Errors</h2>${errorTable(runs)}</section>
<section><h2>Counts</h2>${countTable(runs)}</section>
<section><h2>The run</h2>${detailTable(runs)}</section></div>`,
  ).text
}

function page(title: string, content: Markup): Markup {
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,"><title>${title}: load test</title>
${style}</head><body><main>${content}</main></body></html>
`
}

function comparison({ after, before }: RunPair): Markup {
  const { exitCode, reason } = verdictOf(before)
  return markup`<section><h2>Compared with ${before.name}</h2>
<p class="soft">${runLine(before)}; exit code ${exitCode}: ${reason}</p>${beforeLimit(before)}${unlike(before, after)}
${figureTable({ before, after })}<p><small>${thresholdText}</small></p></section>`
}

function beforeLimit({ driver }: RunResult): Content {
  if (!driver.isLimit) return undefined
  return markup`<div class="box limit"><p><strong>⚠ Before, the tester itself was the limit</strong></p><p>${driver.why}</p></div>`
}

function unlike(before: RunResult, after: RunResult): Content {
  const options = differingOptions(before, after)
  if (options.length === 0) return undefined
  const items = options.map((option) => {
    return markup`<li><code>${option.name}</code>: ${option.before ?? '(none)'} → ${option.after ?? '(none)'}</li>`
  })
  return markup`<div class="box limit"><p><b>⚠ The runs were asked for different things, or ran on different machines</b></p><ul>${items}</ul></div><p></p>`
}
