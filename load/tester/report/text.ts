/** The report at the end of a run, for a terminal or a log: plain text, what is wrong first. */
import { measures, type RunResult } from '../result.ts'
import { measureNames, statisticNames, statistics } from './compare.ts'
import {
  formatBytes,
  formatClock,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
  formatTime,
  printable,
} from './figures.ts'
import { MAX_EXAMPLE_CHARACTERS } from './limits.ts'
import { textTable } from './text-table.ts'
import { countedNoun, faultCount, stopText, verdictOf } from './verdict.ts'

/** Lines that end in a newline, without colours; texts from outside cannot drive the terminal. */
export function textReport(run: RunResult): string {
  const { exitCode, reason } = verdictOf(run)
  const sections = [
    faultLines(run),
    headLines(run),
    sloLines(run),
    goodputLines(run),
    measureLines(run),
    countLines(run),
    kindLines('Refusals', run.refusals),
    kindLines('Failures', run.failures),
    driverLines(run),
    [`Exit code ${exitCode}: ${reason}.`],
  ]
  return joinSections(sections)
}

/** The sections that have lines, an empty one between two. */
export function joinSections(sections: readonly (readonly string[])[]): string {
  const filled = sections.filter((lines) => lines.length > 0)
  return `${filled.map((lines) => lines.join('\n')).join('\n\n')}\n`
}

function faultLines(run: RunResult): string[] {
  if (run.faults.length === 0) return []
  const title = `!!! ${countedNoun(faultCount(run), 'WRONG ANSWER').toUpperCase()} !!!`
  const found = run.faults.flatMap(({ check, count, examples }) => [
    `  ${printable(check)}: ${formatCount(count)}`,
    ...examples.map((example) => `    e.g. ${printable(example.slice(0, MAX_EXAMPLE_CHARACTERS))}`),
  ])
  return ['!'.repeat(title.length), title, '!'.repeat(title.length), ...found]
}

function headLines(run: RunResult): string[] {
  const { cpu, cores, node } = run.machine
  const options = Object.entries(run.options).map(([name, value]) => `${printable(name)}=${printable(String(value))}`)
  return [
    `Load test: ${printable(run.name)}`,
    `  ${formatTime(run.startedMs)}, ${formatClock(run.durationMs)}, ${stopText(run)}`,
    `  ${cores} × ${printable(cpu)}, node ${printable(node)}`,
    ...(options.length === 0 ? [] : [`  ${options.join(' ')}`]),
  ]
}

function sloLines({ slos }: RunResult): string[] {
  if (slos.length === 0) return []
  const width = Math.max(...slos.map(({ text }) => text.length))
  const lines = slos.map(({ text, reached, wanted, isMet }) => {
    const name = printable(text).padEnd(width)
    return `  ${isMet ? 'met   ' : 'MISSED'}  ${name}  ${formatShare(reached)} within, ${formatShare(wanted)} wanted`
  })
  return ['SLOs', ...lines]
}

/** What the goodput is made of; shown with it. */
export const goodputFormula =
  'questions that completed and kept each SLO on a single answer ÷ questions that were due and not cancelled by the plan'

function goodputLines({ goodput }: RunResult): string[] {
  const figure = `Goodput  ${formatShare(goodput.share)}, ${formatRate(goodput.perSecond)} a second`
  return [figure, `  = ${goodputFormula}`]
}

function measureLines(run: RunResult): string[] {
  const measured = measureNames.flatMap((name) => {
    const found = run.measures[name]
    return found === undefined ? [] : [{ ...measures[name], found }]
  })
  if (measured.length === 0) return ['Nothing was measured.']
  const rows = measured.map(({ name, found }) => [
    name,
    formatCount(found.count),
    ...statisticNames.map((statistic) => formatMs(found[statistic])),
  ])
  const width = Math.max(...measured.map(({ name }) => name.length))
  return [
    ...textTable(['', 'count', ...Object.values(statistics)], rows),
    '',
    ...measured.map(({ name, formula }) => `  ${name.padEnd(width)}  = ${formula}`),
  ]
}

function countLines({ counts }: RunResult): string[] {
  const count = formatCount
  return [
    `Questions  ${count(counts.questions)} in ${countedNoun(counts.sessions, 'session')}: ${count(counts.completed)} completed, ${count(counts.failed)} failed, ${count(counts.cancelled)} cancelled, ${count(counts.unfinished)} unfinished`,
    `Sockets    ${count(counts.sockets)}: ${count(counts.killed)} killed by the tester, ${count(counts.lost)} lost otherwise`,
    `Resumed    ${count(counts.resumed)} times, ${count(counts.resent)} questions sent again, ${count(counts.restarted)} answers begun again`,
    `Received   ${count(counts.deltas)} deltas in ${count(counts.frames)} frames, ${formatBytes(counts.bytes)}, ${count(counts.outputTokens)} output tokens`,
  ]
}

function kindLines(title: string, kinds: Readonly<Record<string, number>>): string[] {
  const sorted = Object.entries(kinds).sort(([, one], [, other]) => other - one)
  const rows = sorted.filter(([, count]) => count > 0).map(([kind, count]) => [printable(kind), formatCount(count)])
  return textTable([title, ''], rows)
    .map((line) => line.slice(2))
    .map((line, index) => (index === 0 ? line : `  ${line}`))
}

function driverLines({ driver }: RunResult): string[] {
  const busiest = Math.max(0, ...driver.cpuShares)
  const state = `${countedNoun(driver.workers, 'worker')}, the busiest at ${formatShare(busiest)} of a processor, event loop delay p99 ${formatMs(driver.loopDelayP99Ms)}`
  if (!driver.isLimit) return [`Driver     not the limit: ${state}`]
  return [`DRIVER     THE TESTER ITSELF WAS THE LIMIT, not the server: ${printable(driver.why)}`, `  ${state}`]
}
