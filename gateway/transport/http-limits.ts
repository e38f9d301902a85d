/** What bounds HTTP connections, on every transport; each with its unit and what happens at it. */

/**
 * An answer of which the client takes nothing for this long ends its connection, in milliseconds. It counts once the whole
 * answer was handed over: a stream that goes on has its own bound. uWebSockets.js has 10 s of its own.
 */
export const untakenAnswerMs = 20_000

/**
 * A connection without a request is closed after this, in milliseconds, whatever else it sends. Above the 60 s after which
 * common load balancers give up an idle connection: else they send into a closed one. uWebSockets.js has 10 s of its own.
 */
export const keepAliveMs = 75_000

/**
 * Connections from addresses above their rate wait to be read: so many at most, and so many are read in
 * each interval: 100 a second. One more is closed after the last of these. Times are in milliseconds.
 */
export const slowLaneMax = 500
export const slowLaneBatch = 2
export const slowLaneIntervalMs = 20
export const slowLaneFullMs = 1_000

/** That connections speak another protocol is logged at most once in this time, in milliseconds. */
export const otherProtocolLogMs = 10_000
