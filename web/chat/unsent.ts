import { tabStorage } from './storage.ts'

/**
 * Messages between "Send" and the gateway's log. A reload in that moment would lose them, and with them what the user
 * wrote; so they are kept and sent again with the same ids, which makes a repeated message the same one.
 */
export interface UnsentMessage {
  /** The conversation, or the key by which it is being made. */
  readonly session: string
  /** It is the key. */
  readonly isNew?: boolean
  readonly messageId: string
  readonly content: string
  readonly replaces?: string
}

/** The most that are kept; with more the oldest is only in memory. */
const maxKept = 20

export function unsentOf(session: string): readonly UnsentMessage[] {
  return readAll().filter((entry) => entry.session === session)
}

/** One message of each conversation that has any. */
export function unsentPlaces(): Iterable<Pick<UnsentMessage, 'session' | 'isNew'>> {
  return new Map(readAll().map((entry) => [entry.session, entry])).values()
}

export function keepUnsent(message: UnsentMessage): void {
  const others = readAll().filter(({ messageId }) => messageId !== message.messageId)
  writeAll([...others, message].slice(-maxKept))
}

/** A conversation that was being made has its id now. */
export function moveUnsent(key: string, session: string): void {
  const all = readAll()
  if (!all.some((entry) => entry.session === key)) return
  writeAll(all.map((entry) => (entry.session === key ? { ...entry, session, isNew: false } : entry)))
}

/** They are in the log now, or were given up in sight of the user. */
export function forgetUnsent(messageIds: ReadonlySet<string>): void {
  const all = readAll()
  const kept = all.filter(({ messageId }) => !messageIds.has(messageId))
  if (kept.length < all.length) writeAll(kept)
}

function readAll(): readonly UnsentMessage[] {
  try {
    const kept: unknown = JSON.parse(tabStorage.read('unsent') ?? '[]')
    return Array.isArray(kept) ? kept.filter(isUnsent) : []
  } catch {
    return []
  }
}

function writeAll(messages: readonly UnsentMessage[]): void {
  tabStorage.write('unsent', messages.length === 0 ? undefined : JSON.stringify(messages))
}

function isUnsent(value: unknown): value is UnsentMessage {
  if (typeof value !== 'object' || value === null) return false
  const { session, messageId, content } = value as Record<string, unknown>
  return [session, messageId, content].every((field) => typeof field === 'string')
}
