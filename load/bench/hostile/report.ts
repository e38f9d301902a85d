import { median } from '../figures.ts'
import type { Line } from './line.ts'
import type { LineFigures, Transport } from './measure.ts'
import type { HonestRound, MixedFigures } from './mixed.ts'

/** What one line told of one checkout: the figures of its rounds, or why there are none. */
export interface LineRounds {
  readonly checkout: string
  readonly rounds: readonly LineFigures[]
  readonly problems: readonly string[]
}

export interface LineResult {
  readonly name: string
  readonly line: Line
  /** In the order in which checkouts are compared. */
  readonly measured: readonly LineRounds[]
}

interface Column {
  readonly head: string
  of(rounds: readonly LineFigures[]): string
}

const mib = 1024 ** 2
const none = '–'

/** Of the rounds that have the figure, the median. */
function middle(rounds: readonly LineFigures[], of: (figures: LineFigures) => number | undefined, digits: number) {
  const values = rounds.flatMap((round) => of(round) ?? []).filter(Number.isFinite)
  return values.length === 0 ? none : median(values).toFixed(digits)
}

/** Below this many bytes a cost per byte says nothing. */
const leastSentBytes = 1_000

const columns: readonly Column[] = [
  { head: 'sent KB', of: (rounds) => middle(rounds, ({ sentBytes }) => sentBytes / 1_000, 0) },
  { head: 'peak MiB', of: (rounds) => middle(rounds, ({ peakBytes }) => peakBytes / mib, 1) },
  { head: 'held MiB', of: (rounds) => middle(rounds, ({ heldBytes }) => heldBytes && heldBytes / mib, 1) },
  { head: 'held KiB/conn', of: (rounds) => middle(rounds, heldEach, 0) },
  { head: 'CPU ms', of: (rounds) => middle(rounds, ({ cpuMs }) => cpuMs, 0) },
  { head: 'CPU µs/KB', of: (rounds) => middle(rounds, cpuUsPerKilobyte, 1) },
  { head: 'CPU µs/request', of: (rounds) => middle(rounds, cpuUsPerRequest, 0) },
  { head: 'held of dialed', of: heldOf },
  { head: 'longest s', of: (rounds) => middle(rounds, ({ longestMs }) => longestMs / 1_000, 0) },
  { head: 'ping p50 ms', of: (rounds) => middle(rounds, ({ pingP50Ms }) => pingP50Ms, 1) },
  { head: 'ping max ms', of: (rounds) => middle(rounds, ({ pingMaxMs }) => pingMaxMs, 0) },
  { head: 'calm max ms', of: (rounds) => middle(rounds, ({ calmPingMaxMs }) => calmPingMaxMs, 0) },
  { head: 'healthz max ms', of: (rounds) => middle(rounds, ({ healthMaxMs }) => healthMaxMs, 0) },
  { head: 'others', of: (rounds) => middle(rounds, ({ othersShare }) => othersShare, 1) },
]

function heldEach({ heldBytes, openedCount }: LineFigures): number | undefined {
  return heldBytes === undefined || openedCount === 0 ? undefined : heldBytes / 1_024 / openedCount
}

function cpuUsPerKilobyte({ cpuMs, sentBytes }: LineFigures): number | undefined {
  return sentBytes < leastSentBytes ? undefined : (1_000 * cpuMs) / (sentBytes / 1_000)
}

function cpuUsPerRequest({ cpuMs, requestCount }: LineFigures): number | undefined {
  return requestCount === 0 ? undefined : (1_000 * cpuMs) / requestCount
}

function heldOf(rounds: readonly LineFigures[]): string {
  const held = middle(rounds, ({ heldCount }) => heldCount, 0)
  return held === none ? none : `${held} of ${middle(rounds, ({ openedCount }) => openedCount, 0)}`
}

/** A Markdown table. A cell has the figure of each checkout, in their order, with an arrow between. */
export function linesTable(results: readonly LineResult[]): string {
  const heads = ['line', 'who', ...columns.map(({ head }) => head)]
  const rows = results.map(({ name, line, measured }) => [
    name,
    line.who,
    ...columns.map((column) => measured.map(({ rounds }) => column.of(rounds)).join(' → ')),
  ])
  return markdown([heads, ...rows])
}

