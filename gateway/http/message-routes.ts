import type { DownOf } from '../../protocol/down.ts'
import { refusal } from '../../protocol/error.ts'
import { id } from '../../protocol/shapes.ts'
import type { Identity } from '../auth/identity.ts'
import { type Accepted, randomId } from '../chat.ts'
import { encodeEventId } from './event-id.ts'
import { invalid, refuse } from './refusals.ts'
import { readBody } from './request-parts.ts'
import type { Call, Route } from './route.ts'
import { newMessage, streamFrame } from './schemas.ts'
import { badKey, json, leaving } from './session-routes.ts'
import { answerTurnEnd, answerTurnEvents } from './turn-answer.ts'
import { placeBefore } from './turn-start.ts'

/**
 * A message, and its turn as the client wants it: as a stream, whole when it has ended, or later. What can be refused is
 * refused with a status of its own before anything is streamed. A client that goes away has no influence on the turn.
 */
export const messageRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/sessions/:session/messages',
    access: 'message.send',
    document: {
      id: 'sendMessage',
      summary:
        'Send a message. Accept: text/event-stream answers its turn as it runs; otherwise the answer comes when the turn ' +
        'has ended, or at once with Prefer: respond-async.',
      headers: ['idempotency-key', 'accept', 'prefer'],
      body: { schema: newMessage },
      answers: [
        {
          status: 200,
          description: 'the turn, completed or cancelled, with its whole text; or its frames as events',
          content: { ...json('TurnEnd'), 'text/event-stream': streamFrame },
        },
        { status: 202, description: 'accepted; its turn runs', content: json('MessageAccepted') },
      ],
      refusals: ['not-found', 'conflict', 'busy', 'too-large', 'rate-limited', 'over-budget', 'filtered', 'provider'],
    },
    handle: (call, identity) => send(call, identity),
  },
]

async function send(call: Call, identity: Identity): Promise<Response> {
  const { parts } = call
  const body = await readBody(call.request, newMessage)
  if (body.kind === 'refused') return refuse(body.refusal)
  const key = call.request.headers.get('idempotency-key') ?? undefined
  if (key !== undefined && !id.safeParse(key).success) return invalid(badKey)
  const { messageId: named, ...rest } = body.value
  if (key !== undefined && named !== undefined && key !== named) {
    return invalid('messageId: differs from Idempotency-Key; send one of the two, or the same')
  }
  if (parts.isDraining()) return refuse(leaving)
  const session = call.param('session')
  const messageId = named ?? key ?? randomId()
  const mode = answerMode(call.request)
  if (mode === 'async') {
    const sent = await parts.chat.send(identity, { ...rest, session, messageId })
    return sent.kind === 'refused' ? refuse(sent.refusal) : acceptedAnswer(call, session, messageId, sent)
  }
  const giveBack = parts.places.take(identity)
  if (giveBack === undefined) return refuse(tooManyStreams)
  try {
    const sent = await parts.chat.send(identity, { ...rest, session, messageId })
    if (sent.kind === 'ok') return await answerTurn(call, { identity, session, messageId, mode, sent, giveBack })
    giveBack()
    return refuse(sent.refusal)
  } catch (error) {
    giveBack()
    throw error
  }
}

interface Sent {
  readonly identity: Identity
  readonly session: string
  readonly messageId: string
  readonly mode: 'stream' | 'whole'
  readonly sent: Accepted
  readonly giveBack: () => void
}

async function answerTurn(call: Call, { identity, session, messageId, mode, sent, giveBack }: Sent): Promise<Response> {
  const { parts } = call
  const { turn, seq, info } = sent
  const position = await placeBefore(parts.log, session, seq).catch(() => undefined)
  if (position === undefined) {
    giveBack()
    return refuse(
      refusal('unavailable', `accepted as turn ${turn}, but the store does not answer: read it later`, 1_000),
    )
  }
  const place = { ...position, turn, attempt: undefined, isEnded: false }
  const asked = { identity, session, turn, info, place, giveBack }
  if (mode === 'whole') return answerTurnEnd(parts, call.request, asked)
  const data = Buffer.from(JSON.stringify(accepted(call, session, messageId, sent)))
  const first = { type: 'message.accepted', data, id: encodeEventId(place), isLast: false }
  return answerTurnEvents(parts, asked, first)
}

function acceptedAnswer(call: Call, session: string, messageId: string, sent: Accepted): Response {
  const headers = { location: turnPath(session, sent.turn), 'preference-applied': 'respond-async' }
  return Response.json(accepted(call, session, messageId, sent), { status: 202, headers })
}

function accepted(
  { ref }: Call,
  session: string,
  messageId: string,
  { turn, seq }: Accepted,
): DownOf<'message.accepted'> {
  return { type: 'message.accepted', ref, session, messageId, turn, seq }
}

/** `Accept` decides, then `Prefer` (RFC 7240). */
function answerMode(request: Request): 'stream' | 'whole' | 'async' {
  if (wantsEvents(request.headers.get('accept') ?? '')) return 'stream'
  const preferences = (request.headers.get('prefer') ?? '').toLowerCase().split(/[,;]/)
  return preferences.some((preference) => preference.trim() === 'respond-async') ? 'async' : 'whole'
}

/** Named, and not less wanted than JSON. */
function wantsEvents(accept: string): boolean {
  const weights = new Map<string, number>()
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((text) => text.trim())
    const quality = parameters.find((parameter) => parameter.startsWith('q='))
    weights.set(type, quality === undefined ? 1 : Number(quality.slice(2)))
  }
  const events = weights.get('text/event-stream') ?? 0
  return events > 0 && events >= (weights.get('application/json') ?? 0)
}

export function turnPath(session: string, turn: string): string {
  return `/v1/sessions/${session}/turns/${turn}/events`
}

export const tooManyStreams = refusal(
  'rate-limited',
  'the subject has as many answers open here as it may: end one',
  1_000,
)
