/**
 * Everything in the client that can grow, wait or be tried again has its bound here, with what happens at the limit.
 * Constants of their own, so that a bundler writes the numbers in; `createClient`'s `limits` overrides the first three.
 */
export const defaultBounds = {
  /** Messages of one session not yet ended. One more is failed at once as `busy`. */
  maxPendingMessages: 100,
  /** The wait before dial n is random between 0 and the smaller of `backoffCapMs` and `backoffBaseMs` · 2^n. */
  backoffBaseMs: 500,
  backoffCapMs: 30_000,
} as const

export type Bounds = { readonly [Name in keyof typeof defaultBounds]: number }

/** Messages that failed before they were accepted and are still shown; the oldest is forgotten. */
export const maxFailedMessages = 20

/** Turns held of one session; the oldest are dropped and `hasMore` says that they can be loaded again. */
export const maxTurns = 5_000

/** Calls (lists, updates, cancels) not yet answered. One more is refused as `busy`. */
export const maxCalls = 200

/** A socket that has not opened by then is given up. */
export const dialMs = 10_000

/** A socket on which `hello` has not been answered by then is given up. */
export const welcomeMs = 10_000

/** A token that has not come by then counts as a failure, and is asked for again after a backoff. */
export const tokenMs = 30_000

/** A token with less than this to live is not tried: a new one is asked for. */
export const tokenSlackMs = 5_000

/** Refusals of the token in a row, after which the client stops. */
export const maxTokenRefusals = 3

/** A connection that lasted this long begins the backoff anew. */
export const stableMs = 1_000

/** Dials hurried by `online` or by the foreground are at least this far apart, so a flapping network cannot loop. */
export const hurriedDialMs = 1_000

/** How long a ping sent because the app came back may stay unanswered before the socket is replaced. */
export const probeMs = 5_000

/** The share of the gateway's frames a second that this client uses. */
export const frameShare = 0.5

/** Until the gateway says, at most that many frames a second. */
export const framesPerSecond = 20

/** An open that is not answered by then is sent again. */
export const openMs = 15_000

/** Re-opens of one session within `reopenWindowMs` that are sent at once; further ones wait with backoff. */
export const maxQuickReopens = 3
export const reopenWindowMs = 10_000

/** A call that is not answered by then, reconnects included, is answered `unavailable`. */
export const callMs = 30_000

/** A message whose record has not come by then makes the session be opened anew, and is sent again if it is lost. */
export const messageMs = 15_000
/** Refusals of one message that are waited out, before it is failed with the last of them. */
export const maxMessageRefusals = 20

/** A refused request is not sent again sooner than this, whatever the refusal says. */
export const minRetryWaitMs = 100

/** A refusal that asks for a longer wait than this is final. */
export const maxRetryWaitMs = 60_000

/** Sockets that one message may cost before it is given up. */
export const maxMessageCosts = 2

/** The largest frame up that a transport takes, in bytes; what is larger is failed as `too-large`, unsent. */
export const maxFrameBytes = 1024 * 1024

/** Reads in vain of one text, before it is given up as unreadable. */
export const maxTextReads = 8
