/** What bounds a gateway beside the configured limits; each with its unit and what happens at it. */

import { frameDownBytes } from '../protocol/limits.ts'

/** Malformed frames that a socket may send before it is closed with 4501, and how fast it is forgiven, per second. */
export const badFramesMax = 20
export const badFramesForgivenPerSecond = 0.2

/** Frames above the allowed rate that are refused before the socket is closed with 4100, in seconds of that rate. */
export const tooFastSeconds = 5

/**
 * The largest frame before `welcome`, in UTF-8 bytes: a `hello` with a token of 16 KiB fits. A larger one is not read, and
 * closes the socket with 4500.
 */
export const strangerFrameBytes = 24 * 1024

/** All that a socket may send before `welcome`, in bytes on the wire; more closes it with 4500. */
export const strangerBytes = 128 * 1024

/** Frames held, unparsed, while a token is verified, and their length in UTF-16 units; more are refused as rate-limited. */
export const heldFramesMax = 32
export const heldLength = 64 * 1024

/** A frame counts as one frame for each started piece of this length, in UTF-16 units, against the rate. */
export const frameCostLength = 16 * 1024

/** A request for a page (`session.list`, `history.get`) counts as this many frames against the rate. */
export const pageCostFrames = 8

/** An answer counts as one frame more for each whole piece of this size, in UTF-8 bytes, against its socket's rate. */
export const answerCostBytes = 16 * 1024

/** All sockets of one subject on a node together have as high a rate as this many sockets. */
export const subjectRateSockets = 10

/** Subjects whose rate a node remembers; above, the least recently used begins anew. */
export const subjectRatesMax = 50_000

/** A refused frame of at most this length, in UTF-16 units, is parsed to name its `id`; of a longer one only the beginning is read. */
export const refusedParseLength = 4 * 1024

/** What a frame or an HTTP body may hold: levels, values, and characters in a number. Above, it is `invalid` and is not parsed. */
export const jsonDepthMax = 32
export const jsonValuesMax = 1_024
export const jsonNumberLength = 64

/** Requests of one socket that are served at once; more wait, and above the second number are refused as rate-limited. */
export const requestsAtOnce = 16
export const requestsWaitingMax = 128

/** The text of a socket's waiting requests, in UTF-16 units; with more a further one is refused as rate-limited. */
export const requestsWaitingLength = 512 * 1024

/**
 * What a socket may have unanswered, with the answers under way counted at their largest, before its requests wait; and
 * what its library may hold because the kernel does not take it. In bytes.
 */
export const unansweredForRequestsBytes = 512 * 1024
export const unsentForRequestsBytes = 64 * 1024

/** The largest answer of a request that brings no page, record or text of others, in bytes. */
export const smallAnswerBytes = 32 * 1024

/** A socket with more than this unanswered does not read and is closed with 4002, in bytes. */
export const unreadBytesMax = 1024 * 1024

/** Pongs to a client's own pings that it does not read: above this, in bytes, the connection is ended. */
export const unreadPongsBytes = 64 * 1024

/**
 * What the records of one page may take as JSON, in bytes: further ones are left for the next page, and one that is
 * larger alone goes without its text. The rest of the frame is for what stands around them.
 */
export const pageBytes = frameDownBytes - 64 * 1024

/** What a delta's frame holds beside its text, at most, in bytes: so much of the room is left out when text is cut. */
export const deltaHeadBytes = 384

/** No delta is cut to less text than this, in bytes, however little room there is. */
export const leastTextBytes = 256

/** Room in a socket's window below which nothing is begun, in bytes: enough for the least delta, all of it escaped. */
export const leastRoomBytes = deltaHeadBytes + 6 * leastTextBytes

/** Records read at once for a reader that is behind its feed's tail; what is after them is read when these are sent. */
export const fetchRecords = 20

/** Text read at once for such a reader, in bytes, so that it fits a frame when JSON escapes all of it. */
export const fetchTextBytes = 32 * 1024

/** After a read that failed a reader's next one waits, from the first to the second of these, in milliseconds. */
export const fetchAgainMinMs = 100
export const fetchAgainMaxMs = 5_000

/** Sessions whose owner a node remembers; the least recently asked for is forgotten and looked up again. */
export const knownOwnersMax = 50_000

/** What a client is told to wait when the store does not answer, in milliseconds. */
export const unavailableRetryMs = 1_000

/** The largest HTTP request body, in bytes: content at its limit, escaped. */
export const requestBodyBytes = 1024 * 1024

/** Sockets of a leaving node are asked to reconnect spread over at most this time, in milliseconds. */
export const drainSpreadMs = 10_000

/** How long after its delay a client may take to be welcome elsewhere and close here, in milliseconds. */
export const drainGraceMs = 3_000

/** How long a drained node waits for the last close frames, in milliseconds. */
export const lastFramesMs = 500

/** How long a start waits for the store's first answer, in milliseconds; then it fails. */
export const firstConnectionMs = 10_000

/** How often the store is asked whether all of it answers and no setting endangers sessions, in milliseconds. */
export const storeLookMs = 1_000

/**
 * Clients without a good token that a node keeps connected at once, of all addresses: new connections above it are closed at
 * once. On `ws` one that does nothing costs about 24 KiB, so this is about 200 MiB.
 */
export const strangersMax = 8_192

/** What an address without a good token may ask for at once, in seconds of its rate; more is refused with 429. */
export const strangerWorkSeconds = 10

/** A connection that ends without a good token counts as so many requests, beside what it asked for. */
export const strangerConnectionCost = 1

/** A socket that was closed for what it sent, or did not read, counts against its address as so many requests. */
export const misbehavedSocketCost = 50

/**
 * A node whose event loop is busy for more than the first, as a share of `pressureLookMs`, counts what clients ask for so
 * many times as the second says. The log is told at most once in `pressureReportMs`. Times are in milliseconds.
 */
export const pressedUtilization = 0.85
export const pressedCost = 4
export const pressureLookMs = 200
export const pressureReportMs = 60_000

/** A socket that ends without `welcome` counts as so many requests: so much more does it cost. */
export const strangerSocketCost = 5

/** Addresses, and subjects, whose rate is remembered; above, the one that was heard of longest ago begins anew. */
export const strangerNamesMax = 50_000

/** The log is told of refused addresses at most once in this time, in milliseconds. */
export const strangerReportMs = 10_000

/** Requests of a subject that are answered at once, beside its streams and waiting answers; more are refused as rate-limited. */
export const subjectRequestsAtOnce = 64

/**
 * Bodies of a subject's requests under way, in bytes, by the length that each announces; one in chunks counts as the largest
 * body. One more is refused as rate-limited before it is read.
 */
export const subjectBodyBytes = 16 * 1024 * 1024

/**
 * What a subject may write a minute on one node beside messages: sessions, metadata, feedback. More is refused as
 * `rate-limited`. An operator may set it.
 */
export const writesPerMinute = 600
/** Subjects whose writes a node counts; above, the longest unused is forgotten. */
export const writersMax = 50_000
