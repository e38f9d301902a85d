const dayMs = 24 * 60 * 60_000

/** UTC days since 1970. */
export function dayOf(nowMs: number): number {
  return Math.floor(nowMs / dayMs)
}

/** UTC months since the year 0. */
export function monthOf(nowMs: number): number {
  const date = new Date(nowMs)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

/** Milliseconds until the next UTC day begins. */
export function untilNextDayMs(nowMs: number): number {
  return (dayOf(nowMs) + 1) * dayMs - nowMs
}

/** Milliseconds until the next UTC month begins. */
export function untilNextMonthMs(nowMs: number): number {
  const date = new Date(nowMs)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) - nowMs
}
