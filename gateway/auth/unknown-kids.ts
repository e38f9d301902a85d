import { KID_MAX_LENGTH, UNKNOWN_KIDS_MAX_COUNT } from './limits.ts'

/**
 * Which unknown `kid`s a key set may come to name. A token may be signed with a key that is newer than the set that was
 * fetched: its client should wait for the next fetch, not throw the token away. A `kid` that a fetch looked for in vain, or
 * that the set named before, is not waited for. Anybody may make up a `kid`, so a bounded number is remembered.
 */
export class UnknownKids {
  /** In the last set, also of entries that are not used. */
  #named = new Set<string>()
  /** Asked for since the last fetch. */
  readonly #asked = new Set<string>()
  /** A fetch did not bring them, or they were removed; the oldest first. */
  readonly #absent = new Set<string>()

  /** Whether the next fetch may bring it, and notes that it is looked for. */
  mayCome(kid: unknown): boolean {
    if (typeof kid !== 'string' || kid.length > KID_MAX_LENGTH) return false
    if (this.#named.has(kid) || this.#absent.has(kid)) return false
    if (this.#asked.size < UNKNOWN_KIDS_MAX_COUNT) this.#asked.add(kid)
    return true
  }

  /** A fetch brought a set whose entries have these `kid`s. */
  fetched(kids: readonly unknown[]): void {
    for (const kid of [...this.#asked, ...this.#named]) this.#absent.add(kid)
    this.#asked.clear()
    this.#named = new Set(kids.filter((kid) => typeof kid === 'string'))
    for (const kid of this.#named) this.#absent.delete(kid)
    for (const kid of this.#absent) {
      if (this.#absent.size <= UNKNOWN_KIDS_MAX_COUNT) break
      this.#absent.delete(kid)
    }
  }
}
