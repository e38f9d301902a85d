import type { Down } from '../protocol/down.ts'
import { deltaTextBytes } from '../protocol/limits.ts'
import { isTerminal, type LogRecord } from '../protocol/record.ts'
import type { RangeEncoder } from '../sessions/feed-tape.ts'
import type { LogEntry } from '../sessions/session-log.ts'
import { pageBytes } from './bounds.ts'

/** Frames down as bytes. What many sockets get is encoded once and shared. */

/** `turn.delta` by hand: the one frame that is made once a token. Ids need no escaping. */
export function deltaEncoder(session: string, turn: string, attempt: number, part: number): RangeEncoder {
  const head = `{"type":"turn.delta","session":"${session}","turn":"${turn}","attempt":${attempt},"part":${part},"at":`
  return (at, end, text) => Buffer.from(`${head}${at},"end":${end},"text":${JSON.stringify(text)}}`)
}

/** A record as it is sent live. Without `text`, since watchers have it, unless `text` is given. */
export function liveRecordFrame(session: string, record: LogRecord, text?: string): Buffer {
  return Buffer.from(JSON.stringify(text === undefined ? { ...record, session } : { ...record, session, text }))
}

export function encodeFrame(frame: Down): string {
  return JSON.stringify(frame)
}

/** A record of a page: a terminal with its whole text, if that is not too long to be sent whole. */
function pageRecord(entry: LogEntry): LogRecord {
  const { record, texts } = entry
  const text = texts?.[0]
  if (!isTerminal(record) || text === undefined || text.length > deltaTextBytes) return record
  return { ...record, text: text.toString() }
}

/** As many records as a frame holds, from the front, or from the back for pages that look back. At least one. */
export function fitPage(
  entries: readonly LogEntry[],
  from: 'front' | 'back',
): { records: LogRecord[]; isCut: boolean } {
  const ordered = from === 'front' ? entries : [...entries].reverse()
  const records: LogRecord[] = []
  let bytes = 0
  for (const entry of ordered) {
    const record = fitRecord(entry)
    bytes += Buffer.byteLength(JSON.stringify(record))
    if (records.length > 0 && bytes > pageBytes) break
    records.push(record)
  }
  if (from === 'back') records.reverse()
  return { records, isCut: records.length < entries.length }
}

/** The record with its text, or without where JSON's escapes make it too long for a frame. */
export function fitRecord(entry: LogEntry): LogRecord {
  const record = pageRecord(entry)
  return Buffer.byteLength(JSON.stringify(record)) > pageBytes ? entry.record : record
}
