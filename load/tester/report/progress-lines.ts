/** The texts of a run's progress. Pure; who draws them is progress.ts. */
import { formatBytes, formatClock, formatCount, formatMs, formatRate } from './figures.ts'
import type { Tally } from './tally.ts'

export interface RunTimes {
  readonly elapsedMs: number
  /** Absent when the run ends by something else than time. */
  readonly plannedMs: number | undefined
}

export interface Surface {
  /** Characters that a line may have. */
  readonly columns: number
  readonly hasColor: boolean
}

export interface Line {
  readonly text: string
  /** Columns that it takes; colours take none. */
  readonly width: number
}

type Tone = 'plain' | 'bad' | 'soft'

interface Item {
  readonly label: string
  readonly value: string
  readonly tone?: Tone
}

/** A bar and the figures, in as many lines as the columns need. No line is wider than the surface. */
export function progressLines(tally: Tally, times: RunTimes, surface: Surface): Line[] {
  return [barLine(times, surface), ...wrapped(itemsOf(tally), surface)]
}

/** One line with the same figures, for a log: `0:05 of 2:00  sockets 2,000  …`. */
export function plainLine(tally: Tally, times: RunTimes): string {
  return [clockText(times), ...itemsOf(tally).map(({ label, value }) => `${label} ${value}`)].join('  ')
}

function itemsOf({ latest, totals, recent, recentMs }: Tally): Item[] {
  const rate = (count: number) => (count * 1000) / Math.max(1, recentMs)
  return [
    { label: 'sockets', value: formatCount(latest.sockets) },
    { label: 'streams', value: formatCount(latest.streams) },
    { label: 'questions', value: `${formatRate(rate(recent.questions))}/s` },
    { label: 'completed', value: formatCount(totals.completed) },
    { label: 'failed', value: formatCount(totals.failed), ...badWhen(totals.failed > 0) },
    { label: 'faults', value: formatCount(totals.faults), ...badWhen(totals.faults > 0) },
    { label: 'ttft p50', value: msText(latest.ttftP50Ms) },
    { label: 'ttft p99', value: msText(latest.ttftP99Ms) },
    { label: 'deltas', value: `${formatRate(rate(recent.deltas))}/s` },
    { label: 'received', value: `${formatBytes(rate(recent.bytes))}/s` },
    { label: 'killed', value: formatCount(totals.killed) },
    { label: 'resumed', value: formatCount(totals.resumed) },
  ]
}

const badWhen = (isBad: boolean): { readonly tone?: Tone } => (isBad ? { tone: 'bad' } : {})
const msText = (ms: number | undefined) => (ms === undefined ? '–' : formatMs(ms))

function clockText({ elapsedMs, plannedMs }: RunTimes): string {
  const elapsed = formatClock(elapsedMs)
  return plannedMs === undefined ? elapsed : `${elapsed} of ${formatClock(plannedMs)}`
}

const maxBarColumns = 40

function barLine(times: RunTimes, surface: Surface): Line {
  const clock = clockText(times).slice(0, surface.columns)
  const columns = Math.min(maxBarColumns, surface.columns - clock.length - 1)
  if (times.plannedMs === undefined || columns < 4) return { text: clock, width: clock.length }
  const done = Math.round(columns * Math.min(1, times.elapsedMs / Math.max(1, times.plannedMs)))
  const bar = `${'━'.repeat(done)}${painted('─'.repeat(columns - done), 'soft', surface)}`
  return { text: `${bar} ${clock}`, width: columns + 1 + clock.length }
}

/** Items keep one width of their own, so that figures stay where they are while they change. */
const itemColumns = 20

function wrapped(items: readonly Item[], surface: Surface): Line[] {
  const inLine = Math.max(1, Math.min(4, Math.floor(surface.columns / itemColumns)))
  const rows = Math.ceil(items.length / inLine)
  return Array.from({ length: rows }, (_, row) => {
    return lineOf(items.slice(row * inLine, (row + 1) * inLine), surface)
  })
}

function lineOf(items: readonly Item[], surface: Surface): Line {
  const columns = Math.min(itemColumns, surface.columns)
  const texts = items.map((item) => itemText(item, columns, surface))
  return { text: texts.join(''), width: columns * texts.length }
}

function itemText({ label, value, tone = 'plain' }: Item, columns: number, surface: Surface): string {
  const all = `${label} ${value}`.slice(0, columns)
  const shownLabel = all.slice(0, label.length + 1)
  const shownValue = all.slice(label.length + 1)
  return `${painted(shownLabel, 'soft', surface)}${painted(shownValue, tone, surface)}${' '.repeat(columns - all.length)}`
}

function painted(text: string, tone: Tone, { hasColor }: Surface): string {
  if (!hasColor || tone === 'plain' || text === '') return text
  return tone === 'bad' ? `\x1b[1;31m${text}\x1b[0m` : `\x1b[2m${text}\x1b[0m`
}
