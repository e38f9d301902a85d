import type { DownOf } from '../protocol/down.ts'
import type { Ending } from '../protocol/ending.ts'
import type { Refusal } from '../protocol/error.ts'
import { maxFailedMessages, maxFrameBytes, maxMessageRefusals, maxRetryWaitMs, messageMs } from './bounds.ts'
import { addSilentCall, stopped } from './calls.ts'
import type { AnswerResult } from './event.ts'
import { localRefusal, type Move, putSession, request, retryWaitMs, takePace, tally } from './move.ts'
import { shownOf } from './records.ts'
import { sha256Hex } from './sha256.ts'
import type { NewMessage, Outgoing, Session, Unnumbered } from './state.ts'
import { encodeUtf8, utf8Bytes } from './tape.ts'

/**
 * Own messages, kept from `send` until their terminal record. Nothing but that record proves that the gateway still
 * has a message: an acknowledgement can be lost with its socket, and the message with a store that failed over. So it
 * is sent once per connection, in order, each after the turn before has ended, always with the same `messageId`, and
 * again when a new history lacks it.
 */

export function addMessage(move: Move, session: Session, message: NewMessage): void {
  const { maxPendingMessages } = move.state.bounds
  const { messageId } = message
  const others = session.outgoing.filter((own) => own.message.messageId !== messageId || !isFailed(own))
  if (others.some((own) => own.message.messageId === messageId)) return
  const failed = others.filter(isFailed)
  const dropped = failed.length > maxFailedMessages ? failed[0] : undefined
  const kept = others.filter((own) => own !== dropped)
  const own: Outgoing = {
    message,
    timeMs: move.nowMs,
    status: { kind: 'unsent', notBeforeMs: 0 },
    sends: 0,
    refusals: 0,
    costs: 0,
    isCancelled: false,
  }
  const refusal = whyNot(move, session, kept.length - failed.length, maxPendingMessages)
  const added = refusal === undefined ? own : failMessage(move, session, own, refusal)
  const phase = session.phase.kind === 'new' && !isFailed(added) ? wanted : session.phase
  putSession(move, { ...session, phase, outgoing: [...kept, added] })
}

const wanted = { kind: 'wanted', notBeforeMs: 0, tries: 0 } as const

function whyNot(move: Move, session: Session, pending: number, max: number): Refusal | undefined {
  const { link } = move.state
  if (session.phase.kind === 'ended') return localRefusal('not-found', `the session was ${session.phase.how}`)
  if (link.kind === 'stopped') return stopped(move)
  if (pending >= max) return localRefusal('busy', `${max} messages wait already`)
  return undefined
}

/** The message ends here, visibly; whoever waits for its answer is told once. */
export function failMessage(
  move: Move,
  session: Session,
  own: Outgoing,
  error: Refusal,
  ending: Ending = 'failed',
): Outgoing {
  if (isFailed(own)) return own
  tellEnd(move, session, own, { kind: 'failed', ending, error })
  return { ...own, status: { kind: 'failed', error } }
}

/** Sends the next message of a live session, if it is its time. */
export function sendMessage(move: Move, session: Session): void {
  const own = session.outgoing.find((entry) => !isFailed(entry))
  if (own?.status.kind !== 'unsent' || session.id === undefined || session.running !== undefined) return
  if (move.nowMs < own.status.notBeforeMs) return
  const body: Unnumbered = { type: 'message.send', session: session.id, ...own.message }
  const tooLarge = checkSize(move, body, own.message.content)
  if (tooLarge !== undefined) return putMessage(move, session, failMessage(move, session, own, tooLarge))
  const online = takePace(move)
  if (online === undefined) return
  if (own.sends > 0) tally(move, 'resends')
  request(move, online, body, { kind: 'send', local: session.local, messageId: own.message.messageId })
  putMessage(move, session, {
    ...own,
    sends: own.sends + 1,
    status: { kind: 'sent', deadlineMs: move.nowMs + messageMs },
  })
}

export function messageAccepted(move: Move, session: Session, frame: DownOf<'message.accepted'>): void {
  const own = session.outgoing.find(({ message }) => message.messageId === frame.messageId)
  if (own === undefined) return
  if (own.status.kind === 'accepted' || isFailed(own)) return
  const { turn, seq } = frame
  const accepted: Outgoing = { ...own, status: { kind: 'accepted', turn, seq, deadlineMs: move.nowMs + messageMs } }
  // Sent again across page loads, and its turn lies before what is held.
  const isOld = seq < session.firstSeq
  const known = isOld ? failMessage(move, session, own, localRefusal('conflict', 'answered before')) : accepted
  putMessage(move, session, known)
}

