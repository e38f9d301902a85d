import { z } from 'zod'
import { feedbackAdded } from './records/feedback-added.ts'
import { messageAdded } from './records/message-added.ts'
import { recordSkipped } from './records/record-skipped.ts'
import { turnCancelled, turnCompleted, turnFailed } from './records/terminal.ts'
import { turnRestarted } from './records/turn-restarted.ts'
import { turnStarted } from './records/turn-started.ts'

/**
 * A session's discrete records. A record *is* the live frame that announced it, without `session`; the log of them is
 * the history. Live, each comes with `session`, once, in the order of `seq`.
 */
export const recordSchema = z.discriminatedUnion('type', [
  messageAdded,
  turnStarted,
  turnRestarted,
  turnCompleted,
  turnCancelled,
  turnFailed,
  feedbackAdded,
  recordSkipped,
])

export type LogRecord = z.infer<typeof recordSchema>
export type RecordType = LogRecord['type']
export type RecordOf<T extends RecordType> = Extract<LogRecord, { type: T }>
export type TerminalRecord = RecordOf<'turn.completed' | 'turn.cancelled' | 'turn.failed'>
/** The record that opens an attempt. */
export type OpeningRecord = RecordOf<'turn.started' | 'turn.restarted'>

type Unnumbered<R> = R extends unknown ? Omit<R, 'seq' | 'mark'> : never
/** A record as its writer knows it: the store gives `seq` and `mark`. */
export type NewRecord = Unnumbered<LogRecord>

export function isTerminal(record: LogRecord): record is TerminalRecord {
  return record.type === 'turn.completed' || record.type === 'turn.cancelled' || record.type === 'turn.failed'
}
