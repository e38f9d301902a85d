import { pageRecordsMax } from '../../protocol/limits.ts'
import { type LogPlace, logStart, type SessionLog } from '../../sessions/session-log.ts'
import { turnSearchRecords } from './limits.ts'

/** The place before the record `seq`, which is in the log; `undefined` when it no longer is. */
export async function placeBefore(log: SessionLog, session: string, seq: number): Promise<LogPlace | undefined> {
  if (seq <= 1) return logStart
  const reply = await log.page({ session, before: seq, limit: 1 })
  const record = reply.kind === 'ok' ? reply.entries.at(-1)?.record : undefined
  return record === undefined ? undefined : { seq: record.seq, mark: record.mark }
}

/** The place before a turn's message; looked for from the end, since it is mostly a late turn that is asked for. */
export async function placeBeforeTurn(log: SessionLog, session: string, turn: string): Promise<LogPlace | undefined> {
  let before: number | undefined
  for (let searched = 0; searched < turnSearchRecords; searched += pageRecordsMax) {
    const reply = await log.page({ session, limit: pageRecordsMax, ...(before === undefined ? {} : { before }) })
    if (reply.kind === 'gone') return undefined
    const found = reply.entries.find(({ record }) => record.type === 'message.added' && record.turn === turn)
    if (found !== undefined) return placeBefore(log, session, found.record.seq)
    before = reply.entries[0]?.record.seq
    if (!reply.hasMore || before === undefined) return undefined
  }
  return undefined
}