export function messageRefused(move: Move, session: Session, messageId: string, error: Refusal): void {
  const own = session.outgoing.find(({ message }) => message.messageId === messageId)
  if (own?.status.kind !== 'sent') return
  const refusals = own.refusals + 1
  const waitMs = retryWaitMs(move, error, refusals)
  const isFinal = !error.retryable || waitMs > maxRetryWaitMs || refusals >= maxMessageRefusals
  if (isFinal) return putMessage(move, session, failMessage(move, session, own, error))
  const notBeforeMs = move.nowMs + waitMs
  putMessage(move, session, { ...own, refusals, status: { kind: 'unsent', notBeforeMs } })
}

/** Whether an own message was sent long ago and its record has not come. */
export function isRecordMissing(session: Session, nowMs: number): boolean {
  return session.outgoing.some(({ status, message }) => {
    const isDue = 'deadlineMs' in status && nowMs >= status.deadlineMs
    return isDue && !session.turns.some(({ messageId }) => messageId === message.messageId)
  })
}

/**
 * After each open: an acknowledged message whose record did not come with it is sent again, since a store that went
 * back to where we are lost it without our position showing that. In a new history nothing gone is replaced.
 */
export function reconcileMessages(session: Session, isFresh: boolean): Session {
  const turns = new Set(session.turns.map(({ turn }) => turn))
  const messages = new Set(session.turns.map(({ messageId }) => messageId))
  const outgoing = session.outgoing.map((own) => {
    const { status, message } = own
    if (isFailed(own) || messages.has(message.messageId)) return own
    if (status.kind === 'accepted' && turns.has(status.turn)) return own
    const { replaces, ...rest } = message
    const isGone = isFresh && replaces !== undefined && !turns.has(replaces)
    return { ...own, message: isGone ? rest : message, status: { kind: 'unsent' as const, notBeforeMs: 0 } }
  })
  return { ...session, outgoing }
}

/** Cancels a turn, or a message whose turn is not known yet. */
export function cancel(move: Move, session: Session, turn: string | undefined, messageId: string | undefined): void {
  if (turn !== undefined) return cancelTurn(move, session, turn)
  if (messageId === undefined && session.running !== undefined) return cancelTurn(move, session, session.running.turn)
  const own = session.outgoing.find((entry) =>
    messageId === undefined ? !isFailed(entry) : entry.message.messageId === messageId,
  )
  if (own === undefined) return
  if (own.status.kind === 'accepted') return cancelTurn(move, session, own.status.turn)
  if (!isFailed(own) && own.sends > 0) return putMessage(move, session, { ...own, isCancelled: true })
  // It never left: nobody but us knows of it.
  if (!isFailed(own)) tellEnd(move, session, own, { kind: 'cancelled', ending: 'cancelled', error: undefined })
  putSession(move, { ...session, outgoing: session.outgoing.filter((entry) => entry !== own) })
}

/** Cancels that waited for the turn of their message to be known. */
export function sendLateCancels(move: Move, session: Session): void {
  for (const own of session.outgoing) {
    if (!own.isCancelled || own.status.kind !== 'accepted') continue
    const { turn } = own.status
    const current = move.state.sessions.get(session.local)
    if (current !== undefined) putMessage(move, current, { ...own, isCancelled: false })
    cancelTurn(move, session, turn)
  }
}

function cancelTurn(move: Move, session: Session, turn: string): void {
  if (session.id !== undefined) addSilentCall(move, session.local, { type: 'turn.cancel', session: session.id, turn })
}

function checkSize(move: Move, body: Unnumbered, content: string): Refusal | undefined {
  const maxBytes = move.state.limits?.contentBytes ?? maxFrameBytes
  const isTooLarge = utf8Bytes(content) > maxBytes || utf8Bytes(JSON.stringify(body)) + 128 > maxFrameBytes
  return isTooLarge ? localRefusal('too-large', `unable to send: more than ${maxBytes} bytes`) : undefined
}

/** The result has the text that the reader of the answer was given. */
function tellEnd(move: Move, session: Session, own: Outgoing, how: Pick<AnswerResult, 'kind' | 'ending' | 'error'>) {
  const { messageId } = own.message
  const text = shownOf(session, messageId)
  const bytes = encodeUtf8(text)
  const finishReason = how.kind === 'failed' ? 'error' : 'cancelled'
  const result = { ...how, text, bytes: bytes.length, sha256: sha256Hex(bytes), usage: undefined, finishReason }
  move.effects.push({ type: 'answered', local: session.local, messageId, result })
}

function isFailed(own: Outgoing): boolean {
  return own.status.kind === 'failed'
}

function putMessage(move: Move, session: Session, own: Outgoing): void {
  const outgoing = session.outgoing.map((entry) => (entry.message.messageId === own.message.messageId ? own : entry))
  putSession(move, { ...session, outgoing })
}
