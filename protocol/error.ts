/**
 * Refusals in band. A kind says what the client does next, the message says why and what to do, for a person.
 *
 * | the client                      | kinds |
 * |---------------------------------|-------|
 * | mends its request               | invalid, conflict, too-large, filtered |
 * | gets another token or asks less | unauthenticated, forbidden, not-found |
 * | waits, then sends the same      | rate-limited, busy, over-budget, unavailable |
 * | may try again                   | provider, internal |
 */
export const errorKinds = [
  'invalid',
  'unauthenticated',
  'forbidden',
  'not-found',
  'conflict',
  'too-large',
  'rate-limited',
  'busy',
  'over-budget',
  'unavailable',
  'provider',
  'filtered',
  'internal',
] as const

export type ErrorKind = (typeof errorKinds)[number]

/** Whether the same request may succeed later, unchanged, unless an error says otherwise. */
export const retryableKinds: ReadonlySet<ErrorKind> = new Set([
  'rate-limited',
  'busy',
  'over-budget',
  'unavailable',
  'provider',
  'internal',
])

/** A refusal as a value: what `error` carries, and a failed turn's `error`. */
export interface Refusal {
  readonly kind: ErrorKind
  readonly message: string
  readonly retryable: boolean
  readonly retryAfterMs?: number
}

/** `retryAfterMs`: milliseconds to wait before the same request is worth sending again. */
export function refusal(kind: ErrorKind, message: string, retryAfterMs?: number): Refusal {
  const retryable = retryableKinds.has(kind)
  return retryAfterMs === undefined ? { kind, message, retryable } : { kind, message, retryable, retryAfterMs }
}
