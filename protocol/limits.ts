/**
 * What the wire itself bounds, in one place. What an operator may set (content, frames a second, sockets) is told to
 * each client in `welcome.limits`; what stands here is the same on every gateway of this version.
 */

/** Ids on the wire: sessions, turns, messages, requests, keys. */
export const idPattern = /^[A-Za-z0-9_-]{1,64}$/

/** The largest frame down, in UTF-8 bytes. Some phones refuse a message of more than 1 MiB. */
export const frameDownBytes = 256 * 1024

/** The most text in one `turn.delta` or `turn.text`, in UTF-8 bytes of the text itself, before JSON escapes it. */
export const deltaTextBytes = 64 * 1024

/** The most that is written to a socket and not yet answered by a pong, in bytes. */
export const windowBytes = 64 * 1024

/** A ping follows each such many bytes written; its payload is the count of bytes written so far, in decimal. */
export const pingEveryBytes = 16 * 1024

/** A socket is dead when nothing at all came for this many heartbeats. */
export const missedHeartbeats = 3

/** Records in one page: what a request gets that does not say, and the most it can ask for. */
export const pageRecordsDefault = 50
export const pageRecordsMax = 100

/** Sessions in one `session.page`. */
export const pageSessionsDefault = 50
export const pageSessionsMax = 100

/** The longest answer, in UTF-8 bytes of one part; it then ends with `finishReason: "length"`. */
export const tapeBytes = 1024 * 1024

/** Parts of one answer: text, reasoning, tool calls. */
export const partsMax = 64

/** A feedback's comment, in UTF-16 units. */
export const commentLength = 4_000

/** A session's or message's metadata: entries, the length of a key and of a text value, and its JSON in bytes. */
export const metadataEntries = 32
export const metadataValueLength = 1_024
export const metadataBytes = 8 * 1024

/** A token, in bytes: what common proxies let through in one header. */
export const tokenBytes = 16 * 1024

/** The first characters of a session's first message, for lists; in UTF-16 units. */
export const previewLength = 120

/** `token.expiring` is sent this long before the token's end. */
export const tokenExpiringAheadMs = 60_000
