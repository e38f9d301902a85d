import type { Down, DownOf } from '../protocol/down.ts'
import type { Refusal } from '../protocol/error.ts'
import type { LogRecord } from '../protocol/record.ts'
import type { Metadata } from '../protocol/shapes.ts'
import { maxMessageCosts, maxQuickReopens, maxTurns, reopenWindowMs } from './bounds.ts'
import { addSilentCall, detachCalls, stopped } from './calls.ts'
import { failMessage, isRecordMissing, reconcileMessages } from './messages.ts'
import {
  backoffMs,
  change,
  localRefusal,
  type Move,
  putSession,
  refusalOf,
  retryWaitMs,
  tally,
  tellCut,
  tellText,
  without,
} from './move.ts'
import { applyRecord, breakOff, messageIdOf, patchTurn, prependRecords, trimTurns } from './records.ts'
import type { Outgoing, Running, Session, Target } from './state.ts'
import { cut, emptyTape, utf8Bytes } from './tape.ts'

/**
 * Watched sessions: opened with the position that is held, followed by position, opened anew at the first thing that
 * does not fit. From the moment an open is due until its answer the session's frames are dropped, since the answer
 * says the same from the position that was sent; applying both would make a hole out of every lost frame.
 */

/** Either an `id` that exists or how to make one. The gateway bounds how many: it refuses the open. */
export function watch(move: Move, local: string, target: Target): void {
  if (move.state.sessions.has(local)) return
  putSession(move, {
    local,
    ...target,
    phase: target.creation === undefined ? { kind: 'wanted', notBeforeMs: 0, tries: 0 } : { kind: 'new' },
    firstSeq: 0,
    hasMore: false,
    turns: [],
    settling: [],
    outgoing: [],
    metadata: target.creation?.metadata,
    reopens: { count: 0, sinceMs: 0 },
  })
}

export function unwatch(move: Move, local: string): void {
  const session = move.state.sessions.get(local)
  if (session === undefined) return
  for (const own of session.outgoing) failMessage(move, session, own, stopped(move))
  change(move, { sessions: without(move.state.sessions, local) })
  if (session.id !== undefined && session.phase.kind === 'live')
    addSilentCall(move, local, { type: 'session.close', session: session.id })
}

/** What a session that is not made yet is to be made with. */
export function describe(move: Move, session: Session, metadata: Metadata): void {
  if (session.creation === undefined || session.phase.kind !== 'new') return
  putSession(move, { ...session, metadata, creation: { ...session.creation, metadata } })
}

/** The socket that the sessions were on is gone: all are to be opened again. */
export function detachSessions(move: Move, code: number): void {
  const { inFlight } = move.state
  const only = inFlight.size === 1 ? [...inFlight.values()][0] : undefined
  for (const session of move.state.sessions.values()) {
    const poison = only?.kind === 'send' && only.local === session.local && isHarm(code) ? only.messageId : undefined
    putSession(move, detached(move, session, poison))
  }
  change(move, { inFlight: new Map() })
  detachCalls(move)
}

/** Nothing will be sent any more: who waits for an answer is told. */
export function abandonMessages(move: Move): void {
  for (const session of move.state.sessions.values()) {
    const outgoing = session.outgoing.map((own) => failMessage(move, session, own, stopped(move)))
    putSession(move, { ...session, outgoing })
  }
}

export function received(move: Move, session: Session, frame: Down): void {
  if (session.phase.kind !== 'live') return
  switch (frame.type) {
    case 'turn.delta':
      return addDelta(move, session, frame)
    case 'session.updated':
      return putSession(move, { ...session, metadata: frame.metadata })
    case 'error':
      // The gateway cannot serve this watch for now.
      return wantOpen(move, session, retryWaitMs(move, refusalOf(frame), 1))
    default:
      if (isNumbered(frame)) addRecord(move, session, frame)
  }
}

