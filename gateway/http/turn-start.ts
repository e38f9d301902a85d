import { pageRecordsDefault } from '../../protocol/limits.ts'
import { type LogPlace, logStart, type SessionLog } from '../../sessions/session-log.ts'
import { turnSearchRecords } from './limits.ts'

/** The place before the record `seq`, which is in the log; `undefined` when it no longer is. */
export async function placeBefore(log: SessionLog, session: string, seq: number): Promise<LogPlace | undefined> {
  if (seq <= 1) return logStart
  const reply = await log.page({ session, before: seq, limit: 1 })
  const record = reply.kind === 'ok' ? reply.entries.at(-1)?.record : undefined
  return record === undefined ? undefined : { seq: record.seq, mark: record.mark }
}

export interface TurnRange {
  /** The place before the turn's message. */
  readonly before: LogPlace
  /** The number of its terminal record; absent while it runs. */
  readonly endSeq?: number
}

/**
 * Where a turn is in its log; `undefined` when the session has no such turn, which costs one question. The store knows where
 * a turn ended; from there the few records of the turn itself are walked back to its message.
 */
export async function findTurnRange(log: SessionLog, session: string, turn: string): Promise<TurnRange | undefined> {
  const found = await log.findTurn({ session, turn })
  if (found.kind === 'running') return rangeFrom(await placeBefore(log, session, found.message.seq))
  if (found.kind !== 'ended') return undefined
  const messageSeq = await findMessage(log, session, turn, found.entry.seq)
  if (messageSeq === undefined) return undefined
  return rangeFrom(await placeBefore(log, session, messageSeq), found.entry.seq)
}

function rangeFrom(before: LogPlace | undefined, endSeq?: number): TurnRange | undefined {
  if (before === undefined) return undefined
  return endSeq === undefined ? { before } : { before, endSeq }
}

async function findMessage(
  log: SessionLog,
  session: string,
  turn: string,
  endSeq: number,
): Promise<number | undefined> {
  let before = endSeq
  for (let searched = 0; searched < turnSearchRecords; searched += pageRecordsDefault) {
    const reply = await log.page({ session, before, limit: pageRecordsDefault })
    if (reply.kind === 'gone') return undefined
    const message = reply.entries.findLast(({ record }) => record.type === 'message.added' && record.turn === turn)
    if (message !== undefined) return message.record.seq
    const first = reply.entries[0]
    if (!reply.hasMore || first === undefined) return undefined
    before = first.record.seq
  }
  return undefined
}
