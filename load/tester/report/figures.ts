/** Numbers as people read them, and texts from outside as terminals and pages can bear them. */

/** `0.42 ms`, `31.5 ms`, `812 ms`, `1.24 s`, `2:05`. */
export function formatMs(ms: number): string {
  if (ms < 1000) return `${significant(ms)} ms`
  return ms < 120_000 ? `${significant(ms / 1000)} s` : formatClock(ms)
}

/** A difference in milliseconds, with its sign. */
export function formatSignedMs(ms: number): string {
  return `${signOf(ms)}${formatMs(Math.abs(ms))}`
}

export function signOf(value: number): string {
  if (value === 0) return '±'
  return value > 0 ? '+' : '−'
}

/** `0:05`, `12:30`, `1:02:03`. */
export function formatClock(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const two = (number: number) => String(number).padStart(2, '0')
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}

/** `12,345`. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

/** Two digits after the point at most, cut and not rounded: 98.999 % is not 99 %. */
export function formatShare(share: number): string {
  return `${Math.floor(share * 10_000 + 1e-6) / 100} %`
}

/** `41.2`, `3,450`: of something each second. */
export function formatRate(perSecond: number): string {
  return perSecond < 1000 ? significant(perSecond) : formatCount(perSecond)
}

/** `812 B`, `4.21 MB`: powers of 1,000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${significant(bytes / 1000 ** power)} ${units[power]}`
}

/** UTC, to the second. */
export function formatTime(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** Three significant digits, and no zeros at the end of a fraction. */
function significant(value: number): string {
  if (value >= 100) return String(Math.round(value))
  return String(Number(value.toPrecision(3)))
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** A text on one line, without what would drive a terminal or turn the direction of reading. */
export function printable(text: string): string {
  return text.replace(unprintable, '·')
}
