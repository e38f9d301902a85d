// Everything here that can grow or wait has its bound in this file, with its unit and what happens at the limit.

/** Bytes of a request's body; a longer one is answered 413. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024

/** Tokens of one answer; a setting above it is answered 400. */
export const MAX_ANSWER_TOKENS = 1_000_000

/** Milliseconds to the first token; a setting above it is answered 400. */
export const MAX_TTFT_MS = 600_000

/** Tokens a second of one stream; a setting above it is answered 400. `0` is as fast as the reader takes them. */
export const MAX_TOKENS_PER_SECOND = 1_000_000

/** Bytes of the one delta of `giant-delta`; a setting above it is answered 400. */
export const MAX_GIANT_BYTES = 16 * 1024 * 1024

/** Tokens put into one write when several are due at once; the rest follow in further writes. */
export const MAX_TOKENS_PER_WRITE = 256

/** Requests kept for tests by default; beyond it the oldest are forgotten. */
export const DEFAULT_KEPT_REQUESTS = 1_000

/** Keys whose faults are counted (`times`); beyond it the oldest count is forgotten and begins anew. */
export const MAX_FAULT_KEYS = 10_000

/** Milliseconds between the two halves of a split character, so that they travel in two TCP segments. */
export const SPLIT_GAP_MS = 20

/** Milliseconds an idle kept-alive connection is kept: longer than HTTP clients keep theirs, so that none dies in use. */
export const KEEP_ALIVE_MS = 120_000

/** Milliseconds `waitFor` waits by default before it fails and prints what did come. */
export const DEFAULT_DEADLINE_MS = 5_000
