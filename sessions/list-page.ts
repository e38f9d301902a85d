import type { ListedSession, ListRequest } from './session-log.ts'

/** One page of a list of sessions, filled up to its number of entries and its bytes. */
export class ListPage {
  readonly sessions: ListedSession[] = []
  readonly #limit: number
  readonly #maxBytes: number
  #bytes = 0

  constructor({ limit, maxBytes = Number.POSITIVE_INFINITY }: Pick<ListRequest, 'limit' | 'maxBytes'>) {
    this.#limit = limit
    this.#maxBytes = maxBytes
  }

  /** Answers false when the entry is for the next page. */
  add(listed: ListedSession): boolean {
    this.#bytes += Buffer.byteLength(JSON.stringify(listed)) + 1
    const isFull = this.sessions.length > 0 && this.#bytes > this.#maxBytes
    if (isFull || this.sessions.length >= this.#limit) return false
    this.sessions.push(listed)
    return true
  }
}
