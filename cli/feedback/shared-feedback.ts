/** What users shared of their feedback in one session. */
import { createHash } from 'node:crypto'
import type { RecordOf } from '../../protocol/record.ts'
import type { LogEntry, SessionLog } from '../../sessions/session-log.ts'

/** One line of an export. Whose it is, is not in it, nor what was asked and answered. */
export interface SharedFeedback {
  /** The same for all lines of a session, and not its id. */
  readonly session: string
  readonly turn: string
  readonly rating: -1 | 0 | 1
  readonly comment?: string
  /** Of the attempt whose text stands. */
  readonly model?: string
  readonly prompt?: RecordOf<'turn.started'>['prompt']
  readonly timeMs: number
}

/** Records read at once. */
const pageRecords = 100

/** The last feedback for each turn, if it was shared; ascending. Rejects while the store is away. Empty for a session that is gone. */
export async function sharedFeedback(
  log: Pick<SessionLog, 'page'>,
  session: string,
): Promise<readonly SharedFeedback[]> {
  const reader = createReader(session)
  for (let before: number | undefined; ; ) {
    const reply = await log.page({ session, limit: pageRecords, ...(before === undefined ? {} : { before }) })
    if (reply.kind === 'gone') return reader.found()
    for (const entry of reply.entries.toReversed()) reader.take(entry)
    before = reply.entries[0]?.record.seq
    if (!reply.hasMore || before === undefined) return reader.found()
  }
}

/** Takes records from the last to the first, so that of each turn the last feedback and the last attempt come first. */
function createReader(session: string) {
  const last = new Map<string, RecordOf<'feedback.added'>>()
  const opened = new Map<string, RecordOf<'turn.started'> | RecordOf<'turn.restarted'>>()
  const pseudonym = createHash('sha256').update(session).digest('base64url').slice(0, 22)
  return {
    take({ record }: LogEntry) {
      if (record.type === 'feedback.added' && !last.has(record.turn)) last.set(record.turn, record)
      const isOpening = record.type === 'turn.started' || record.type === 'turn.restarted'
      if (isOpening && last.get(record.turn)?.share === true && !opened.has(record.turn))
        opened.set(record.turn, record)
    },
    found: (): readonly SharedFeedback[] =>
      [...last.values()]
        .filter(({ share }) => share === true)
        .map((given) => lineOf(pseudonym, given, opened.get(given.turn)))
        .reverse(),
  }
}

function lineOf(
  session: string,
  { turn, rating, comment, timeMs }: RecordOf<'feedback.added'>,
  attempt: RecordOf<'turn.started'> | RecordOf<'turn.restarted'> | undefined,
): SharedFeedback {
  return {
    session,
    turn,
    rating,
    ...(comment !== undefined && { comment }),
    ...(attempt !== undefined && { model: attempt.model }),
    ...(attempt?.prompt !== undefined && { prompt: attempt.prompt }),
    timeMs,
  }
}
