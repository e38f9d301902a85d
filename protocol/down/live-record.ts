import { feedbackAdded } from '../records/feedback-added.ts'
import { messageAdded } from '../records/message-added.ts'
import { recordSkipped } from '../records/record-skipped.ts'
import { turnCancelled, turnCompleted, turnFailed } from '../records/terminal.ts'
import { turnRestarted } from '../records/turn-restarted.ts'
import { turnStarted } from '../records/turn-started.ts'
import { id } from '../shapes.ts'

/** A record as it is sent live: the record itself and its session. */
const live = { session: id }
export const liveMessageAdded = messageAdded.extend(live)
export const liveTurnStarted = turnStarted.extend(live)
export const liveTurnRestarted = turnRestarted.extend(live)
export const liveTurnCompleted = turnCompleted.extend(live)
export const liveTurnCancelled = turnCancelled.extend(live)
export const liveTurnFailed = turnFailed.extend(live)
export const liveRecordSkipped = recordSkipped.extend(live)
/** With `ref` to who gave it; a watcher gets it without, too, and ignores whichever comes second by its `seq`. */
export const liveFeedbackAdded = feedbackAdded.extend({ ...live, ref: id.exactOptional() })
