import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startModelServer } from '../load/model-server/server.ts'
import type { LoadedPrompt, LoadedPrompts } from '../orchestrator/prompts/prompts.ts'
import { createOpenAiProvider } from '../orchestrator/providers/openai.ts'
import { wayTo } from './environment.ts'
import { readCases } from './prompt/cases.ts'
import { type CaseReport, evaluate, type Variant } from './prompt/evaluate.ts'
import { findVersion, openPrompts, readValues } from './prompt/reference.ts'
import { type EvalReport, htmlReport, totalsOf } from './prompt/report.ts'
import { unifiedDiff } from './prompt/unified-diff.ts'

const usage = `usage: sluice prompt list [--dir FOLDER]
       sluice prompt render NAME[@LABEL|@VERSION] [--var name=value …]
       sluice prompt diff NAME A B                      (labels or versions)
       sluice prompt eval CASES.yaml --variants A,B     (NAME[@LABEL|@VERSION] each; default: default@production,default@staging)
                  [--target URL|bundled] [--model NAME] [--out FOLDER] [--concurrency N]
The folder is SLUICE_PROMPTS_DIR's, unless --dir says another; a target's key is OPENAI_API_KEY.`

const options = {
  dir: { type: 'string' },
  var: { type: 'string', multiple: true },
  target: { type: 'string' },
  model: { type: 'string' },
  variants: { type: 'string' },
  out: { type: 'string' },
  concurrency: { type: 'string' },
} as const

type Options = ReturnType<typeof read>['values']

function read(args: readonly string[]) {
  return parseArgs({ args: [...args], options, allowPositionals: true })
}

/** Looks at prompts, and tries them: see `usage`. Throws what is for the operator. */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = read(args)
  const [verb, ...rest] = positionals
  if (verb === 'list' && rest.length === 0) return list(openPrompts(values.dir))
  if (verb === 'render' && rest.length === 1) return render(rest[0] ?? '', values)
  if (verb === 'diff' && rest.length === 3) return showDiff(rest, values)
  if (verb === 'eval' && rest.length === 1) return runEval(rest[0] ?? '', values)
  process.stderr.write(`${usage}\n`)
  return 2
}

function list(prompts: LoadedPrompts): number {
  for (const prompt of prompts.prompts.values()) say(describe(prompt))
  if (prompts.assignments.length > 0) say('assigned, the first that fits:')
  for (const { prompt, label, ...who } of prompts.assignments) {
    const named = Object.entries(who).map(([name, value]) => `${name} ${value}`)
    say(`  ${named.join(', ') || 'everybody'}: ${prompt}${label === undefined ? '' : `@${label}`}`)
  }
  for (const warning of prompts.warnings) process.stderr.write(`${warning}\n`)
  return 0
}

function describe({ name, versions, labels, experiments }: LoadedPrompt): string {
  const lines = [...versions.values()].map(({ version, date, changed, text, staticLength }) => {
    const marks = [...labels].filter(([, number]) => number === version).map(([label]) => label)
    const share = Math.round((100 * staticLength) / Math.max(1, text.length))
    const what = version === 0 ? 'without versions' : `${date}  ${changed}`
    return `  ${version}  ${what}  (${text.length} characters, the first ${share} % static)${marks.map((mark) => `  ← ${mark}`).join('')}`
  })
  const trials = experiments.map(({ name: experiment, flag, channels, variants }) => {
    const sides = variants.map((variant) => `${variant.name}: version ${variant.version}, weight ${variant.weight}`)
    const where = channels === 'all' ? '' : `, channels ${[...channels].join(', ')}`
    return `  experiment ${experiment}, flag ${flag}${where}: ${sides.join('; ')}`
  })
  return [name, ...lines, ...trials].join('\n')
}

function render(reference: string, { dir, var: pairs = [] }: Options): number {
  const { version } = findVersion(openPrompts(dir), reference)
  say(version.render(readValues(pairs)))
  return 0
}

function showDiff([name = '', a = '', b = '']: readonly string[], { dir }: Options): number {
  const prompts = openPrompts(dir)
  const [from, to] = [a, b].map((which) => findVersion(prompts, `${name}@${which}`).version)
  if (from === undefined || to === undefined) return 1
  process.stdout.write(unifiedDiff(`${name}@${a}`, from.text, `${name}@${b}`, to.text))
  return 0
}

/** 1 when a case failed; the report is written all the same. */
async function runEval(path: string, values: Options): Promise<number> {
  const prompts = openPrompts(values.dir)
  const cases = readCases(path)
  const variants = (values.variants ?? 'default@production,default@staging')
    .split(',')
    .map((reference) => ({ reference, version: findVersion(prompts, reference).version }))
  const startedAt = new Date().toISOString()
  const target = values.target ?? 'bundled'
  const model = values.model ?? 'sluice-demo'
  const results = await askAll(target, model, cases, variants, concurrencyOf(values))
  const named = variants.map(({ reference, version: { version, sha256 } }) => ({ reference, version, sha256 }))
  const report = { target, model, startedAt, variants: named, cases: results }
  await write(report, values.out ?? 'prompt-eval')
  return results.every(({ results: all }) => all.every(({ passed }) => passed)) ? 0 : 1
}

async function askAll(
  target: string,
  model: string,
  cases: ReturnType<typeof readCases>,
  variants: readonly Variant[],
  concurrency: number,
): Promise<readonly CaseReport[]> {
  const bundled = target === 'bundled' ? await startModelServer() : undefined
  const baseUrl = bundled?.url ?? target
  const endpoint = { baseUrl, headersMs: 60_000, connection: wayTo(baseUrl, process.env) }
  const apiKey = process.env.OPENAI_API_KEY ?? 'none'
  const provider = createOpenAiProvider(endpoint, { info: ignore, warn: ignore, error: ignore })
  const done = (name: string, { variant, passed }: { variant: string; passed: boolean }) =>
    process.stderr.write(`${passed ? 'passed' : 'FAILED'}  ${variant}  ${name}\n`)
  try {
    return await evaluate(cases, variants, { provider, model, apiKey, concurrency, done })
  } finally {
    provider.close()
    await bundled?.close()
  }
}

async function write(report: EvalReport, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'report.json'), `${JSON.stringify({ ...report, totals: totalsOf(report) }, null, 2)}\n`)
  await writeFile(join(folder, 'report.html'), htmlReport(report))
  for (const { variant, passed, cases, durationMs, outputTokens } of totalsOf(report))
    say(`${variant}: ${passed} of ${cases} passed, ${durationMs} ms and ${outputTokens} tokens a case`)
  say(`written to ${join(folder, 'report.html')}`)
}

/** Calls at once: 1 to 64. */
function concurrencyOf({ concurrency = '4' }: Options): number {
  const number = Number(concurrency)
  if (Number.isInteger(number) && number >= 1 && number <= 64) return number
  throw new Error(`unable to use --concurrency ${concurrency}: it is a whole number from 1 to 64`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function ignore(): void {
  // What goes wrong is in the report.
}