export function opened(move: Move, session: Session, frame: DownOf<'session.opened'>): void {
  const isFresh = frame.reset || session.position === undefined
  if (frame.reset && session.position !== undefined) tally(move, 'resets')
  let next: Session = isFresh ? { ...forget(move, session), hasMore: frame.hasMore } : session
  next = { ...next, id: frame.session, phase: { kind: 'live' }, createdMs: frame.createdMs, metadata: frame.metadata }
  for (const record of frame.records) {
    if (record.seq > (next.position?.seq ?? 0)) next = applyRecord(move, next, record)
  }
  next = { ...next, position: { seq: frame.seq, mark: frame.mark } }
  next = reconcileMessages(next, isFresh)
  putSession(move, trimTurns(next, maxTurns))
  if (frame.turn !== undefined) meetTurn(move, next, frame.turn)
}

export function openRefused(move: Move, session: Session, error: Refusal): void {
  if (session.phase.kind !== 'opening') return
  const tries = session.phase.tries + 1
  if (error.retryable) {
    const notBeforeMs = move.nowMs + retryWaitMs(move, error, tries)
    return putSession(move, { ...session, phase: { kind: 'wanted', notBeforeMs, tries } })
  }
  const isMissing = error.kind === 'not-found'
  endSession(move, session, isMissing ? (session.position === undefined ? 'deleted' : 'lost') : 'refused', error)
}

/** The session is no more; what is shown of it stays. */
export function endSession(
  move: Move,
  session: Session,
  how: 'deleted' | 'lost' | 'refused',
  error: Refusal | undefined,
): void {
  const why = error ?? localRefusal('not-found', `the session was ${how}`)
  const ending = how === 'refused' ? 'failed' : how
  const outgoing = session.outgoing.map((own) => failMessage(move, session, own, why, ending))
  putSession(move, { ...breakOff(session, ending, why), phase: { kind: 'ended', how }, outgoing, error })
}

/** Why the session was deleted, as a message for people; without a reason it was erased. */
export function whyDeleted(reason: DownOf<'session.deleted'>['reason']): Refusal {
  return localRefusal('not-found', reasons[reason ?? 'erased'])
}

const reasons = {
  erased: 'the session was deleted',
  expired: 'the session was deleted for its age',
  lost: 'the gateway lost the session',
} as const

export function olderCame(move: Move, session: Session, records: readonly LogRecord[], hasMore: boolean): void {
  putSession(move, prependRecords(move, session, records, hasMore))
}

/** An open that was not answered is asked again; an answer that comes late is nobody's and ignored. */
export function expireOpen(move: Move, session: Session): void {
  const { phase } = session
  if (phase.kind === 'live' && isRecordMissing(session, move.nowMs)) return reopen(move, session)
  if (phase.kind !== 'opening' || move.nowMs < phase.deadlineMs) return
  putSession(move, { ...session, phase: { kind: 'wanted', notBeforeMs: 0, tries: phase.tries + 1 } })
}

function addDelta(move: Move, session: Session, frame: DownOf<'turn.delta'>): void {
  const { running } = session
  if (running?.turn !== frame.turn || running.attempt !== frame.attempt) return reopen(move, session)
  if (frame.part !== 0) return putSession(move, { ...session, running: withOtherEnd(running, frame) })
  if (frame.at !== running.tape.bytes || utf8Bytes(frame.text) !== frame.end - frame.at) return reopen(move, session)
  const tape = { text: running.tape.text + frame.text, bytes: frame.end }
  putSession(move, { ...session, running: { ...running, tape } })
  tellText(move, session.local, running.messageId, frame.text)
}

function withOtherEnd(running: Running, { part, end }: DownOf<'turn.delta'>): Running {
  const otherEnds = running.otherEnds.slice()
  while (otherEnds.length < part - 1) otherEnds.push(0)
  otherEnds[part - 1] = end
  return { ...running, otherEnds }
}

function addRecord(move: Move, session: Session, record: LogRecord): void {
  const seq = session.position?.seq ?? 0
  if (record.seq <= seq) return
  if (record.seq !== seq + 1) return reopen(move, session)
  putSession(move, trimTurns(applyRecord(move, session, record), maxTurns))
}

