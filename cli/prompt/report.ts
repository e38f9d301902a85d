/** What an evaluation found, as one HTML page that needs nothing else: the variants side by side. */
import type { CaseReport, Result } from './evaluate.ts'

export interface EvalReport {
  readonly target: string
  readonly model: string
  /** ISO 8601. */
  readonly startedAt: string
  readonly variants: readonly { readonly reference: string; readonly version: number; readonly sha256: string }[]
  readonly cases: readonly CaseReport[]
}

export interface Totals {
  readonly variant: string
  readonly passed: number
  readonly cases: number
  /** Means over the cases. */
  readonly durationMs: number
  readonly outputTokens: number
}

/** One for each variant. */
export function totalsOf({ variants, cases }: EvalReport): readonly Totals[] {
  return variants.map(({ reference }, index) => {
    const results = cases.flatMap(({ results: all }) => all.slice(index, index + 1))
    return {
      variant: reference,
      passed: results.filter(({ passed }) => passed).length,
      cases: results.length,
      durationMs: mean(results.map(({ durationMs }) => durationMs)),
      outputTokens: mean(results.map(({ usage }) => usage?.outputTokens ?? 0)),
    }
  })
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : Math.round(values.reduce((sum, value) => sum + value, 0) / values.length)
}

export function htmlReport(report: EvalReport): string {
  const { target, model, startedAt, variants, cases } = report
  const heads = variants.map(
    ({ reference, version }) => `<th>${escaped(reference)} <small>version ${version}</small></th>`,
  )
  const sums = totalsOf(report).map(
    ({ passed, cases: all, durationMs, outputTokens }) =>
      `<td class="${passed === all ? 'passed' : 'failed'}"><b>${passed} of ${all}</b><br>${durationMs} ms, ${outputTokens} tokens a case</td>`,
  )
  const rows = cases.map(({ name, messages, results }) => {
    const said = messages.map((message) => `<p class="said">${escaped(message)}</p>`).join('')
    return `<tr><th scope="row">${escaped(name)}${said}</th>${results.map(cell).join('')}</tr>`
  })
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Prompts: ${escaped(variants.map(({ reference }) => reference).join(' and '))}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${style}</style></head><body>
<h1>${escaped(variants.map(({ reference }) => reference).join(' and '))}</h1>
<p>${escaped(model)} at ${escaped(target)}, ${escaped(startedAt)}</p>
<table><thead><tr><th></th>${heads.join('')}</tr><tr><th></th>${sums.join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></body></html>
`
}

function cell({ answer, checks, error, durationMs, usage, passed }: Result): string {
  const marks = checks.map((check) => `<li class="${check.passed ? 'passed' : 'failed'}">${escaped(check.what)}</li>`)
  const failure = error === undefined ? '' : `<p class="failed">${escaped(error)}</p>`
  const figures = `${durationMs} ms${usage === undefined ? '' : `, ${usage.outputTokens} tokens`}`
  return `<td class="${passed ? 'passed' : 'failed'}"><pre>${escaped(answer)}</pre>${failure}<ul>${marks.join('')}</ul><small>${figures}</small></td>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

const style = `
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #1d2330; background: #fff }
table { border-collapse: collapse; width: 100%; table-layout: fixed }
th, td { border: 1px solid #cfd5e0; padding: .6rem; text-align: left; vertical-align: top }
thead th, thead td { background: #f3f5f9; position: sticky; top: 0 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 .5rem; font: inherit }
ul { margin: 0; padding-left: 1.2rem }
.said { font-weight: normal; white-space: pre-wrap; color: #4b5568 }
td.passed { border-left: 4px solid #2a7d4f } td.failed { border-left: 4px solid #b3261e }
li.failed, p.failed { color: #b3261e } li.failed::marker { content: '✗ ' } li.passed::marker { content: '✓ ' }
@media (prefers-color-scheme: dark) {
  body { color: #e4e8f0; background: #12161f } th, td { border-color: #37405180 }
  thead th, thead td { background: #1c2230 } .said { color: #aab3c5 } li.failed, p.failed { color: #ff8a80 }
}`
