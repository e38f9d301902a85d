import { readFile, writeFile } from 'node:fs/promises'
import { startCrew } from '../load/tester/crew.ts'
import type { RunPlan } from '../load/tester/plan.ts'
import { htmlReport } from '../load/tester/report/html.ts'
import { createProgress } from '../load/tester/report/progress.ts'
import { textReport } from '../load/tester/report/text.ts'
import { textComparison } from '../load/tester/report/text-comparison.ts'
import { verdictOf } from '../load/tester/report/verdict.ts'
import { type RunResult, runResult } from '../load/tester/result.ts'
import { surveySource } from '../load/tester/survey.ts'
import { type Given, helpText, readOptions, UsageError } from './load/options.ts'
import { readPlan } from './load/read-plan.ts'

/** `sluice load`: replays sessions against a gateway, checks every answer, and reports. The exit code is told by `--help`. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    const given = readOptions(args)
    if (given.help === true) {
      say(helpText())
      return 0
    }
    const plan = readPlan(given, process.env)
    const before = given.compare === undefined ? undefined : await readResult(given.compare)
    await announce(plan)
    return await load(plan, given, before)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    complain(error.message)
    return 2
  }
}

/** Also reads the source once, so that what is wrong with it is told before anything is sent. */
async function announce(plan: RunPlan): Promise<void> {
  const { source, urls, arrivals, sockets, workers } = plan
  const loop = arrivals === 'open' ? 'open loop' : `closed loop, ${sockets} sockets`
  say(`${source} against ${urls.join(', ')}: ${loop}, ${workers} ${workers === 1 ? 'worker' : 'workers'}`)
  if (source === 'made') return
  const { sessionCount, questionCount, cutCount, lastDueMs } = await surveySource(plan).catch((error: unknown) => {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  })
  const span = arrivals === 'open' ? ` over ${(lastDueMs / 1_000).toFixed(0)} s` : ''
  say(`${sessionCount} sessions with ${questionCount} questions${span}`)
  if (cutCount > 0) say(`${cutCount} questions were longer than a gateway takes, and are cut`)
}

async function load(plan: RunPlan, given: Given, before: RunResult | undefined): Promise<number> {
  const progress = createProgress(process.stdout)
  const plannedMs = plan.durationMs
  const crew = startCrew(plan, {
    options: optionsOf(given),
    point: (point) => progress.show(point, { elapsedMs: point.atMs, plannedMs }),
    warn: complain,
  })
  let isAsked = false
  const ask = () => {
    if (isAsked) process.exit(130)
    isAsked = true
    crew.stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, ask)
  const result = await crew.result
  progress.end()
  await tell(result, given, before)
  const { exitCode, reason } = verdictOf(result)
  if (exitCode !== 0) complain(reason)
  return exitCode
}

async function tell(result: RunResult, given: Given, before: RunResult | undefined): Promise<void> {
  if (given.json !== undefined) await writeFile(given.json, `${JSON.stringify(result)}\n`)
  if (given.html !== undefined) await writeFile(given.html, htmlReport(result, before))
  say(textReport(result))
  if (before !== undefined) say(textComparison(before, result))
  for (const { check, count, examples } of result.faults) {
    complain(`WRONG (${check}), ${count} times:`)
    for (const example of examples) complain(`  ${example}`)
  }
}

/** What an earlier run wrote with --json. */
async function readResult(file: string): Promise<RunResult> {
  const parsed = await readFile(file, 'utf8')
    .then((text) => runResult.safeParse(JSON.parse(text)))
    .catch((error: unknown) => {
      throw new UsageError(`unable to read --compare: ${error instanceof Error ? error.message : String(error)}`)
    })
  if (parsed.success) return parsed.data
  throw new UsageError(`unable to read --compare ${file}: it is not what a run writes with --json`)
}

/** As on the command line; what holds a secret is only named there. */
function optionsOf(given: Given): RunResult['options'] {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, typeof value === 'object' ? value.join(' ') : value]),
  )
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`)
}
