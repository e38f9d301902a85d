import { refusal } from '../../protocol/error.ts'
import type { Identity } from '../auth/identity.ts'
import { decodeEventId, type StreamPlace } from './event-id.ts'
import { tooManyStreams } from './message-routes.ts'
import { invalid, refuse } from './refusals.ts'
import { readBody, readQuery } from './request-parts.ts'
import type { Call, Route, RouteParts } from './route.ts'
import { eventsQuery, newFeedback, streamFrame, textQuery } from './schemas.ts'
import { json } from './session-routes.ts'
import { answerTurnEvents } from './turn-answer.ts'
import { findTurnRange, type TurnRange } from './turn-start.ts'

/** A turn: its events (also again, from where a client was), its text, its cancel, what is thought of it. */

const events: Route = {
  method: 'GET',
  path: '/v1/sessions/:session/turns/:turn/events',
  access: 'turn.stream',
  document: {
    id: 'streamTurn',
    summary: "A turn's frames as events, running or ended: from its beginning, or from Last-Event-ID on.",
    query: eventsQuery,
    headers: ['last-event-id'],
    answers: [
      {
        status: 200,
        description: 'the frames; ends after the terminal',
        content: { 'text/event-stream': streamFrame },
      },
      { status: 204, description: 'nothing follows this Last-Event-ID: do not connect again' },
    ],
    refusals: ['not-found', 'rate-limited'],
  },
  handle: stream,
}

async function stream(call: Call, identity: Identity): Promise<Response> {
  const { parts } = call
  const query = readQuery(call.request, eventsQuery)
  if (query.kind === 'refused') return refuse(query.refusal)
  const session = call.param('session')
  const turn = call.param('turn')
  // A browser's EventSource that has no id yet may send an empty one.
  const lastEventId = call.request.headers.get('last-event-id') || query.value.lastEventId || undefined
  const resumed = lastEventId === undefined ? undefined : decodeEventId(lastEventId, turn)
  if (lastEventId !== undefined && resumed === undefined) {
    return invalid("Last-Event-ID: not an id of this turn's events; leave it out to begin anew")
  }
  const owned = await parts.chat.owned(identity, session)
  if (owned.kind === 'refused') return refuse(owned.refusal)
  if (resumed?.isEnded) return new Response(null, { status: 204 })
  const place = resumed ?? (await beginning(parts, session, turn))
  if (place === 'unavailable')
    return refuse(refusal('unavailable', 'the store does not answer: try again later', 1_000))
  if (place === undefined) return refuse(refusal('not-found', 'the session has no such turn'))
  const giveBack = parts.places.take(identity)
  if (giveBack === undefined) return refuse(tooManyStreams)
  return answerTurnEvents(parts, { identity, session, turn, info: owned.info, place, giveBack })
}

async function beginning(
  { log }: RouteParts,
  session: string,
  turn: string,
): Promise<StreamPlace | 'unavailable' | undefined> {
  let range: TurnRange | undefined
  try {
    range = await findTurnRange(log, session, turn)
  } catch {
    return 'unavailable'
  }
  return range === undefined ? undefined : { ...range.before, turn, attempt: undefined, isEnded: false }
}

const text: Route = {
  method: 'GET',
  path: '/v1/sessions/:session/turns/:turn/text',
  access: 'turn.read',
  document: {
    id: 'readTurn',
    summary: "A piece of a turn's text, running or ended, from byte `at` on.",
    query: textQuery,
    answers: [{ status: 200, description: 'a piece; the last when `end` is `bytes`', content: json('TurnText') }],
    refusals: ['not-found'],
  },
  handle: async (call, identity) => {
    const query = readQuery(call.request, textQuery)
    if (query.kind === 'refused') return refuse(query.refusal)
    const { part = 0, at = 0 } = query.value
    const place = { session: call.param('session'), turn: call.param('turn'), part }
    const read = await call.parts.chat.read(identity, { ...place, at })
    if (read.kind === 'refused') return refuse(read.refusal)
    const { at: from, end, bytes, text: piece } = read
    return Response.json({ type: 'turn.text', ref: call.ref, ...place, at: from, end, bytes, text: piece })
  },
}

const cancel: Route = {
  method: 'POST',
  path: '/v1/sessions/:session/turns/:turn/cancel',
  access: 'turn.cancel',
  document: {
    id: 'cancelTurn',
    summary: 'Stop a turn. Idempotent; its terminal record follows, or already came.',
    answers: [{ status: 202, description: 'it will end', content: json('TurnCancelling') }],
    refusals: ['not-found'],
  },
  handle: async (call, identity) => {
    const session = call.param('session')
    const turn = call.param('turn')
    const cancelled = await call.parts.chat.cancel(identity, session, turn)
    if (cancelled.kind === 'refused') return refuse(cancelled.refusal)
    return Response.json({ type: 'turn.cancelling', ref: call.ref, session, turn }, { status: 202 })
  },
}

const feedback: Route = {
  method: 'POST',
  path: '/v1/sessions/:session/turns/:turn/feedback',
  access: 'feedback.give',
  document: {
    id: 'giveFeedback',
    summary: 'Say what one thinks of an answer. The last one given counts; 0 takes it back.',
    body: { schema: newFeedback },
    answers: [{ status: 200, description: 'the record', content: json('FeedbackAdded') }],
    refusals: ['not-found', 'too-large'],
  },
  handle: async (call, identity) => {
    const body = await readBody(call.request, newFeedback)
    if (body.kind === 'refused') return refuse(body.refusal)
    const session = call.param('session')
    const given = await call.parts.chat.giveFeedback(identity, { ...body.value, session, turn: call.param('turn') })
    if (given.kind === 'refused') return refuse(given.refusal)
    return Response.json({ ...given.record, ref: call.ref, session })
  },
}

export const turnRoutes: readonly Route[] = [events, text, cancel, feedback]
