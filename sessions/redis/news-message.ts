import type { Metadata } from '../../protocol/shapes.ts'
import type { LogListener } from '../session-log.ts'
import { entryOf, placeOf } from './replies.ts'

/**
 * What the store's scripts publish, each behind the version of its form:
 *
 *     1 record <head before> <id> <payload>        1 <token> <turn> <attempt> <part> <at> <end>\n<text>
 *     1 nudge renew|taken|cancel
 *     1 updated <metadata>
 *     1 erased
 *
 * Text is absent where it was too long to be published. A message of another version is left out: whoever listens
 * finds by position that something is missing.
 */
const versionHead = Buffer.from('1 ')
/** `<token> <turn> <attempt> <part> <at> <end>`; a message with more words is unknown, and no more of them are read. */
const deltaWords = 6
const newline = '\n'.charCodeAt(0)

/** One for all the listeners of a session, so that a message is read once. */
export type Telling = (listener: LogListener) => void

export function readNews(message: Buffer, unknown: () => void): Telling | undefined {
  if (!isOurs(message)) {
    unknown()
    return undefined
  }
  const space = message.indexOf(' ', 2)
  const kind = message.toString('latin1', 2, space < 0 ? undefined : space)
  const rest = space < 0 ? '' : message.toString('utf8', space + 1)
  switch (kind) {
    case 'record':
      return readRecord(rest, unknown)
    case 'nudge':
      return readNudge(rest, unknown)
    case 'updated':
      return readUpdated(rest, unknown)
    case 'erased':
      return (listener) => listener.erased('erased')
    default:
      unknown()
      return undefined
  }
}

export function readDelta(message: Buffer, unknown: () => void): Telling | undefined {
  const end = message.indexOf(newline)
  const [token, turn, ...words] = message.toString('latin1', 2, Math.max(end, 0)).split(' ', deltaWords + 1)
  const numbers = words.map(Number)
  const [attempt = 0, part = 0, at = 0, to = 0] = numbers
  const isWhole = numbers.length === 4 && numbers.every(isCount)
  if (!isOurs(message) || token === undefined || turn === undefined || !isWhole) {
    unknown()
    return undefined
  }
  const fence = { token, turn, attempt }
  const text = end + 1 < message.length ? message.subarray(end + 1) : undefined
  return (listener) => listener.delta(fence, part, at, to, text)
}

function isOurs(message: Buffer): boolean {
  return message[0] === versionHead[0] && message[1] === versionHead[1]
}

function readRecord(rest: string, unknown: () => void): Telling | undefined {
  const [head = '', id = ''] = rest.split(' ', 2)
  const previous = placeOf(head)
  const { seq, mark } = placeOf(id)
  if (![previous.seq, previous.mark, seq, mark].every(isCount)) {
    unknown()
    return undefined
  }
  const entry = entryOf(id, rest.slice(head.length + id.length + 2), unknown)
  return (listener) => listener.record(previous, entry)
}

/** Metadata that is no JSON object is left out: thrown here, it would end the process. */
function readUpdated(rest: string, unknown: () => void): Telling | undefined {
  const metadata = metadataIn(rest === '' ? '{}' : rest)
  if (metadata !== undefined) return (listener) => listener.updated(metadata)
  unknown()
  return undefined
}

function metadataIn(json: string): Metadata | undefined {
  try {
    const value: unknown = JSON.parse(json)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    // The store writes what it was given, which the port's type vouches for.
    return Object.freeze(value) as Metadata
  } catch {
    return undefined
  }
}

function isCount(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 0
}

function readNudge(name: string, unknown: () => void): Telling | undefined {
  if (name === 'renew' || name === 'taken' || name === 'cancel') return (listener) => listener.nudge(name)
  unknown()
  return undefined
}
