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

/** The end of a turn that was produced here is read when it was not heard for this time, in milliseconds. */
export const endHeardMs = 100

/** Feeds of a node that read the store at once; the others wait, those with a running turn least. */
export const readsAtOnce = 64

/** A feed of a shared store looks at it after so much silence, in milliseconds: while a turn runs, … */
export const checkRunningMs = 1_000
/** … and while none does, between these, at random. */
export const checkIdleMinMs = 30_000
export const checkIdleMaxMs = 60_000
/** However often it finds something that way, it does not look more often than this, in milliseconds. */
export const checkAgainMinMs = 100
