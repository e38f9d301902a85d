import { createHash } from 'node:crypto'
import { encodePayload } from './record-payload.ts'
import type { FeedbackRequest } from './session-log.ts'

/**
 * Feedback records that one turn takes; then `addFeedback` answers `too-many`, and the last one stays. Enough for somebody who
 * changes their mind; a bound on what a turn that is over can still add to its log.
 */
export const feedbackPerTurnMax = 16

/** Enough of a SHA-1 to tell the feedback of one turn apart. */
const digestLength = 32

export interface EncodedFeedback {
  readonly payload: string
  /** Of all of the record: the same call again, however late, adds nothing. */
  readonly exact: string
  /** Of all but its time: a client that repeats a request, or says what stands there already, adds nothing. */
  readonly content: string
}

export function encodeFeedback(record: FeedbackRequest['record']): EncodedFeedback {
  const payload = encodePayload(record)
  return { payload, exact: digest(payload), content: digest(encodePayload({ ...record, timeMs: 0 })) }
}

function digest(text: string): string {
  return createHash('sha1').update(text).digest('hex').slice(0, digestLength)
}
