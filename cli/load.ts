import { writeFile } from 'node:fs/promises'
import { startCrew } from '../load/tester/crew.ts'
import { exitCodeOf } from '../load/tester/exit-code.ts'
import type { RunPlan } from '../load/tester/plan.ts'
import type { RunResult, SeriesPoint } from '../load/tester/result.ts'
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
    await announce(plan)
    return await load(plan, given)
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

async function load(plan: RunPlan, given: Given): Promise<number> {
  // Here `report/progress.ts` shows the points.
  const crew = startCrew(plan, { options: optionsOf(given), point: (point) => say(pointLine(point)), warn: complain })
  let isAsked = false
  const ask = () => {
    if (isAsked) process.exit(130)
    isAsked = true
    crew.stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, ask)
  const result = await crew.result
  await tell(result, given)
  return exitCodeOf(result)
}

async function tell(result: RunResult, given: Given): Promise<void> {
  if (given.json !== undefined) await writeFile(given.json, `${JSON.stringify(result)}\n`)
  // Here `report/html.ts` writes --html, with the result of --compare, and `report/text.ts` makes the text.
  say(plainText(result))
  for (const { check, count, examples } of result.faults) {
    complain(`WRONG (${check}), ${count} times:`)
    for (const example of examples) complain(`  ${example}`)
  }
  const { questions, completed, cancelled } = result.counts
  if (questions > 0 && completed + cancelled === 0) complain('not one question was answered')
}

/** As on the command line; what holds a secret is only named there. */
function optionsOf(given: Given): RunResult['options'] {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, typeof value === 'object' ? value.join(' ') : value]),
  )
}

function pointLine({ atMs, sockets, streams, completed, failed, faults, ttftP50Ms, ttftP99Ms }: SeriesPoint): string {
  const ttft =
    ttftP50Ms === undefined ? '' : `, first token p50 ${ttftP50Ms.toFixed(0)} ms, p99 ${ttftP99Ms?.toFixed(0)} ms`
  return `${(atMs / 1_000).toFixed(0)} s: ${sockets} sockets, ${streams} streams, ${completed} completed, ${failed} failed, ${faults} wrong${ttft}`
}

function plainText({ counts, measures, refusals, failures, slos, goodput, driver, durationMs }: RunResult): string {
  const rows = Object.entries(measures).map(
    ([name, { count, p50Ms, p99Ms, maxMs }]) =>
      `  ${name.padEnd(8)} ${count} values, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, most ${maxMs.toFixed(1)} ms`,
  )
  return [
    `${(durationMs / 1_000).toFixed(1)} s: ${JSON.stringify(counts)}`,
    `refusals ${JSON.stringify(refusals)}, failures ${JSON.stringify(failures)}`,
    ...rows,
    ...slos.map(({ text, isMet }) => `  ${text}: ${isMet ? 'met' : 'MISSED'}`),
    `goodput ${(100 * goodput.share).toFixed(1)} %, ${goodput.perSecond.toFixed(1)} a second`,
    driver.isLimit
      ? `THE DRIVER WAS THE LIMIT: ${driver.why}`
      : `driver: loop late by ${driver.loopDelayP99Ms.toFixed(1)} ms (p99), CPU ${driver.cpuShares.map((share) => `${(100 * share).toFixed(0)} %`).join(', ')}`,
  ].join('\n')
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`)
}
