/** What bounds HTTP beside the configured limits; each with its unit and what happens at it. */

/** Text of one `turn.delta` event, in UTF-8 bytes: what a reader that is behind gets at once. */
export const eventTextBytes = 16 * 1024

/** A comment is sent after this long without an event, in milliseconds, so that no proxy thinks the stream dead. */
export const heartbeatMs = 15_000

/** A stream from which nothing was taken for this long is ended, in milliseconds; its client resumes. */
export const stalledMs = 120_000

/** What a client waits before it connects anew (`retry`), in milliseconds. */
export const reconnectMs = 1_000

/** A stream that cannot read the store tries again after this long, in milliseconds. */
export const storeRetryMs = 1_000

/** Records in which an ended turn's message is looked for, back from its terminal record; a turn with more between is not streamed. */
export const turnSearchRecords = 10_000

/** Records between a stream's place and the log's end that are walked one by one; with more the turn is looked up first. */
export const walkedRecordsMax = 64

/** Files of the page: a larger one is not served. In bytes. */
export const pageFileBytes = 16 * 1024 * 1024

/** The longest `Last-Event-ID`, in characters. */
export const eventIdLength = 2_048

/** Files of the page that are kept in memory, in bytes of them all; above, all are read again. */
export const pageKeptBytes = 32 * 1024 * 1024

/** A client that asked for more than it may gets its 429 after this, in milliseconds: until then its connection can ask for nothing else. */
export const refusedAfterMs = 1_000
