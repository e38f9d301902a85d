/** Axes: where a value is on its way from 0 to 1, and which of them are written beside it. Nothing here is ever NaN. */

export interface Tick {
  readonly value: number
  readonly label: string
}

export interface Axis {
  /** 0 at the beginning of the axis, 1 at its end; values outside are taken to the nearer one. */
  readonly place: (value: number) => number
  readonly ticks: readonly Tick[]
}

type Format = (value: number) => string

/** From 0 to a round number not below `max`. */
export function linearAxis(max: number, format: Format): Axis {
  const step = roundStep(positive(max, 1) / 4)
  const count = Math.ceil(positive(max, 1) / step - 1e-9)
  const end = count * step
  return { place: (value) => within(value / end), ticks: ticksAt(range(count + 1, step), format) }
}

/** From `min` to `max` as they are, with round numbers between. */
export function spanAxis(min: number, max: number, format: Format): Axis {
  const width = positive(max - min, 1)
  const step = roundStep(width / 4)
  const first = Math.ceil(min / step - 1e-9)
  const count = Math.max(0, Math.floor((min + width) / step + 1e-9) - first + 1)
  const values = range(count, 1).map((index) => (first + index) * step)
  return { place: (value) => within((value - min) / width), ticks: ticksAt(values, format) }
}

/** From `min` to `max`, both above 0; each decade as wide as the other. */
export function logAxis(min: number, max: number, format: Format): Axis {
  const [low, high] = [Math.log10(min), Math.log10(max)]
  const width = positive(high - low, 1)
  const decades = range(Math.floor(high) - Math.floor(low) + 1, 1).map((index) => Math.floor(low) + index)
  const digits = width > 3 ? [1] : width > 1.5 ? [1, 3] : [1, 2, 5]
  const values = decades.flatMap((decade) => digits.map((digit) => digit * 10 ** decade))
  const shown = values.filter((value) => value >= min * 0.999 && value <= max * 1.001)
  return { place: (value) => within((Math.log10(value) - low) / width), ticks: ticksAt(shown, format) }
}

/** Time since the run began, in milliseconds: steps that clocks have. */
export function timeAxis(maxMs: number, format: Format): Axis {
  const end = positive(maxMs, 1000)
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400]
  const step = (steps.find((seconds) => end / (seconds * 1000) <= 6) ?? Math.ceil(end / 6000)) * 1000
  return { place: (value) => within(value / end), ticks: ticksAt(range(Math.floor(end / step) + 1, step), format) }
}

/** Percentiles as HdrHistogram draws them: over 1 ÷ (1 − p), so that each nine takes as much room. */
export function percentileAxis(maxCount: number): Axis {
  const end = Math.log10(Math.max(10, positive(maxCount, 10)))
  const nines = range(Math.floor(end + 1e-9), 1).map((index) => {
    const value = 10 ** (index + 1)
    return { value, label: `${Number((100 - 100 / value).toFixed(index + 1))} %` }
  })
  const ticks = [{ value: 1, label: '0 %' }, { value: 2, label: '50 %' }, ...nines]
  return { place: (value) => within(Math.log10(Math.max(1, value)) / end), ticks }
}

/** 1, 2, 2.5 or 5 times a power of ten, not below `size`. */
function roundStep(size: number): number {
  const power = 10 ** Math.floor(Math.log10(size))
  const digit = [1, 2, 2.5, 5, 10].find((candidate) => candidate * power >= size * 0.999) ?? 10
  return digit * power
}

function ticksAt(values: readonly number[], format: Format): Tick[] {
  return values.map((value) => ({ value, label: format(value) }))
}

function range(count: number, step: number): number[] {
  return Array.from({ length: Math.max(0, count) }, (_, index) => index * step)
}

/** What an axis spans at least: below it the arithmetic of its steps ends. */
const leastSpan = 1e-9

function positive(value: number, otherwise: number): number {
  return value >= leastSpan && Number.isFinite(value) ? value : otherwise
}

function within(share: number): number {
  return Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0
}
