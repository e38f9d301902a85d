import { hash } from 'node:crypto'
import type { LogRecord, NewRecord } from '../protocol/record.ts'
import type { LogPlace } from './session-log.ts'

/**
 * A record as every store writes it, and the mark that chains it to all records before it.
 *
 * The problem: a store that travelled back in time hands out a `seq` twice, so a number proves nothing about the past.
 * The mark does: two logs that differ anywhere have different marks from there on, and a producer that writes a lost
 * record again gives it the mark it had, which makes its readers' cursors valid again. That holds only if equal
 * records have equal payloads, so the payload is canonical (keys sorted, absent fields left out), and only if every
 * store shares this file: the mark must not depend on where the log happens to live.
 */

/** Written into each payload. Another version is not guessed at: its reader skips and counts it. */
export const payloadVersion = 1

/** 13 hex digits are 52 bits: the most that a double counts without a gap. */
const markHexDigits = 13

const recordTypes: ReadonlySet<unknown> = new Set<NewRecord['type']>([
  'message.added',
  'turn.started',
  'turn.restarted',
  'turn.completed',
  'turn.cancelled',
  'turn.failed',
  'feedback.added',
])

export type DecodedPayload =
  | { readonly kind: 'ok'; readonly record: NewRecord; readonly openedBy?: string }
  /** Of a later version, or no payload at all: the caller leaves it out and counts it. */
  | { readonly kind: 'unknown' }

/** A terminal's `text` is left out: the tapes' bytes are stored beside the payload, and its hash is in the record. */
export function encodePayload(record: NewRecord, openedBy?: string): string {
  return JSON.stringify({ v: payloadVersion, record: withoutText(record), openedBy }, sortKeys)
}

export function decodePayload(payload: string): DecodedPayload {
  const value = parseObject(payload)
  if (value?.v !== payloadVersion || !isRecord(value.record)) return { kind: 'unknown' }
  const { record, openedBy } = value
  return typeof openedBy === 'string' ? { kind: 'ok', record, openedBy } : { kind: 'ok', record }
}

/** The place of the record that follows `previous`. */
export function placeAfter(previous: LogPlace, payload: string): LogPlace {
  const digest = hash('sha1', `${previous.seq}-${previous.mark}|${payload}`)
  return { seq: previous.seq + 1, mark: Number.parseInt(digest.slice(0, markHexDigits), 16) }
}

export function placeRecord(record: NewRecord, { seq, mark }: LogPlace): LogRecord {
  return { ...record, seq, mark }
}

function withoutText(record: NewRecord): NewRecord {
  if (!('text' in record)) return record
  const { text: _text, ...rest } = record
  return rest
}

function sortKeys(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function parseObject(payload: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(payload)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

/** Only `encodePayload` writes payloads of this version, so their type tells their shape. */
function isRecord(value: unknown): value is NewRecord {
  return isObject(value) && recordTypes.has(value.type)
}
