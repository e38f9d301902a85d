/** Values over the time of a run. Where there is none the line has a gap. */
import { formatClock } from '../figures.ts'
import { type Markup, markup } from '../markup.ts'
import { type Axis, linearAxis, timeAxis } from './axis.ts'
import { classOf, type LegendEntry, pathOf, placeX, placeY, plotFigure } from './plot.ts'

export interface TimeValue {
  readonly atMs: number
  readonly value: number | undefined
}

export interface TimeLine extends LegendEntry {
  readonly values: readonly TimeValue[]
}

export interface TimeChart {
  readonly title: string
  readonly format: (value: number) => string
  /** The axis of values reaches at least to here. */
  readonly atLeast?: number
  readonly lines: readonly TimeLine[]
}

export function timeLines({ title, format, atLeast = 0, lines }: TimeChart): Markup {
  const all = lines.flatMap(({ values }) => values)
  const known = all.map(({ value }) => value).filter((value) => value !== undefined)
  const x = timeAxis(Math.max(0, ...all.map(({ atMs }) => atMs)), formatClock)
  const y = linearAxis(Math.max(atLeast, ...known), format)
  return plotFigure({
    title,
    description: lines.map((line) => described(line, format)).join('. '),
    xTitle: 'time since the start',
    x,
    y,
    legend: lines,
    marks: known.length === 0 ? [] : lines.map((line) => drawn(line, x, y)),
  })
}

function drawn({ values, look }: TimeLine, x: Axis, y: Axis): Markup {
  const pieces: (readonly [number, number])[][] = [[]]
  for (const { atMs, value } of values) {
    if (value === undefined) pieces.push([])
    else pieces.at(-1)?.push([placeX(x, atMs), placeY(y, value)])
  }
  return markup`<path class="line ${classOf(look)}" d="${pathOf(pieces)}"/>`
}

function described({ name, values }: TimeLine, format: (value: number) => string): string {
  const known = values.flatMap(({ atMs, value }) => (value === undefined ? [] : [{ atMs, value }]))
  const [first, ...rest] = known
  if (first === undefined) return `${name}: none`
  const greatest = rest.reduce((found, next) => (next.value > found.value ? next : found), first)
  const last = known.at(-1) ?? first
  return `${name}: at most ${format(greatest.value)} at ${formatClock(greatest.atMs)}, at the end ${format(last.value)}`
}
