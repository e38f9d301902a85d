import { tailEntries } from './feed-limits.ts'
import type { LogEntry, LogPlace } from './session-log.ts'

/**
 * The last entries of a session's log up to its head, without gaps, and without texts. Bounded: older entries are in
 * the store. Before anything was read the head is at -1.
 */
export class LogTail {
  head: LogPlace = { seq: -1, mark: 0 }
  #entries: LogEntry[] = []

  /** The entry after `seq`; `undefined` if the tail does not reach back to it. */
  after(seq: number): LogEntry | undefined {
    return this.#entries[this.#entries.length - (this.head.seq - seq)]
  }

  /** Whether `position` is a place in this history, as far as the tail tells. */
  knows({ seq, mark }: LogPlace): boolean {
    if (seq === this.head.seq) return mark === this.head.mark
    // Every history begins there; the tail of a new session has nothing to prove it by.
    if (seq === 0) return mark === 0
    return this.after(seq - 1)?.record.mark === mark
  }

  add(entry: LogEntry): void {
    const { record } = entry
    this.#entries.push(entry.texts === undefined ? entry : withoutTexts(entry))
    if (this.#entries.length > tailEntries) this.#entries.splice(0, this.#entries.length - tailEntries / 2)
    this.head = { seq: record.seq, mark: record.mark }
  }

  /** Another history takes the place of this one: its latest entries, up to its head. */
  replace(entries: readonly LogEntry[], head: LogPlace): void {
    this.#entries = []
    for (const entry of entries) this.add(entry)
    this.head = head
  }
}

function withoutTexts({ record, openedBy }: LogEntry): LogEntry {
  return openedBy === undefined ? { record } : { record, openedBy }
}
