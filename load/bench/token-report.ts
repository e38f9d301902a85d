import { median, spread } from './figures.ts'
import type { LaneRound, TokenBenchResult, TokenBenchRow } from './token.ts'

/**
 * What a run told, as text: of each figure the median of the rounds and, in brackets, the least and the most; `÷` is the
 * ratio of the medians to the relay's, `+` the difference to the provider's.
 */
export function tokenReport({ rows }: TokenBenchResult): string {
  const find = (name: string) => rows.find((row) => row.name === name)
  const [relay, provider] = [find('relay'), find('provider')]
  const cost: Column[] = [
    { head: 'CPU µs/token', of: (row) => figure(row, 'cpuUsPerToken', 1) },
    { head: '÷ relay', of: (row) => ratio(row, relay, 'cpuUsPerToken') },
    { head: 'Redis µs/token', of: (row) => figure(row, 'redisCpuUsPerToken', 1) },
    { head: 'RSS MiB', of: (row) => figure(row, 'residentBytes', 0, 1024 * 1024) },
    { head: 'frames/token', of: (row) => figure(row, 'framesPerToken', 3) },
    { head: 'bytes/token', of: (row) => figure(row, 'bytesPerToken', 1) },
    { head: 'others', of: (row) => figure(row, 'othersShare', 2) },
  ]
  const latency: Column[] = [
    { head: 'token p50 ms', of: (row) => figure(row, 'tokenP50Ms', 2) },
    { head: '÷ relay', of: (row) => ratio(row, relay, 'tokenP50Ms') },
    { head: 'token p99 ms', of: (row) => figure(row, 'tokenP99Ms', 2) },
    { head: '÷ relay', of: (row) => ratio(row, relay, 'tokenP99Ms') },
    { head: 'first p50 ms', of: (row) => figure(row, 'firstP50Ms', 2) },
    { head: '+ provider', of: (row) => added(row, provider, 'firstP50Ms') },
    { head: 'first p99 ms', of: (row) => figure(row, 'firstP99Ms', 2) },
    { head: '+ provider', of: (row) => added(row, provider, 'firstP99Ms') },
  ]
  const rounds = rows[0]?.rounds.length ?? 0
  return [`median (least–most) of ${rounds} rounds`, table(rows, cost), '', table(rows, latency)].join('\n')
}

interface Column {
  readonly head: string
  of(row: TokenBenchRow): string
}

type Figure = keyof LaneRound

/** All rounds' values; none where the lane has no such figure. */
function valuesOf(row: TokenBenchRow | undefined, figure: Figure): readonly number[] {
  return row?.rounds.flatMap((round) => round[figure] ?? []) ?? []
}

function figure(row: TokenBenchRow, name: Figure, digits: number, unit = 1): string {
  const values = valuesOf(row, name)
  return values.length === 0
    ? none
    : spread(
        values.map((value) => value / unit),
        digits,
      )
}

function ratio(row: TokenBenchRow, base: TokenBenchRow | undefined, name: Figure): string {
  const [own, others] = [valuesOf(row, name), valuesOf(base, name)]
  return own.length === 0 || others.length === 0 ? none : (median(own) / median(others)).toFixed(2)
}

function added(row: TokenBenchRow, base: TokenBenchRow | undefined, name: Figure): string {
  const [own, others] = [valuesOf(row, name), valuesOf(base, name)]
  return own.length === 0 || others.length === 0 ? none : (median(own) - median(others)).toFixed(2)
}

const none = '–'

function table(rows: readonly TokenBenchRow[], columns: readonly Column[]): string {
  const heads = ['', ...columns.map(({ head }) => head)]
  const lines = [heads, ...rows.map((row) => [row.title, ...columns.map((column) => column.of(row))])]
  const widths = heads.map((_, n) => Math.max(...lines.map((line) => (line[n] ?? '').length)))
  return lines
    .map((line) =>
      line
        .map((cell, n) => cell.padEnd(widths[n] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
