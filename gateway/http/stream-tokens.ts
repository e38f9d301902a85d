import { type Refusal, refusal } from '../../protocol/error.ts'
import type { Identity } from '../auth/identity.ts'
import { CLOCK_TOLERANCE_SECONDS, TOKEN_LOOK_MS } from '../auth/limits.ts'

/**
 * Streams and waiting answers, each under the token that asked for it: when the token ends, or its key is removed, the
 * answer to it ends too. One timer looks at all of them, and there is none while nothing is open.
 */
export class StreamTokens {
  readonly #checkKeys: () => void
  readonly #nowMs: () => number
  readonly #held = new Set<HeldToken>()
  #timer: NodeJS.Timeout | undefined

  /** `checkKeys` is called with each look, so that a removed key shows also while no other request comes. */
  constructor(checkKeys: () => void, nowMs: () => number) {
    this.#checkKeys = checkKeys
    this.#nowMs = nowMs
  }

  /** Calls `end` at most once, when the token ends before the answer does. What it returns must be called at the answer's end. */
  hold(identity: Identity, end: (reason: Refusal) => void): () => void {
    const held = { identity, end }
    this.#held.add(held)
    this.#timer ??= setInterval(() => this.#look(), TOKEN_LOOK_MS).unref()
    return () => this.#release(held)
  }

  #release(held: HeldToken): void {
    this.#held.delete(held)
    if (this.#held.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    this.#checkKeys()
    const nowMs = this.#nowMs() - 1000 * CLOCK_TOLERANCE_SECONDS
    for (const held of this.#held) {
      const { identity, end } = held
      const reason = endOf(identity, nowMs)
      if (reason === undefined) continue
      this.#release(held)
      end(reason)
    }
  }
}

interface HeldToken {
  readonly identity: Identity
  readonly end: (reason: Refusal) => void
}

function endOf({ signedBy, expiresAtMs }: Identity, nowMs: number): Refusal | undefined {
  if (signedBy?.isRemoved) return keyRemoved
  return nowMs >= expiresAtMs ? expired : undefined
}

const expired = refusal('unauthenticated', 'the token has expired: go on with a new one')
const keyRemoved = refusal('unauthenticated', 'the key that signed this token was removed: go on with a new token')
