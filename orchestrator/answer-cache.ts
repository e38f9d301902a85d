/**
 * Answers given before, for requests that allow it: the very same conversation of the same tenant, asked of the same model.
 *
 * What is kept is what the model said, before values are put back into it, and what it is found by is what the model saw: with
 * redaction on, two sessions share an answer only where no personal data is in either. Bounded by entries, bytes and age;
 * the longest unused goes first.
 */
import { createHash } from 'node:crypto'
import type { CachePolicy } from './policy.ts'
import type { Question } from './route/target.ts'

export interface CachedAnswer {
  readonly text: string
  readonly finishReason: string
}

export interface AnswerCache {
  get(key: string, policy: CachePolicy): CachedAnswer | undefined
  put(key: string, answer: CachedAnswer, policy: CachePolicy): void
}

/** `models`: the one that the message named, or the default, and those that may answer for it. */
export function cacheKey(tenant: string, models: readonly string[], { messages, maxOutputTokens }: Question): string {
  return createHash('sha256')
    .update(JSON.stringify([tenant, models, maxOutputTokens, messages]))
    .digest('base64')
}

interface Entry extends CachedAnswer {
  readonly atMs: number
  readonly bytes: number
}

export function createAnswerCache(monotonicMs: () => number): AnswerCache {
  const entries = new Map<string, Entry>()
  let bytes = 0
  const remove = (key: string) => {
    bytes -= entries.get(key)?.bytes ?? 0
    entries.delete(key)
  }
  return {
    get(key, { ttlMs }) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      // Deleted and set again, the map's order is that of the last use.
      entries.delete(key)
      if (monotonicMs() < entry.atMs + ttlMs) {
        entries.set(key, entry)
        return entry
      }
      bytes -= entry.bytes
      return undefined
    },
    put(key, { text, finishReason }, { maxEntries, maxBytes }) {
      remove(key)
      const size = Buffer.byteLength(text) + key.length
      if (size > maxBytes || maxEntries === 0) return
      entries.set(key, { text, finishReason, atMs: monotonicMs(), bytes: size })
      bytes += size
      for (const oldest of entries.keys()) {
        if (entries.size <= maxEntries && bytes <= maxBytes) break
        remove(oldest)
      }
    },
  }
}
