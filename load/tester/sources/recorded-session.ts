import type { RecordedEvent } from './recording.ts'
import type { Drop, Question, SourceNotes } from './script.ts'
import { charactersPerToken, fillerText, fitting } from './text.ts'

export interface RecordedSession {
  readonly startMs: number
  readonly questions: readonly Question[]
  readonly drops: readonly Drop[]
  readonly watcherCount: number
}

interface Gathering {
  readonly startMs: number
  readonly questions: { -readonly [Key in keyof Question]: Question[Key] }[]
  readonly drops: Drop[]
  /** Sockets that have it open now. */
  readonly sockets: Set<number>
  /** Since when nobody has it open. */
  leftMs?: number | undefined
  mostSockets: number
}

/** A socket that closed with one of these was put down by its user, and is no accident (1005: its close named none). */
const normalClosures = new Set([1000, 1001, 1005])

/**
 * Puts a recording's events together by session. A session that nobody has open any more and that is opened again later lost
 * its socket in between; one that several sockets have open at once has watchers.
 */
export function readSessions(events: readonly RecordedEvent[], notes: SourceNotes): readonly RecordedSession[] {
  const sessions = new Map<number, Gathering>()
  const openedOn = new Map<number, Set<Gathering>>()
  for (const event of events) {
    if (event.type === 'socket.closed') {
      for (const session of openedOn.get(event.socket) ?? []) left(session, event)
      openedOn.delete(event.socket)
    } else if (event.type !== 'socket.opened') {
      const session = sessions.get(event.session) ?? begun(event.atMs)
      sessions.set(event.session, session)
      if (event.type === 'session.opened')
        openedOn.set(event.socket, (openedOn.get(event.socket) ?? new Set()).add(session))
      took(session, event, notes)
    }
  }
  return [...sessions.values()].map(({ startMs, questions, drops, mostSockets }) => {
    return { startMs, questions, drops, watcherCount: Math.max(0, mostSockets - 1) }
  })
}

function begun(startMs: number): Gathering {
  return { startMs, questions: [], drops: [], sockets: new Set(), mostSockets: 0 }
}

function left(session: Gathering, { socket, code, atMs }: Extract<RecordedEvent, { type: 'socket.closed' }>): void {
  if (session.sockets.delete(socket) && session.sockets.size === 0 && !normalClosures.has(code ?? 1005))
    session.leftMs = atMs
}

function took(session: Gathering, event: Exclude<RecordedEvent, { type: `socket.${string}` }>, notes: SourceNotes) {
  const last = session.questions.at(-1)
  if (event.type === 'session.opened') opened(session, event.socket, event.atMs)
  else if (event.type === 'message') session.questions.push(questionOf(session, event, notes))
  else if (last !== undefined && event.type === 'cancel') {
    if (event.afterMs !== undefined) last.cancelAfterMs = event.afterMs
  } else if (last !== undefined && event.type === 'turn.ended') {
    const tokens = event.outputTokens ?? Math.round((event.bytes ?? 0) / charactersPerToken)
    // What was cancelled would have gone on.
    if (last.cancelAfterMs === undefined && tokens > 0) last.outputTokens = tokens
  }
}

function opened(session: Gathering, socket: number, atMs: number): void {
  if (session.leftMs !== undefined)
    session.drops.push({ atMs: session.leftMs - session.startMs, awayMs: atMs - session.leftMs })
  session.leftMs = undefined
  session.sockets.add(socket)
  session.mostSockets = Math.max(session.mostSockets, session.sockets.size)
}

function questionOf(
  { startMs, questions }: Gathering,
  event: Extract<RecordedEvent, { type: 'message' }>,
  notes: SourceNotes,
): Question {
  const { atMs, model, content, contentBytes } = event
  const text =
    content === undefined || content === ''
      ? fillerText(questions.length, contentBytes / charactersPerToken, notes)
      : fitting(content, notes)
  return { atMs: atMs - startMs, text, ...(model === undefined ? {} : { model }) }
}
