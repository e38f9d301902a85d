/** Everything in the load tester that can grow or wait, with its unit and what happens at the limit. */

/** Bytes of one line, or of one object, of a source file; a longer one is refused with its number. */
export const itemBytesMax = 16 * 1024 * 1024

/** Events of one recording: it is read as a whole, since its events are of many sessions; more are refused. */
export const recordingEventsMax = 5_000_000

/** Bytes of a question's text, in UTF-8: what is longer is cut, and counted. The gateway's limit, with room for a directive. */
export const contentBytesMax = 128 * 1024 - 64

/** The same as it is written in JSON, where a quote is two bytes and a control character six. */
export const contentJsonBytesMax = 192 * 1024 - 64

/** Sockets of one worker at once. In open loop a session above it waits, which counts, and the driver is named as the limit. */
export const socketsPerWorkerMax = 10_000

/** Worker processes. */
export const workersMax = 64

/** How long before its first question a session's socket is dialed in open loop, so that the question alone is measured. */
export const dialAheadMs = 1_000

/** From dialing until the session is open; then the socket is given up and dialed anew. In milliseconds. */
export const openingMaxMs = 25_000

/** Dials in a row that came to nothing, after which a session is given up. */
export const failedDialsMax = 8

/** Between two dials that came to nothing: a random time up to this, doubled each time, up to the most. In milliseconds. */
export const backoffMs = 250
export const backoffMaxMs = 8_000

/** Closed loop: how long a socket's place stays empty after a session that could not go on, in milliseconds. */
export const afterFailureMs = 1_000

/** How often one question is sent again after retryable refusals, before it counts as failed. */
export const refusalsMax = 20

/** How long after a retryable refusal that does not say, in milliseconds. */
export const againMs = 250

/** Tokens fetched at once by one worker. */
export const tokenFetchesMax = 10

/** How long one token may take to come, in milliseconds. */
export const tokenFetchMaxMs = 10_000

/** Examples kept of each kind of wrong answer; the count goes on. */
export const faultExamplesMax = 5

/** Times are recorded up to one hour; a longer one counts as one hour. In microseconds. */
export const timeMaxUs = 3_600_000_000

/** Points of the series; in a longer run the last one gathers the rest. */
export const pointsMax = 20_000

/** How long a worker may take until it is ready, and until it has said its last word, in milliseconds. */
export const workerReadyMaxMs = 30_000
export const workerEndMaxMs = 10_000
