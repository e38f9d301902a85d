/**
 * Answers given before, for requests that allow it: the very same conversation of the same tenant, asked of the same model.
 *
 * What is kept is what the model said, before values are put back into it, and what it is found by is what the model saw: with
 * redaction on, two sessions share an answer only where no personal data is in either. Bounded by entries, bytes and age;
 * the longest unused goes first. An answer goes with the session that it was made in, wherever that is erased.
 */
import { createHash } from 'node:crypto'
import type { WatchErasure } from './erasure.ts'
import type { CachePolicy } from './policy.ts'
import type { Question } from './route/target.ts'

export interface CachedAnswer {
  readonly text: string
  readonly finishReason: string
}

export interface AnswerCache {
  get(key: string, policy: CachePolicy): CachedAnswer | undefined
  /** `session`: the one that the answer was made in. */
  put(key: string, answer: CachedAnswer, policy: CachePolicy, session: string): void
  /** Forgets everything, and keeps nothing more. */
  close(): void
}

/** `models`: the one that the message named, or the default, and those that may answer for it. */
export function cacheKey(
  tenant: string,
  models: readonly string[],
  { messages, maxOutputTokens, parameters }: Question,
): string {
  return createHash('sha256')
    .update(JSON.stringify([tenant, models, maxOutputTokens, messages, parameters]))
    .digest('base64')
}

interface Entry extends CachedAnswer {
  readonly atMs: number
  readonly bytes: number
  readonly session: string
}

/** A session that answers here were made in; kept for as long as one of them is. */
interface Source {
  readonly keys: Set<string>
  readonly stopWatching: () => void
}

export function createAnswerCache(monotonicMs: () => number, watchErasure: WatchErasure): AnswerCache {
  return new Cache(monotonicMs, watchErasure)
}

class Cache implements AnswerCache {
  readonly #monotonicMs: () => number
  readonly #watchErasure: WatchErasure
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>()
  readonly #sources = new Map<string, Source>()
  #bytes = 0
  #isClosed = false

  constructor(monotonicMs: () => number, watchErasure: WatchErasure) {
    this.#monotonicMs = monotonicMs
    this.#watchErasure = watchErasure
  }

  get(key: string, { ttlMs }: CachePolicy): CachedAnswer | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (this.#monotonicMs() >= entry.atMs + ttlMs) {
      this.#remove(key)
      return undefined
    }
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry
  }

  put(key: string, { text, finishReason }: CachedAnswer, policy: CachePolicy, session: string): void {
    this.#remove(key)
    const { maxEntries, maxBytes } = policy
    const bytes = Buffer.byteLength(text) + key.length
    if (this.#isClosed || bytes > maxBytes || maxEntries === 0) return
    this.#entries.set(key, { text, finishReason, atMs: this.#monotonicMs(), bytes, session })
    this.#bytes += bytes
    this.#source(session).keys.add(key)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= maxEntries && this.#bytes <= maxBytes) break
      this.#remove(oldest)
    }
  }

  close(): void {
    this.#isClosed = true
    for (const key of [...this.#entries.keys()]) this.#remove(key)
  }

  #source(session: string): Source {
    const known = this.#sources.get(session)
    if (known !== undefined) return known
    const forget = () => {
      for (const key of [...(this.#sources.get(session)?.keys ?? [])]) this.#remove(key)
    }
    const source = { keys: new Set<string>(), stopWatching: this.#watchErasure(session, forget) }
    this.#sources.set(session, source)
    return source
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
    const source = this.#sources.get(entry.session)
    source?.keys.delete(key)
    if (source?.keys.size !== 0) return
    this.#sources.delete(entry.session)
    source.stopWatching()
  }
}
