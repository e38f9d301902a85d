/** What the memory store bounds. An operator may set the first three; at the limit, see each. Shares: `shares.ts`. */

/** Sessions at most; then `create` answers `store-full`. */
export const sessionsMax = 10_000
/** Estimated bytes of all sessions at most; then whatever would add to them is answered `store-full`, and turns still end. */
export const storeBytesMax = 256 * 1024 * 1024
/** A session without a running turn is erased this long after its last use, in milliseconds. */
export const sessionTtlMs = 30 * 24 * 60 * 60 * 1000
/** Message ids remembered for a session; an older one is taken for a new message. */
export const rememberedMessages = 256

/** The most turns with a lapsed lease that are named at once. */
export const lapsedMax = 64

/** How often the expired are looked for, and how many are looked at without a pause. */
export const sweepEveryMs = 1_000
export const sweepBatch = 500

/** `store-full` says when the oldest session expires, within these bounds, in milliseconds. */
export const retryAfterMinMs = 1_000
export const retryAfterMaxMs = 60_000

/** What a session and an entry cost beside their text, in bytes, for the estimate above: measured and rounded up. */
export const sessionOverheadBytes = 600
export const entryOverheadBytes = 700
