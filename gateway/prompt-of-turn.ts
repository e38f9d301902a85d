import type { RecordOf } from '../protocol/record.ts'
import type { SessionLog } from '../sessions/session-log.ts'
import { ratedPageRecords, ratedPages } from './bounds.ts'

/**
 * Which prompt a turn's last attempt was asked with, so that what a user thinks of the answer is said of it. Undefined
 * when the turn has no attempt, or is further back than is read for a rating.
 */
export async function promptOfTurn(
  log: Pick<SessionLog, 'page'>,
  session: string,
  turn: string,
): Promise<RecordOf<'turn.started'>['prompt']> {
  let before: number | undefined
  for (let page = 0; page < ratedPages; page++) {
    const reply = await log.page({ session, limit: ratedPageRecords, ...(before === undefined ? {} : { before }) })
    if (reply.kind === 'gone') return undefined
    for (const { record } of reply.entries.toReversed()) {
      const isOpening = record.type === 'turn.started' || record.type === 'turn.restarted'
      if (isOpening && record.turn === turn) return record.prompt
      if (record.type === 'message.added' && record.turn === turn) return undefined
    }
    before = reply.entries[0]?.record.seq
    if (!reply.hasMore || before === undefined) return undefined
  }
  return undefined
}
