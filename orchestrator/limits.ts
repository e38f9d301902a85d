/** What the orchestrator bounds by itself, in one place. What an operator may set is in `TurnOptions`. */

/** A message's content as JSON, in UTF-8 bytes: its record must fit a frame down with everything else in it. */
export const encodedContentBytes = 192 * 1024

/** Turns that run on one node; one more message is refused as busy. */
export const runningTurnsMax = 10_000

/** A producer's lease, in milliseconds, and after which share of it it is renewed; a lapsed one may be taken over. */
export const leaseMs = 5_000
export const renewalShare = 0.3

/** Text that the store has not acknowledged: above, the provider's body is paused, in bytes … */
export const unacknowledgedBytes = 1024 * 1024
/** … or in time; and after this long the provider is closed and the turn fails. */
export const unacknowledgedPauseMs = 30_000
export const unacknowledgedCloseMs = 60_000
/** … and of all turns of a node together: above, new messages are refused, in bytes. */
export const unacknowledgedNodeBytes = 256 * 1024 * 1024

/** A producer whose store does not answer for this long forgets its turn; a take-over ends it. */
export const storeAwayMs = 10 * 60_000

/** The wait before an operation of unknown outcome is repeated: between these, then doubled up to eight times. */
export const repeatMinMs = 10
export const repeatSpreadMs = 30
export const repeatDoublings = 3

/** Until a lost subscription is asked for again. */
export const resubscribeMs = 250

/** How often a turn's end may be answered `behind`; more is a bug, since each time its text was made good. */
export const behindMax = 8

/** How often `accept` is repeated before its caller hears `unavailable`. */
export const acceptTries = 3

/** A lapsed lease is a suspicion for this long, over an unbroken connection, before a take-over. */
export const takeOverGraceMs = 1_000
/** Sessions whose take-over is waiting; above, a suspicion is dropped and the next message finds it again. */
export const takeOversMax = 1_000
/** Questions asked in one take-over. */
export const takeOverTries = 5

/** Records in one page of history, and pages read for one prompt. */
export const historyPageRecords = 50
export const historyPagesMax = 20

/** After a drain's deadline: how long turns may take to write their terminal records. */
export const drainEndMs = 3_000

/** When to send again after `busy` and `unavailable`. */
export const busyRetryMs = 1_000
export const unavailableRetryMs = 1_000

/** A shared store may lose an end that it acknowledged, in a failover: a producer keeps it so long and says it again. */
export const settleGraceMs = 30_000
/** Ended turns that are kept so; above, the oldest is let go at once. */
export const settlingMax = 1_000

/** How often lapsed leases are looked for, in milliseconds; spread, since other nodes look too. */
export const seekMs = 400

/** In `wait` mode: how long a message waits for the answer before it, and how many may wait on one node. */
export const busyWaitMs = 30_000
export const busyWaitersMax = 1_000

/** How often the history is read for an accepted message while the store is away, and the longest wait in between. */
export const historyTries = 24
export const historyWaitMaxMs = 1_000

/** The part of a model's context that is kept free, since its tokens are estimated; an endpoint that still refuses gets the upper bound. */
export const contextMargin = 1 / 8
/** A question that leaves less of a model's context for its answer, in tokens, is not sent to that target. */
export const leastAnswerTokens = 64

/** Waits of one answer before it is given up, beside its deadline. */
export const roundsMax = 10
/**
 * A key that its provider did not accept, or whose account is empty, is left alone for this long, in milliseconds, unless it
 * is rotated …
 */
export const refusedKeyMs = 10_000
/** … one that came too often without being told for how long, for this … */
export const coolKeyMs = 1_000
/** … and none for less than this. */
export const coolKeyMinMs = 50
/** How often a thinking call's signs of life are looked at, in milliseconds; more often where a silence is short. */
export const signOfLifeMs = 500
/** A target that is in the policy no more stays for turns that began with it, in milliseconds; longer than any turn should last. */
export const retiredTargetMs = 15 * 60_000

/** More tokens than this in one direction of one call are no usage but a mistake of the provider, and not believed. */
export const reportedTokensMax = 16_000_000
/**
 * Tokens that a provider may have made when we closed its connection, which had not come yet: a second of most models. Booked
 * beside what came, up to the longest answer.
 */
export const unreadTokens = 128

/** How long a node that leaves tries to book what its turns used, in milliseconds. */
export const settleOnLeaveMs = 1_000

/** A reservation of budgets lapses after so many leases of its turn's producer, and then is booked whole; renewed each lease. */
export const reservationLeases = 3
