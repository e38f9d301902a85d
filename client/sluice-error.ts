import type { ErrorKind, Refusal } from '../protocol/error.ts'

/** A call was refused, by the gateway or for want of it. `kind` says what to do next, `message` is for people. */
export class SluiceError extends Error {
  override readonly name = 'SluiceError'
  readonly kind: ErrorKind
  readonly retryable: boolean
  /** Milliseconds after which the same call may succeed. */
  readonly retryAfterMs: number | undefined

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.kind = refusal.kind
    this.retryable = refusal.retryable
    this.retryAfterMs = refusal.retryAfterMs
  }
}
