import type { Down } from '../protocol/down.ts'
import { type Bounds, defaultBounds, openMs } from './bounds.ts'
import { addCall, callAnswered, callsDueMs, expireCalls, sendCalls } from './calls.ts'
import type { Effect, Event } from './event.ts'
import * as link from './link.ts'
import { addMessage, cancel, messageAccepted, messageRefused, sendLateCancels, sendMessage } from './messages.ts'
import { change, type Move, putSession, refusalOf, request, takePace, tally, without } from './move.ts'
import { addSlice, giveUpText, readAgain } from './records.ts'
import * as watched from './sessions.ts'
import type { ClientState, Purpose, Session } from './state.ts'

/**
 * The client's core: what it knows and what happens make what it knows next and what is to be done. No clock, no
 * chance, no waiting in here, so a race is an order of events in an array.
 */
export function step(state: ClientState, event: Event): { readonly state: ClientState; readonly effects: Effect[] } {
  const move: Move = { state, effects: [], nowMs: event.nowMs, roll: event.roll }
  handle(move, event)
  // The token path: a delta that fitted makes nothing else due, so it costs nothing that grows with the client.
  if (event.type === 'frame' && event.frame.type === 'turn.delta' && move.state.stats === state.stats) {
    return move
  }
  pump(move)
  change(move, { dueMs: dueMs(move) })
  return move
}

export function initialState(options: { client?: string | undefined; bounds?: Partial<Bounds> } = {}): ClientState {
  return {
    bounds: { ...defaultBounds, ...options.bounds },
    client: options.client,
    link: { kind: 'idle' },
    dials: 0,
    refusals: 0,
    lastDialMs: Number.NEGATIVE_INFINITY,
    nextNumber: 1,
    sessions: new Map(),
    calls: new Map(),
    inFlight: new Map(),
    // The first welcome makes it 0.
    stats: { reconnects: -1, reopens: 0, resets: 0, repairs: 0, resends: 0, malformed: 0 },
    dueMs: Number.POSITIVE_INFINITY,
  }
}

function handle(move: Move, event: Event): void {
  switch (event.type) {
    case 'connect':
      return link.connect(move)
    case 'close':
      return link.stop(move, 1000, 'closed by the application')
    case 'wake':
      return link.wake(move)
    case 'tick':
      return tick(move)
    case 'token':
      return link.tokenArrived(move, event.ticket, event.token)
    case 'token-failed':
      return link.tokenFailed(move, event.ticket, event.message)
    case 'socket-opened':
      return link.socketOpened(move, event.socket)
    case 'socket-closed':
      return link.socketClosed(move, event.socket, event.code, event.reason)
    case 'frame':
      return receive(move, event.socket, event.frame)
    case 'malformed':
      return tally(move, 'malformed')
    case 'watch':
      return watched.watch(move, event.local, event.target)
    case 'unwatch':
      return watched.unwatch(move, event.local)
    case 'describe':
      return withSession(move, event.local, (session) => watched.describe(move, session, event.metadata))
    case 'call':
      return addCall(move, event.call, event.local, event.request)
    case 'send':
      return withSession(move, event.local, (session) => addMessage(move, session, event.message))
    case 'cancel':
      return withSession(move, event.local, (session) => cancel(move, session, event.turn, event.messageId))
  }
}

function tick(move: Move): void {
  link.tickLink(move)
  for (const session of move.state.sessions.values()) watched.expireOpen(move, session)
  expireCalls(move)
}

function receive(move: Move, socket: number, frame: Down): void {
  const { link: current, leaving } = move.state
  const isCurrent = 'socket' in current && current.socket === socket
  if (!isCurrent && leaving?.socket !== socket) return
  if (isCurrent) link.heard(move)
  switch (frame.type) {
    case 'welcome':
      return isCurrent ? link.welcomed(move, frame) : undefined
    case 'going.away':
      return isCurrent ? link.goingAway(move, frame) : undefined
    case 'token.expiring':
      return isCurrent ? link.tokenExpiring(move) : undefined
    default: {
      if (frame.type === 'error' && isCurrent) link.refused(move, refusalOf(frame))
      const purpose = takePurpose(move, frame)
      if (purpose !== undefined) answer(move, purpose, frame)
      else unasked(move, frame)
    }
  }
}

/** What the frame answers, if it answers a request of this socket. */
function takePurpose(move: Move, frame: Down): Purpose | undefined {
  if (!('ref' in frame) || frame.ref === undefined) return undefined
  const purpose = move.state.inFlight.get(frame.ref)
  if (purpose === undefined) return undefined
  change(move, { inFlight: without(move.state.inFlight, frame.ref) })
  return purpose
}

function answer(move: Move, purpose: Purpose, frame: Down): void {
  switch (purpose.kind) {
    case 'refresh':
      return frame.type === 'token.refreshed' ? link.tokenRefreshed(move, frame.tokenExpiresAt) : undefined
    case 'open':
      return withSession(move, purpose.local, (session) => openAnswered(move, session, frame))
    case 'send':
      return withSession(move, purpose.local, (session) => {
        if (frame.type === 'message.accepted') messageAccepted(move, session, frame)
        else if (frame.type === 'error') messageRefused(move, session, purpose.messageId, refusalOf(frame))
      })
    case 'read':
      return withSession(move, purpose.local, (session) => textRead(move, session, purpose.turn, frame))
    case 'call':
      return callDone(move, purpose.call, frame)
  }
}

