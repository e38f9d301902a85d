/** What bounds the budgets' books, in memory and in Redis; each with its unit and what happens at it. */

/** Come back after this time, in milliseconds, when only answers that run stand in the way: some of them will end. */
export const heldRetryMs = 1_000
/**
 * A turn is remembered so long after it was settled, or after its reservation lapsed, in milliseconds: whatever is
 * repeated within this time changes nothing. Longer than anybody repeats anything.
 */
export const rememberTurnMs = 2 * 60 * 60_000
/** A scope's counters go this long after their last use, in milliseconds: longer than a month. */
export const keepScopeMs = 32 * 24 * 60 * 60_000

/** What the memory ledger remembers; above, the longest unused is forgotten that holds nothing, with what it spent. */
export const memoryScopesMax = 100_000
export const memorySessionsMax = 100_000
export const memoryTurnsMax = 100_000
