/** What bounds the Redis store; each with its unit and what happens at it. */

/** How often connections are looked at, in milliseconds, and through how many looks one may owe the same answer. */
export const silenceLookMs = 250
export const silentLooksMax = 4
/** A connection that is not made within this time is tried again, in milliseconds. */
export const connectTimeoutMs = 1_000
/** The longest wait before a lost connection is made again, in milliseconds. */
export const reconnectMaxMs = 250
/** The longest wait before a Sentinel is listened to again that was away, in milliseconds. */
export const sentinelReconnectMaxMs = 10_000
/** Redirections of one command in a cluster; then the store counts as away for it. */
export const redirectionsMax = 4

/** A heartbeat is published so often, and after so many unheard ones the subscriptions' connection is destroyed. */
export const heartbeatMs = 1_000
export const missedHeartbeatsMax = 2

/** Appends, and UTF-16 units of text in all, that one script takes: Redis serves nobody meanwhile. */
export const joinedAppendsMax = 64
export const joinedTextMax = 64 * 1024

/** Sessions that are asked to be subscribed to at once on one connection; the rest wait for their answers. */
export const subscribeBatch = 500

/** Lists of running turns, so that no single key is everybody's: by a hash of the session. */
export const runningShards = 8
/** The most that one look at one of these lists brings. */
export const lapsedMax = 64

/** Message ids remembered for a session; an older one is taken for a new message. */
export const rememberedMessages = 256

/** Records with more bytes than this in all are not read in one step, but for one: Redis serves nobody meanwhile. */
export const readRecordBytes = 256 * 1024

/** Sessions of a list that are read at once; a page that is full by then reads no more. */
export const listBatch = 32

/** Rounds of one question whose tapes were others meanwhile; then the store counts as away for it. */
export const againMax = 5

/**
 * What a session and a record cost beside their texts, in bytes, as shares count it: measured and rounded up. The second is
 * also in `lua/shared.lua`.
 */
export const sessionBytes = 1_280
export const recordBytes = 400

/** Sessions whose time seems to be over that one write of their owner has looked at, and as many owners of a tenant. */
export const dueMax = 16
/** An owner whose share is full has its sessions looked at this often at most, in milliseconds: what is gone makes room. */
export const goThroughMs = 5_000
/** As many of them, the longest unused, and so many at once. */
export const goThroughMax = 1_000
export const goThroughAtOnce = 200
/** Sessions whose owner, and tenants whose account a node remembers; above, the longest unused is forgotten and asked for again. */
export const knownAccountsMax = 50_000
export const knownTenantsMax = 10_000

/** `store-full` asks to come back after this time, in milliseconds: what frees memory is not known here. */
export const fullRetryMs = 5_000

/** Erased sessions that are erased again later; above, the oldest is at once. */
export const erasuresMax = 1_000
/** How often that is tried while the store is away, each time after the same grace period. */
export const eraseTries = 20
/** Keys that one step of a walk over all sessions looks at, and how long such a walk waits for its connection, in milliseconds. */
export const scanKeys = 500
export const scanConnectMs = 10_000
