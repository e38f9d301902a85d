import type { CryptoKey, KeyObject } from 'jose'

/**
 * A key that signs tokens, as its source names it: one object for as long as the source names the key, however often the
 * source is read. Whoever is served under a token holds the token's key and looks at `isRemoved`, so that nothing has to
 * be told to thousands of sockets when a key goes.
 */
export interface TokenKey {
  /** The source does not name the key any more: tokens signed by it have ended. Never becomes false again. */
  readonly isRemoved: boolean
}

/** What a signature is verified with, and the key that it belongs to. */
export interface FoundKey {
  readonly key: TokenKey
  readonly material: Uint8Array | KeyObject | CryptoKey
}

/** The keys of one source, by what makes them the same key when the source is read again. */
export class TokenKeys {
  #byId = new Map<string, { isRemoved: boolean }>()

  /** Keeps the keys with these ids, makes those that are new, and marks all others as removed. */
  keepOnly(ids: Iterable<string>): void {
    const before = this.#byId
    this.#byId = new Map()
    for (const id of ids) this.#byId.set(id, this.#byId.get(id) ?? before.get(id) ?? { isRemoved: false })
    for (const [id, key] of before) key.isRemoved = !this.#byId.has(id)
  }

  of(id: string): TokenKey | undefined {
    return this.#byId.get(id)
  }
}
