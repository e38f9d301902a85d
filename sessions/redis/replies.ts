import type { LogRecord } from '../../protocol/record.ts'
import { decodePayload, placeRecord } from '../record-payload.ts'
import type { LogEntry, LogPlace } from '../session-log.ts'
import type { Value } from './redis-link.ts'

/** What scripts answer, in the words of the port. A value of another shape is a bug of a script, and throws. */

export function text(value: Value | undefined): string {
  if (Buffer.isBuffer(value)) return value.toString()
  throw new Error(`unable to read a reply of the store: expected text, got ${typeof value}`)
}

export function count(value: Value | undefined): number {
  const number = Buffer.isBuffer(value) ? Number(value.toString()) : value
  if (typeof number === 'number' && Number.isFinite(number)) return number
  throw new Error(`unable to read a reply of the store: expected a number, got ${typeof value}`)
}

export function list(value: Value | undefined): readonly Value[] {
  if (Array.isArray(value)) return value
  throw new Error(`unable to read a reply of the store: expected a list, got ${typeof value}`)
}

/** A place in a log as the store writes it: `seq-mark`. */
export function placeOf(id: string): LogPlace {
  const dash = id.indexOf('-')
  return { seq: Number(id.slice(0, dash)), mark: Number(id.slice(dash + 1)) }
}

export function idOf({ seq, mark }: LogPlace): string {
  return `${seq}-${mark}`
}

/** Entries of a stream, `[id, [field, value, …]]` each, with the texts of terminals. */
export function entriesOf(value: Value | undefined, unknown: () => void): LogEntry[] {
  return list(value).map((item) => {
    const [id, fields] = list(item)
    return storedEntry(text(id), list(fields), unknown)
  })
}

function storedEntry(id: string, fields: readonly Value[], unknown: () => void): LogEntry {
  const entry = entryOf(id, text(fields[1]), unknown)
  const texts: Buffer[] = []
  for (let index = 3; index < fields.length; index += 2) {
    const part = fields[index]
    if (Buffer.isBuffer(part)) texts.push(part)
  }
  return isEnding(entry.record) ? { ...entry, texts } : entry
}

function isEnding({ type }: LogRecord): boolean {
  return type === 'turn.completed' || type === 'turn.cancelled' || type === 'turn.failed'
}

/** A record in its place. One of a later version keeps its place, and says nothing. */
export function entryOf(id: string, payload: string, unknown: () => void): LogEntry {
  const decoded = decodePayload(payload)
  const place = placeOf(id)
  if (decoded.kind === 'unknown') {
    unknown()
    return { record: { type: 'record.skipped', timeMs: 0, ...place } }
  }
  const record = placeRecord(decoded.record, place)
  return decoded.openedBy === undefined ? { record } : { record, openedBy: decoded.openedBy }
}
