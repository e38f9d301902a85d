import { endingOf } from '../../protocol/ending.ts'
import { refusal } from '../../protocol/error.ts'
import { tapeBytes } from '../../protocol/limits.ts'
import { isTerminal, type TerminalRecord } from '../../protocol/record.ts'
import type { SessionInfo } from '../../sessions/session-log.ts'
import type { Identity } from '../auth/identity.ts'
import type { StreamPlace } from './event-id.ts'
import { refusalHeaders, refuse, statusOfKind } from './refusals.ts'
import type { RouteParts } from './route.ts'
import { eventStream } from './sse.ts'
import { type TurnEvent, TurnEvents } from './turn-events.ts'

/** A turn as an answer: its events as they come, or its end with the whole text. */
export interface AnsweredTurn {
  /** Who asked; the answer ends when this does. */
  readonly identity: Identity
  readonly session: string
  readonly turn: string
  readonly info: SessionInfo
  readonly place: StreamPlace
  /** Gives the place among the subject's streams back. Called once the answer is over, in any case. */
  readonly giveBack: () => void
}

export async function answerTurnEvents(
  parts: RouteParts,
  { identity, session, turn, info, place, giveBack }: AnsweredTurn,
  first?: TurnEvent,
): Promise<Response> {
  const events = new TurnEvents(parts, { session, turn, text: 'deltas' })
  const release = parts.tokens.hold(identity, (reason) => events.tokenEnded(reason))
  const end = () => {
    release()
    giveBack()
  }
  let isStreaming = false
  try {
    const started = await events.start(place, info)
    if (started.kind === 'refused') return refuse(started.refusal)
    isStreaming = true
    return eventStream(events, first, end)
  } finally {
    if (!isStreaming) {
      events.close()
      end()
    }
  }
}

/** Waits for the terminal record. A client that goes away ends the waiting, and nothing else. */
export async function answerTurnEnd(
  parts: RouteParts,
  request: Request,
  { identity, session, turn, info, place, giveBack }: AnsweredTurn,
): Promise<Response> {
  const events = new TurnEvents(parts, { session, turn, text: 'none' })
  const release = parts.tokens.hold(identity, (reason) => events.tokenEnded(reason))
  const stop = () => events.close()
  request.signal.addEventListener('abort', stop, { once: true })
  try {
    const started = await events.start(place, info)
    if (started.kind === 'refused') return refuse(started.refusal)
    const last = await lastEvent(events)
    if (last?.record === undefined || !isTerminal(last.record)) return refuse(last?.refusal ?? clientLeft)
    return await wholeAnswer(parts, session, last.record)
  } finally {
    request.signal.removeEventListener('abort', stop)
    release()
    events.close()
    giveBack()
  }
}

async function lastEvent(events: TurnEvents): Promise<TurnEvent | undefined> {
  let last: TurnEvent | undefined
  for (let event = await events.next(); event !== undefined; event = await events.next()) last = event
  return last?.isLast === true ? last : undefined
}

async function wholeAnswer({ log }: RouteParts, session: string, record: TerminalRecord): Promise<Response> {
  const reply = await log
    .read({ session, turn: record.turn, part: 0, at: 0, maxBytes: tapeBytes })
    .catch(() => undefined)
  if (reply === undefined)
    return refuse(refusal('unavailable', 'the store does not answer: read the turn later', 1_000))
  if (reply.kind !== 'ok') return refuse(refusal('not-found', 'there is no such session'))
  const text = reply.text.toString()
  const kind = endKinds[record.type]
  const error = record.type === 'turn.failed' ? record.error : undefined
  const ending = endingOf({ kind, finishReason: record.finishReason, text, error })
  const body = { ...record, session, text, ending }
  if (record.type !== 'turn.failed') return Response.json(body)
  return Response.json(body, { status: statusOfKind[record.error.kind], headers: refusalHeaders(record.error) })
}

const endKinds = { 'turn.completed': 'completed', 'turn.cancelled': 'cancelled', 'turn.failed': 'failed' } as const

/** Seen by nobody. */
const clientLeft = refusal('unavailable', 'the client went away')
