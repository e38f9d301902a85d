import { type Ending, endingOf } from '../protocol/ending.ts'
import type { Refusal } from '../protocol/error.ts'
import type { LogRecord, RecordOf, TerminalRecord } from '../protocol/record.ts'
import { maxTextReads } from './bounds.ts'
import { feedbackRecorded } from './calls.ts'
import { localRefusal, type Move, refusalOf, tally, tellCut, tellText } from './move.ts'
import { sha256Hex } from './sha256.ts'
import type { Running, Session, Settling, TurnView } from './state.ts'
import { cut, emptyTape, encodeUtf8, type Tape, utf8Bytes } from './tape.ts'

/**
 * A session's log, folded into turns. A record is applied once, in the order of `seq`, whether it came live or in a
 * page. An ended turn shows its text only after length and hash fitted; until then it stays `streaming` while the text
 * is read anew, since a wrong text shown quietly is the one thing that nobody could ever notice.
 */

export function applyRecord(move: Move, session: Session, record: LogRecord): Session {
  const next = fold(move, session, record)
  const position = { seq: record.seq, mark: record.mark }
  return { ...next, position, firstSeq: next.firstSeq === 0 ? record.seq : next.firstSeq }
}

function fold(move: Move, session: Session, record: LogRecord): Session {
  switch (record.type) {
    case 'message.added':
      return addMessage(session, record)
    case 'turn.started':
      return beginAttempt(move, session, record, emptyTape)
    case 'turn.restarted':
      return beginAttempt(move, session, record, keptTape(session.running, record))
    case 'turn.completed':
    case 'turn.cancelled':
    case 'turn.failed':
      return endTurn(move, session, record)
    case 'feedback.added':
      return addFeedback(move, session, record)
    default:
      // A record of a later version: it has its number, and that is all we need of it.
      return session
  }
}

/** Puts the records of an older page before what is held. */
export function prependRecords(move: Move, session: Session, records: readonly LogRecord[], hasMore: boolean): Session {
  const first = records[0]
  if (first === undefined) return { ...session, hasMore }
  let older: Session = { ...session, turns: [], running: undefined, settling: [], firstSeq: 0 }
  for (const record of records) if (record.seq < session.firstSeq) older = applyRecord(move, older, record)
  const turns = mergeTurns(older.turns, session.turns)
  return {
    ...session,
    turns,
    hasMore,
    firstSeq: Math.min(first.seq, session.firstSeq),
    outgoing: older.outgoing,
    settling: [...session.settling, ...older.settling],
    running: nameRunning(session.running, turns),
  }
}

/** Drops the oldest turns above the bound; they can be loaded again. */
export function trimTurns(session: Session, maxTurns: number): Session {
  if (session.turns.length <= maxTurns) return session
  // A tenth at once, so that a full list is not copied for every record.
  const turns = session.turns.slice(session.turns.length - Math.ceil(maxTurns * 0.9))
  return { ...session, turns, hasMore: true, firstSeq: turns[0]?.seq ?? session.firstSeq }
}

export function messageIdOf(session: Session, turn: string): string | undefined {
  const known = session.turns.findLast((entry) => entry.turn === turn)?.messageId
  if (known !== undefined) return known
  const own = session.outgoing.find(({ status }) => status.kind === 'accepted' && status.turn === turn)
  return own?.message.messageId
}

/** Changes the turn, which is made if the page began after its message. */
export function patchTurn(session: Session, turn: string, seq: number, patch: Partial<TurnView>): Session {
  const index = session.turns.findLastIndex((entry) => entry.turn === turn)
  const turns = session.turns.slice()
  const known = turns[index]
  if (known === undefined) turns.push({ ...blankTurn(turn, seq), ...patch })
  else turns[index] = { ...known, ...patch }
  return { ...session, turns }
}

function blankTurn(turn: string, seq: number): TurnView {
  return {
    turn,
    messageId: undefined,
    content: '',
    state: 'pending',
    text: '',
    isReplaced: false,
    timeMs: 0,
    seq,
  }
}

function addMessage(session: Session, record: RecordOf<'message.added'>): Session {
  const { turn, message, replaces, seq } = record
  const { messageId } = message
  const added = patchTurn(session, turn, seq, {
    ...message,
    seq,
    timeMs: record.timeMs,
    replaces,
    model: record.model,
  })
  const turns = hideReplaced(added.turns, replaces)
  const outgoing = session.outgoing.map((own) =>
    own.message.messageId === messageId
      ? { ...own, status: { kind: 'accepted' as const, turn, seq, deadlineMs: 0 } }
      : own,
  )
  const running: Running = { turn, messageId, attempt: 0, tape: emptyTape, otherEnds: [] }
  return { ...added, turns, outgoing, running }
}