function openAnswered(move: Move, session: Session, frame: Down): void {
  const { phase } = session
  // An open that was given up may still be answered: by then another one is in flight.
  if (phase.kind !== 'opening' || !('ref' in frame) || frame.ref !== phase.ref) return
  if (frame.type === 'session.opened') watched.opened(move, session, frame)
  else if (frame.type === 'error') watched.openRefused(move, session, refusalOf(frame))
}

function textRead(move: Move, session: Session, turn: string, frame: Down): void {
  const settling = session.settling.find(({ record }) => record.turn === turn)
  if (settling === undefined) return
  if (frame.type === 'turn.text') putSession(move, addSlice(move, session, turn, frame.at, frame.text))
  else if (frame.type === 'error' && !frame.retryable) putSession(move, giveUpText(move, session, settling))
  else putSession(move, readAgain(move, session, settling, settling.tape, 1_000))
}

function callDone(move: Move, number: number, frame: Down): void {
  const local = move.state.calls.get(number)?.local
  if (frame.type === 'history.page' && local !== undefined) {
    withSession(move, local, (session) => watched.olderCame(move, session, frame.records, frame.hasMore))
  }
  callAnswered(move, number, frame)
  if (frame.type === 'session.updated' || frame.type === 'session.deleted') unasked(move, frame)
}

function unasked(move: Move, frame: Down): void {
  if (!('session' in frame) || frame.session === undefined) return
  const session = sessionOf(move, frame.session)
  if (session === undefined || session.phase.kind === 'ended') return
  if (frame.type === 'session.deleted') {
    const why = watched.whyDeleted(frame.reason)
    return watched.endSession(move, session, frame.reason === 'lost' ? 'lost' : 'deleted', why)
  }
  if (frame.type !== 'session.opened') return watched.received(move, session, frame)
  // The gateway found out by itself that ours is another history. A late answer to an open has a `ref`.
  if (frame.ref === undefined && session.phase.kind === 'live') watched.opened(move, session, frame)
}

/** Sends what can be sent now. */
function pump(move: Move): void {
  if (move.state.link.kind !== 'online') return
  for (const { local } of move.state.sessions.values()) {
    withSession(move, local, (session) => pumpOpen(move, session))
    withSession(move, local, (session) => pumpLive(move, session))
  }
  sendCalls(move)
}

function pumpOpen(move: Move, session: Session): void {
  const { phase, id, creation, position, running } = session
  if (phase.kind !== 'wanted' || move.nowMs < phase.notBeforeMs) return
  const online = takePace(move)
  if (online === undefined) return
  const run = running === undefined || running.attempt === 0 ? undefined : running
  const ends = run && { turn: run.turn, attempt: run.attempt, ends: [run.tape.bytes, ...run.otherEnds] }
  const target = id === undefined ? (creation ?? {}) : { session: id }
  const cursor = position && { ...position, ...ends }
  const purpose = { kind: 'open', local: session.local } as const
  const ref = request(move, online, { type: 'session.open', ...target, cursor }, purpose)
  const deadlineMs = move.nowMs + openMs
  putSession(move, { ...session, phase: { kind: 'opening', ref, deadlineMs, tries: phase.tries } })
}

function pumpLive(move: Move, session: Session): void {
  if (session.phase.kind !== 'live') return
  sendMessage(move, session)
  withSession(move, session.local, (current) => sendLateCancels(move, current))
  withSession(move, session.local, (current) => readText(move, current))
}

/** One slice at a time, of one text at a time: they are long. */
function readText(move: Move, session: Session): void {
  const settling = session.settling[0]
  if (settling === undefined || settling.isReading || session.id === undefined) return
  if (move.nowMs < settling.notBeforeMs) return
  const online = takePace(move)
  if (online === undefined) return
  const { turn } = settling.record
  const body = { type: 'turn.read', session: session.id, turn, part: 0, at: settling.tape.bytes } as const
  request(move, online, body, { kind: 'read', local: session.local, turn })
  const reading = { ...settling, isReading: true }
  putSession(move, { ...session, settling: [reading, ...session.settling.slice(1)] })
}

function dueMs(move: Move): number {
  const { state, nowMs } = move
  let due = Math.min(link.linkDueMs(state), callsDueMs(state, nowMs))
  for (const session of state.sessions.values()) due = Math.min(due, sessionDueMs(session, nowMs))
  // What the pace held back goes out with the next second.
  const paceMs = state.link.kind === 'online' ? state.link.pace.startMs + 1_000 : 0
  return paceMs > nowMs ? Math.min(due, paceMs) : due
}

function sessionDueMs({ phase, outgoing, settling }: Session, nowMs: number): number {
  const instants = [...settling, ...outgoing.map(({ status }) => status), phase].flatMap((entry) =>
    'notBeforeMs' in entry ? [entry.notBeforeMs] : 'deadlineMs' in entry ? [entry.deadlineMs] : [],
  )
  return Math.min(...instants.filter((instantMs) => instantMs > nowMs), Number.POSITIVE_INFINITY)
}

/** A scan, since a client follows a few sessions, and 200 at most. */
function sessionOf(move: Move, id: string): Session | undefined {
  for (const session of move.state.sessions.values()) if (session.id === id) return session
  return undefined
}

function withSession(move: Move, local: string, then: (session: Session) => void): void {
  const session = move.state.sessions.get(local)
  if (session !== undefined) then(session)
}
