import { z } from 'zod'
import { error } from './down/error.ts'
import { goingAway } from './down/going-away.ts'
import { historyPage } from './down/history-page.ts'
import {
  liveFeedbackAdded,
  liveMessageAdded,
  liveRecordSkipped,
  liveTurnCancelled,
  liveTurnCompleted,
  liveTurnFailed,
  liveTurnRestarted,
  liveTurnStarted,
} from './down/live-record.ts'
import { messageAccepted } from './down/message-accepted.ts'
import { pong } from './down/pong.ts'
import { sessionClosed } from './down/session-closed.ts'
import { sessionDeleted } from './down/session-deleted.ts'
import { sessionOpened } from './down/session-opened.ts'
import { sessionPage } from './down/session-page.ts'
import { sessionUpdated } from './down/session-updated.ts'
import { tokenExpiring } from './down/token-expiring.ts'
import { tokenRefreshed } from './down/token-refreshed.ts'
import { turnCancelling } from './down/turn-cancelling.ts'
import { turnDelta } from './down/turn-delta.ts'
import { turnText } from './down/turn-text.ts'
import { welcome } from './down/welcome.ts'

/** Everything a gateway may send. A client ignores types, fields and values that it does not know. */
export const down = z.discriminatedUnion('type', [
  welcome,
  tokenRefreshed,
  tokenExpiring,
  sessionOpened,
  sessionClosed,
  sessionPage,
  sessionUpdated,
  sessionDeleted,
  messageAccepted,
  liveMessageAdded,
  liveTurnStarted,
  liveTurnRestarted,
  turnDelta,
  liveTurnCompleted,
  liveTurnCancelled,
  liveTurnFailed,
  turnCancelling,
  turnText,
  historyPage,
  liveFeedbackAdded,
  liveRecordSkipped,
  pong,
  goingAway,
  error,
])

export type Down = z.infer<typeof down>
export type DownType = Down['type']
export type DownOf<T extends DownType> = Extract<Down, { type: T }>
