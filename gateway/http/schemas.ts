import { z } from 'zod'
import { error } from '../../protocol/down/error.ts'
import { historyPage } from '../../protocol/down/history-page.ts'
import {
  liveFeedbackAdded,
  liveMessageAdded,
  liveTurnCancelled,
  liveTurnCompleted,
  liveTurnFailed,
  liveTurnRestarted,
  liveTurnStarted,
} from '../../protocol/down/live-record.ts'
import { messageAccepted } from '../../protocol/down/message-accepted.ts'
import { sessionDeleted } from '../../protocol/down/session-deleted.ts'
import { sessionOpened } from '../../protocol/down/session-opened.ts'
import { sessionEntry, sessionPage } from '../../protocol/down/session-page.ts'
import { sessionUpdated } from '../../protocol/down/session-updated.ts'
import { turnCancelling } from '../../protocol/down/turn-cancelling.ts'
import { turnDelta } from '../../protocol/down/turn-delta.ts'
import { turnText } from '../../protocol/down/turn-text.ts'
import { pageRecordsMax, pageSessionsMax } from '../../protocol/limits.ts'
import { recordSchema } from '../../protocol/record.ts'
import { count, id, part, position, refusalSchema, seq } from '../../protocol/shapes.ts'
import { feedbackGive } from '../../protocol/up/feedback-give.ts'
import { messageSend } from '../../protocol/up/message-send.ts'
import { sessionOpen } from '../../protocol/up/session-open.ts'
import { sessionUpdate } from '../../protocol/up/session-update.ts'
import { wholeNumber } from './request-parts.ts'

/** What HTTP takes and gives: the socket's messages, less what the path, the headers and the method already say. */

export const newSession = sessionOpen.pick({ prompt: true, channel: true, metadata: true })
export const sessionChange = sessionUpdate.pick({ metadata: true })
export const newMessage = messageSend
  .pick({ content: true, replaces: true, model: true, metadata: true, cache: true })
  .extend({ messageId: id.optional().describe('or the Idempotency-Key header; with both they must be equal') })
export const newFeedback = feedbackGive.pick({ rating: true, comment: true, share: true })

export const sessionsQuery = z.object({
  before: z.string().max(128).optional().describe('the `next` of the page before'),
  limit: wholeNumber(z.int().min(1).max(pageSessionsMax)).optional(),
})
export const historyQuery = z.object({
  before: wholeNumber(seq).optional(),
  limit: wholeNumber(z.int().min(1).max(pageRecordsMax)).optional(),
})
export const textQuery = z.object({
  part: wholeNumber(part).optional().describe('default 0: the text'),
  at: wholeNumber(position).optional().describe('default 0'),
})
export const eventsQuery = z.object({
  lastEventId: z.string().optional().describe('for clients that cannot set Last-Event-ID; the header wins'),
})
export const developmentTokenQuery = z.object({
  subject: z.string().min(1),
  tenant: z.string().optional(),
  project: z.string().optional(),
  scope: z.string().optional().describe('separated by spaces; default: chat history'),
})

export const refused = z.object({ error: refusalSchema })

/** Of what the gateway tells; `deleted` and `lost` are a client's words for a turn that has no end. */
const ending = z
  .enum(['whole', 'empty', 'length', 'filtered', 'offline', 'cancelled', 'failed'])
  .describe('what the text is: a whole answer, or in which way it is not')

/** A turn's end with its whole text. */
export const turnEnd = z.discriminatedUnion('type', [
  liveTurnCompleted.extend({ ending }),
  liveTurnCancelled.extend({ ending }),
  liveTurnFailed.extend({ ending }),
])

/** The frames that a turn's stream may hold, one an event, whose name is the frame's `type`. */
export const streamFrame = z.discriminatedUnion('type', [
  messageAccepted,
  liveMessageAdded,
  liveTurnStarted,
  liveTurnRestarted,
  turnDelta,
  liveTurnCompleted,
  liveTurnCancelled,
  liveTurnFailed,
  liveFeedbackAdded,
  sessionOpened,
  sessionDeleted,
  error,
])

export const developmentToken = z.object({ token: z.string() })
export const webConfig = z
  .object({
    tokenUrl: z.string().optional().describe('answers the page a token'),
    devToken: z.boolean().optional().describe('GET /dev/token?subject=NAME answers one'),
    paste: z.boolean().optional().describe('the user pastes one'),
  })
  .describe('where the page gets its token: exactly one of these')
export const readiness = z.object({ ready: z.boolean(), reasons: z.array(z.string()) })
export const liveness = z.object({ alive: z.literal(true) })
export const nodeState = z.looseObject({ isDraining: z.boolean().optional(), sockets: count.optional() })
export const usageQuery = z.object({ session: id.optional().describe('one of the subject, whose sum is added') })
const decimal = z.string().describe('a decimal number, in `currency`')
const scopeUsage = z
  .object({
    day: decimal,
    month: decimal,
    held: decimal,
    runningTurns: count,
    limits: z
      .object({ messagesPerMinute: count, tokensPerMinute: count, runningTurns: count, day: decimal, month: decimal })
      .describe('0: no limit'),
  })
  .describe('of the UTC day and month; `held`: of turns that run, at most')
export const usageReport = z.object({
  currency: z.string(),
  subject: scopeUsage,
  project: scopeUsage.optional(),
  tenant: scopeUsage.optional(),
  session: z.object({ tokens: count, amount: decimal }).optional(),
})
export const jsonDocument = z.looseObject({})

/** By the names that the OpenAPI document has for them. */
export const components: Readonly<Record<string, z.ZodType>> = {
  Refusal: refusalSchema,
  Refused: refused,
  Record: recordSchema,
  SessionEntry: sessionEntry,
  NewSession: newSession,
  SessionChange: sessionChange,
  NewMessage: newMessage,
  NewFeedback: newFeedback,
  SessionOpened: sessionOpened,
  SessionPage: sessionPage,
  SessionUpdated: sessionUpdated,
  SessionDeleted: sessionDeleted,
  HistoryPage: historyPage,
  MessageAccepted: messageAccepted,
  MessageAdded: liveMessageAdded,
  TurnStarted: liveTurnStarted,
  TurnRestarted: liveTurnRestarted,
  TurnDelta: turnDelta,
  TurnCompleted: liveTurnCompleted,
  TurnCancelled: liveTurnCancelled,
  TurnFailed: liveTurnFailed,
  TurnEnd: turnEnd,
  TurnCancelling: turnCancelling,
  TurnText: turnText,
  FeedbackAdded: liveFeedbackAdded,
  ErrorFrame: error,
  StreamFrame: streamFrame,
  DevelopmentToken: developmentToken,
  WebConfig: webConfig,
  Readiness: readiness,
  Liveness: liveness,
  NodeState: nodeState,
  Usage: usageReport,
}