export function hideReplaced(turns: readonly TurnView[], replaced: string | undefined): TurnView[] {
  return turns.map((entry) =>
    entry.turn === replaced && replaced !== undefined ? { ...entry, isReplaced: true } : entry,
  )
}

function beginAttempt(
  move: Move,
  session: Session,
  record: RecordOf<'turn.started' | 'turn.restarted'>,
  tape: Tape,
): Session {
  const { turn, attempt, model } = record
  const messageId = messageIdOf(session, turn)
  const before = session.running?.turn === turn ? session.running.tape : emptyTape
  if (tape.bytes < before.bytes) tellCut(move, session.local, messageId, tape.text, false)
  const running: Running = { turn, messageId, attempt, tape, otherEnds: [] }
  return { ...patchTurn(session, turn, record.seq, { model }), running }
}

/**
 * The part of our text that the new attempt keeps. We may hold less than is kept, never something else: the gateway
 * then goes on from where we are.
 */
function keptTape(running: Running | undefined, { turn, keep }: RecordOf<'turn.restarted'>): Tape {
  if (keep === undefined || running?.turn !== turn || running.attempt !== keep.attempt) return emptyTape
  return cut(running.tape, Math.min(keep.end, running.tape.bytes)) ?? emptyTape
}

function addFeedback(move: Move, session: Session, record: RecordOf<'feedback.added'>): Session {
  feedbackRecorded(move, session, record)
  const { turn, rating, comment, share } = record
  if (!session.turns.some((entry) => entry.turn === turn)) return session
  const feedback = {
    rating,
    comment,
    share,
  }
  return patchTurn(session, turn, record.seq, { feedback })
}

function endTurn(move: Move, session: Session, record: TerminalRecord): Session {
  const running = session.running?.turn === record.turn ? session.running : undefined
  const shown = running?.tape.text ?? ''
  const rest = running === undefined ? session : { ...session, running: undefined }
  const held = running?.attempt === record.attempt ? running.tape : undefined
  const text = record.text ?? (record.bytes === 0 ? '' : held && cut(held, record.bytes)?.text)
  if (text !== undefined && fits(text, record)) return settle(move, rest, record, text, shown)
  if (text !== undefined) tally(move, 'repairs')
  const tape = text === undefined && held !== undefined && held.bytes < record.bytes ? held : emptyTape
  return holdBack(rest, { record, tape, shown, isReading: false, notBeforeMs: 0, reads: 0 })
}

function holdBack(session: Session, settling: Settling): Session {
  const { record, shown } = settling
  const patched = patchTurn(session, record.turn, record.seq, { state: 'streaming', text: shown })
  return { ...patched, settling: [...session.settling, settling] }
}

/** A slice of an ended turn's text came; the last one settles the turn. */
export function addSlice(move: Move, session: Session, turn: string, at: number, text: string): Session {
  const settling = session.settling.find(({ record }) => record.turn === turn)
  if (settling === undefined) return session
  const start = at === settling.tape.bytes ? settling.tape : at === 0 ? emptyTape : undefined
  const tape = start && { text: start.text + text, bytes: start.bytes + utf8Bytes(text) }
  const isWhole = tape !== undefined && tape.bytes >= settling.record.bytes
  if (isWhole && fits(tape.text, settling.record)) {
    return settle(move, without(session, settling), settling.record, tape.text, settling.shown)
  }
  if (isWhole) tally(move, 'repairs')
  const hasStalled = tape === undefined || isWhole || text === ''
  return readAgain(move, session, settling, hasStalled ? emptyTape : tape, hasStalled ? 1_000 : 0)
}

/** Reads on; after a wait it was in vain, and too many such reads give the text up. */
export function readAgain(move: Move, session: Session, settling: Settling, tape: Tape, waitMs: number): Session {
  const reads = settling.reads + (waitMs > 0 ? 1 : 0)
  if (reads >= maxTextReads) return giveUpText(move, session, settling)
  const again: Settling = {
    ...settling,
    tape,
    reads,
    isReading: false,
    notBeforeMs: waitMs > 0 ? move.nowMs + waitMs : 0,
  }
  return { ...session, settling: session.settling.map((entry) => (entry === settling ? again : entry)) }
}

