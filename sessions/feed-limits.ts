/** What bounds a feed; each with its unit and what happens at it. */

/** A lost subscription is made again after this time, in milliseconds. */
export const resubscribeMs = 100

/** After a read that failed the store is read again, later each time, in milliseconds. */
export const readAgainMinMs = 100
export const readAgainMaxMs = 5_000

/** Who begins to watch waits at most so long for the subscription and the first read, in milliseconds. */
export const settleWithinMs = 1_000

/** Reads in a row before a feed goes on with what it has: a whole tape is 16 slices. */
export const readRounds = 64

/** The most entries that a feed keeps; a reader further behind is served from the store. */
export const tailEntries = 64