/** Also true of record types that this version does not know. */
function isNumbered(frame: object): frame is LogRecord {
  return 'seq' in frame && Number.isSafeInteger(frame.seq) && 'mark' in frame && Number.isSafeInteger(frame.mark)
}

/** Something did not fit: ask again with the position that is held. */
function reopen(move: Move, session: Session): void {
  tally(move, 'reopens')
  const isOld = move.nowMs - session.reopens.sinceMs >= reopenWindowMs
  const reopens = isOld ? { count: 1, sinceMs: move.nowMs } : { ...session.reopens, count: session.reopens.count + 1 }
  const excess = reopens.count - maxQuickReopens
  wantOpen(move, { ...session, reopens }, excess > 0 ? backoffMs(move, excess) : 0)
}

function wantOpen(move: Move, session: Session, waitMs: number): void {
  const notBeforeMs = waitMs > 0 ? move.nowMs + waitMs : 0
  putSession(move, { ...session, phase: { kind: 'wanted', notBeforeMs, tries: 0 } })
}

/** Another history: all that was held goes, but for own messages that have not ended. */
function forget(move: Move, session: Session): Session {
  const { running, settling, local } = session
  const shown = settling.map(({ record, shown }) => ({ turn: record.turn, text: shown }))
  if (running !== undefined) shown.push({ turn: running.turn, text: running.tape.text })
  for (const { turn, text } of shown) {
    if (text !== '') tellCut(move, local, messageIdOf(session, turn), '', false)
  }
  return { ...session, position: undefined, firstSeq: 0, turns: [], running: undefined, settling: [] }
}

/** The running turn as the gateway knows it: its deltas begin at `ends`, which may be before what is held. */
function meetTurn(move: Move, session: Session, turn: NonNullable<DownOf<'session.opened'>['turn']>): void {
  const isKnown = session.running?.turn === turn.turn
  let next = isKnown ? session : patchTurn(session, turn.turn, session.firstSeq, {})
  const messageId = messageIdOf(next, turn.turn)
  const known: Running = { turn: turn.turn, messageId, attempt: turn.attempt, tape: emptyTape, otherEnds: [] }
  const running = next.running?.turn === turn.turn ? next.running : known
  const tape = running.attempt === turn.attempt ? running.tape : emptyTape
  const start = cut(tape, turn.ends[0] ?? 0)
  const kept = start ?? emptyTape
  if (kept.bytes < running.tape.bytes) {
    tellCut(move, session.local, messageId, kept.text, running.attempt === turn.attempt)
  }
  next = { ...next, running: { ...running, attempt: turn.attempt, tape: kept, otherEnds: turn.ends.slice(1) } }
  putSession(move, next)
  // Deltas that begin beyond what is held, or within a character, could never fit: begin at 0.
  if (start === undefined) reopen(move, next)
}

function detached(move: Move, session: Session, poison: string | undefined): Session {
  const { phase } = session
  const isOpen = phase.kind === 'live' || phase.kind === 'opening'
  return {
    ...session,
    phase: isOpen ? { kind: 'wanted', notBeforeMs: 0, tries: 0 } : phase,
    settling: session.settling.map((entry) => (entry.isReading ? { ...entry, isReading: false } : entry)),
    outgoing: session.outgoing.map((own) => returned(move, session, own, own.message.messageId === poison)),
  }
}

function returned(move: Move, session: Session, own: Outgoing, isPoison: boolean): Outgoing {
  if (own.status.kind !== 'sent') return own
  const costs = own.costs + (isPoison ? 1 : 0)
  const unsent: Outgoing = { ...own, costs, status: { kind: 'unsent', notBeforeMs: 0 } }
  if (costs < maxMessageCosts) return unsent
  return failMessage(move, session, unsent, localRefusal('invalid', 'it broke the connection'))
}

/** Codes that say that what was sent is to blame; a network that breaks (1006) or a node that leaves does not. */
function isHarm(code: number): boolean {
  return code === 1002 || code === 1003 || (code >= 1007 && code <= 1011) || code === 4000
}
