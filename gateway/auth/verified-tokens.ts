import { hash } from 'node:crypto'
import type { Identity } from './identity.ts'
import { VERIFIED_TOKENS_MAX_COUNT } from './limits.ts'
import type { FoundKey, TokenKey } from './token-key.ts'

/**
 * Who the tokens are that were verified before. After a broken network all clients come back at once, with the tokens that
 * they had, and a signature each is much of what their return costs.
 *
 * A token counts by its digest and only beside the very key that verified it, so what a withdrawn key verified is
 * forgotten with that key. Past its `exp` it is verified anew, which says what is wrong with it.
 */
export class VerifiedTokens {
  readonly #byKey = new WeakMap<TokenKey, Map<string, Identity>>()

  /** By any of the keys that hold now, before a signature is tried with the first of them. */
  find(keys: readonly Pick<FoundKey, 'key'>[], digest: string, nowMs: number): Identity | undefined {
    for (const { key } of keys) {
      const identity = this.#byKey.get(key)?.get(digest)
      if (identity !== undefined && nowMs < identity.expiresAtMs) return identity
    }
    return undefined
  }

  keep(key: TokenKey, digest: string, identity: Identity): void {
    const known = this.#byKey.get(key) ?? new Map<string, Identity>()
    this.#byKey.set(key, known)
    known.set(digest, identity)
    if (known.size <= VERIFIED_TOKENS_MAX_COUNT) return
    const [oldest] = known.keys()
    if (oldest !== undefined) known.delete(oldest)
  }
}

export const digestOf = (token: string): string => hash('sha256', token, 'base64')
