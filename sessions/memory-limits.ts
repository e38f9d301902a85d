/** What the memory store bounds. An operator may set the first five; at the limit, see each. */

/** Sessions at most; then `create` answers `store-full`. */
export const sessionsMax = 10_000
/** Sessions of one owner at most; then `create` answers `owner-full`, so that nobody fills the store for all. */
export const ownedSessionsMax = 1_000
/** Estimated bytes of all sessions at most; then `create` and `accept` answer `store-full`, and turns still end. */
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
