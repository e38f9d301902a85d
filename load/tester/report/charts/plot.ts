/**
 * What every chart has: a figure with its title and legend in HTML, which wraps, and under it an SVG with two axes. The
 * drawing is about as wide as a phone, so that its letters keep their size there and three stand in a row on a desk.
 */
import { type Content, type Markup, markup } from '../markup.ts'
import type { Axis, Tick } from './axis.ts'

/** Colours differ in lightness too, and what was before is dashed. */
export interface Look {
  readonly color: 1 | 2
  readonly isBefore: boolean
}

export interface LegendEntry {
  readonly name: string
  readonly look: Look
}

export interface Plot {
  readonly title: string
  /** For who does not see the drawing: what it shows, in figures. */
  readonly description: string
  readonly xTitle: string
  readonly x: Axis
  readonly y: Axis
  /** Left out when there is one entry alone. */
  readonly legend: readonly LegendEntry[]
  /** Drawn over the grid; nothing when there was nothing to draw. */
  readonly marks: readonly Markup[]
}

const width = 400
const height = 232
const area = { left: 54, right: width - 16, top: 10, bottom: height - 40 } as const

export function placeX(axis: Axis, value: number): number {
  return rounded(area.left + axis.place(value) * (area.right - area.left))
}

export function placeY(axis: Axis, value: number): number {
  return rounded(area.bottom - axis.place(value) * (area.bottom - area.top))
}

export const plotLeft = area.left
export const plotRight = area.right
export const plotTop = area.top
export const plotBottom = area.bottom

export function plotFigure(plot: Plot): Markup {
  return markup`<figure class="chart"><figcaption>${plot.title}${legend(plot.legend)}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img"><title>${plot.title}</title><desc>${plot.description}</desc>
${grid(plot)}${plot.marks.length === 0 ? nothing : plot.marks}
<text class="axis" x="${(area.left + area.right) / 2}" y="${height - 4}" text-anchor="middle">${plot.xTitle}</text></svg></figure>
`
}

/** The classes of a mark with this look. */
export function classOf({ color, isBefore }: Look): string {
  return isBefore ? `c${color} before` : `c${color}`
}

const nothing = markup`<text class="nothing" x="${(area.left + area.right) / 2}" y="${(area.top + area.bottom) / 2}" text-anchor="middle">nothing came</text>`

function legend(entries: readonly LegendEntry[]): Content {
  if (entries.length < 2) return undefined
  const items = entries.map(({ name, look }) => {
    return markup`<li><svg viewBox="0 0 26 8" aria-hidden="true"><path class="line ${classOf(look)}" d="M1 4H25"/></svg>${name}</li>`
  })
  return markup`<ul class="legend">${items}</ul>`
}

function grid({ x, y }: Plot): Markup[] {
  const rows = y.ticks.map(({ value, label }) => {
    const at = placeY(y, value)
    return markup`<path class="grid" d="M${area.left} ${at}H${area.right}"/><text class="tick" x="${area.left - 6}" y="${at + 4}" text-anchor="end">${label}</text>`
  })
  const columns = apart(x).map(({ value, label }) => {
    const at = placeX(x, value)
    return markup`<path class="grid" d="M${at} ${area.top}V${area.bottom + 4}"/><text class="tick" x="${at}" y="${area.bottom + 17}" text-anchor="${anchorAt(at, label)}">${label}</text>`
  })
  return [...rows, ...columns, markup`<path class="base" d="M${area.left} ${area.bottom}H${area.right}"/>`]
}

const letterPixels = 7
const spacePixels = 9

/** A label that would leave the drawing stands to the left of its line. */
function anchorAt(at: number, label: string): 'middle' | 'end' {
  return at + (label.length * letterPixels) / 2 > width - 1 ? 'end' : 'middle'
}

/** Those of the ticks whose labels do not touch. */
function apart(axis: Axis): Tick[] {
  let free = Number.NEGATIVE_INFINITY
  return axis.ticks.filter(({ value, label }) => {
    const half = (label.length * letterPixels) / 2
    const at = placeX(axis, value)
    if (at - half < free) return false
    free = at + half + spacePixels
    return true
  })
}

/** A path through the places; each list is a piece of its own, a single place is a dash. */
export function pathOf(pieces: readonly (readonly (readonly [number, number])[])[]): string {
  return pieces
    .filter((piece) => piece.length > 0)
    .map((piece) => {
      const line = piece.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x} ${y}`).join('')
      return piece.length === 1 ? `${line}m-2 0h4` : line
    })
    .join('')
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10
}
