/** What bounds the booking of what turns used; each with its unit. */

/** Turns whose use is not booked yet, those under way included; one more is lost at once, and said. */
export const unsettledMax = 10_000
/** Turns booked at once, when the store is back. */
export const settleBatch = 200
/** How long the booking of one turn is tried, in milliseconds; then it is lost, and said. */
export const settleTotalMs = 10 * 60_000
/** The wait after a failed try: at first, doubled each time, at most; spread by half. In milliseconds. */
export const settleRetryMinMs = 100
export const settleRetryMaxMs = 5_000