/** What each line sends, and its bounds. */
export function linesLegend(results: readonly LineResult[]): string {
  const rows = results.map(({ name, line }) => [
    name,
    line.per,
    line.sends,
    String(line.connectionCount),
    `${line.seconds} s`,
  ])
  return markdown([['line', 'counted by', 'sends', 'connections', 'at most'], ...rows])
}

export function linesReport(transport: Transport, results: readonly LineResult[]): string {
  const checkouts = results[0]?.measured.map(({ checkout }) => checkout) ?? []
  const problems = results.flatMap(({ name, measured }) =>
    measured.flatMap(({ checkout, problems: own }) => own.map((problem) => `- ${name}, ${checkout}: ${problem}`)),
  )
  const lost = results.flatMap(({ name, measured }) => measured.flatMap((of) => lostLine(name, of)))
  return [
    `### ${transport}: ${checkouts.join(' → ')}`,
    '',
    'Median of the rounds. peak: resident memory during the attack; held: after it, garbage collected and connections',
    "still open; both less that before the attack. CPU is the gateway's, less what the bystander takes. longest: the longest life",
    'of a connection that ended. ping and healthz: a bystander beside the attack, calm: its ping before. others: processors that others used meanwhile.',
    '',
    linesTable(results),
    ...(problems.length + lost.length === 0 ? [] : ['', ...problems, ...lost]),
  ].join('\n')
}

function lostLine(name: string, { checkout, rounds }: LineRounds): string[] {
  const lost = rounds.reduce((sum, { lostCount }) => sum + lostCount, 0)
  return lost === 0 ? [] : [`- ${name}, ${checkout}: the bystander lost ${lost} health checks or its socket`]
}

/** Connections a second that a mixed attack makes at least when its process is served. */
const attackWanted = 50

export function mixedReport(figures: readonly MixedFigures[]): string {
  const heads = ['mixed attack', 'token p50 ms', 'token p99 ms', 'token max ms', 'broken', 'gateway CPU s']
  const more = ['attacker CPU s', 'sent MB', 'dialed', 'resident MiB']
  const rows = figures.flatMap((one) => [
    honestRow(`${one.checkout}, alone`, one.alone),
    honestRow(`${one.checkout}, attacked`, one.attacked),
  ])
  const verdicts = figures.map(({ checkout, alone, attacked, seconds }) => {
    const ratio = of(attacked, ({ tokenP99Ms }) => tokenP99Ms) / of(alone, ({ tokenP99Ms }) => tokenP99Ms)
    const broken = attacked.reduce((sum, { brokenCount }) => sum + brokenCount, 0)
    const dialed = attacked.reduce((sum, { attackOpenedCount }) => sum + attackOpenedCount, 0)
    const judged = `${checkout}: honest p99 ${ratio.toFixed(2)} times that alone over ${seconds} s, ${broken} streams broken`
    // On a machine that is busy with other things an attacker of low priority gets nowhere, and the ratio says nothing.
    return dialed >= attackWanted * seconds * attacked.length
      ? judged
      : `${judged}; too few connections: the attacker was starved`
  })
  return [markdown([[...heads, ...more], ...rows]), '', ...verdicts].join('\n')
}

function honestRow(title: string, rounds: readonly HonestRound[]): string[] {
  const cell = (figure: (round: HonestRound) => number, digits: number) => of(rounds, figure).toFixed(digits)
  return [
    title,
    cell(({ tokenP50Ms }) => tokenP50Ms, 2),
    cell(({ tokenP99Ms }) => tokenP99Ms, 2),
    cell(({ tokenMaxMs }) => tokenMaxMs, 0),
    cell(({ brokenCount }) => brokenCount, 0),
    cell(({ gatewayCpuMs }) => gatewayCpuMs / 1_000, 1),
    cell(({ attackerCpuMs }) => attackerCpuMs / 1_000, 1),
    cell(({ attackSentBytes }) => attackSentBytes / 1e6, 1),
    cell(({ attackOpenedCount }) => attackOpenedCount, 0),
    cell(({ residentBytes }) => residentBytes / mib, 0),
  ]
}

function of(rounds: readonly HonestRound[], figure: (round: HonestRound) => number): number {
  return rounds.length === 0 ? Number.NaN : median(rounds.map(figure))
}

/** Padded, so that it reads as text too. */
function markdown(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, n) => Math.max(...rows.map((row) => (row[n] ?? '').length)))
  const line = (cells: readonly string[]) => `| ${cells.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join(' | ')} |`
  const [head = [], ...rest] = rows.map((row) => line(row))
  return [head, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rest].join('\n')
}