export function giveUpText(move: Move, session: Session, settling: Settling): Session {
  const error = localRefusal('internal', 'unable to verify the text')
  const record = { ...settling.record, type: 'turn.failed' as const, error }
  return settle(move, without(session, settling), record, '', settling.shown)
}

/** Its session is no more: what was shown of its answer stays, as far as it came. */
export function breakOff(session: Session, ending: Ending, error: Refusal): Session {
  const { running, settling } = session
  const shown = settling.map(({ record, shown }) => ({ turn: record.turn, text: shown }))
  if (running !== undefined) shown.push({ turn: running.turn, text: running.tape.text })
  let next: Session = { ...session, running: undefined, settling: [] }
  for (const { turn, text } of shown)
    next = patchTurn(next, turn, next.position?.seq ?? 0, {
      state: 'failed',
      text,
      error,
      ending,
      finishReason: 'error',
    })
  return next
}

/** What was shown so far of the answer to this message. */
export function shownOf(session: Session, messageId: string): string {
  const { running, settling } = session
  if (running?.messageId === messageId) return running.tape.text
  return settling.find(({ record }) => messageIdOf(session, record.turn) === messageId)?.shown ?? ''
}

function without(session: Session, settling: Settling): Session {
  return { ...session, settling: session.settling.filter((entry) => entry !== settling) }
}

function fits(text: string, record: TerminalRecord): boolean {
  return utf8Bytes(text) === record.bytes && sha256Hex(encodeUtf8(text)) === record.sha256
}

const endings = { 'turn.completed': 'completed', 'turn.cancelled': 'cancelled', 'turn.failed': 'failed' } as const

function settle(move: Move, session: Session, record: TerminalRecord, text: string, shown: string): Session {
  const { turn, usage, finishReason, bytes, sha256 } = record
  const kind = endings[record.type]
  const error = record.type === 'turn.failed' ? { error: refusalOf(record.error) } : {}
  const ending = endingOf({ kind, finishReason, text, ...error })
  const messageId = messageIdOf(session, turn)
  if (messageId !== undefined) {
    tellWhole(move, session.local, messageId, text, shown)
    const result = { kind, ending, text, bytes, sha256, usage, finishReason, ...error }
    move.effects.push({ type: 'answered', local: session.local, messageId, result })
  }
  const patched = patchTurn(session, turn, record.seq, {
    state: kind,
    text,
    usage,
    finishReason,
    ending,
    cost: record.cost,
    ...error,
  })
  return { ...patched, outgoing: session.outgoing.filter((own) => own.message.messageId !== messageId) }
}

/** Brings those who follow the text from what they were shown to what it is. */
function tellWhole(move: Move, local: string, messageId: string, text: string, shown: string): void {
  const isLonger = text.startsWith(shown)
  const kept = isLonger ? shown : shown.startsWith(text) ? text : ''
  if (!isLonger) tellCut(move, local, messageId, kept, false)
  tellText(move, local, messageId, text.slice(kept.length))
}

function mergeTurns(older: readonly TurnView[], newer: readonly TurnView[]): readonly TurnView[] {
  const byTurn = new Map(newer.map((entry) => [entry.turn, entry]))
  const replaced = new Set([...older, ...newer].map(({ replaces }) => replaces))
  const before = older.filter((entry) => !byTurn.has(entry.turn))
  const whole = new Map(older.map((entry) => [entry.turn, entry]))
  const after = newer.map((entry) => {
    const known = whole.get(entry.turn)
    // The newer half has how it ended, the older one what was asked.
    return known === undefined ? entry : { ...known, ...entry, ...asked(known) }
  })
  return [...before, ...after].map((entry) =>
    replaced.has(entry.turn) && !entry.isReplaced ? { ...entry, isReplaced: true } : entry,
  )
}

function asked({ messageId, content, timeMs, seq }: TurnView): Partial<TurnView> {
  return messageId === undefined ? { seq } : { messageId, content, timeMs, seq }
}

function nameRunning(running: Running | undefined, turns: readonly TurnView[]): Running | undefined {
  if (running === undefined || running.messageId !== undefined) return running
  return { ...running, messageId: turns.find(({ turn }) => turn === running.turn)?.messageId }
}
