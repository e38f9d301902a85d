import { type AfterClose, afterClose, type closeCodes } from '../protocol/close-code.ts'
import type { DownOf } from '../protocol/down.ts'
import type { Refusal } from '../protocol/error.ts'
import { missedHeartbeats } from '../protocol/limits.ts'
import {
  dialMs,
  hurriedDialMs,
  maxRetryWaitMs,
  maxTokenRefusals,
  probeMs,
  stableMs,
  tokenMs,
  tokenSlackMs,
  welcomeMs,
} from './bounds.ts'
import { abandonCalls } from './calls.ts'
import { backoffMs, change, localRefusal, type Move, request, setLink, takeNumber } from './move.ts'
import { abandonMessages, detachSessions } from './sessions.ts'
import type { Online, TokenReason } from './state.ts'

/**
 * The connection: token, dial, hello, welcome, alive, and again. One socket is current; during a handover the socket
 * of the leaving node is read on until the new one is welcome. Everything about sessions hangs on two moments:
 * `welcomed`, after which all of them are opened anew, and `detachSessions`, when the socket they were on is gone.
 */

// Written out, and checked by their types, so that a page does not carry the whole table.
const goingAwayCode: typeof closeCodes.goingAway = 4001
const unresponsive: typeof closeCodes.unresponsive = 4002

export function connect(move: Move): void {
  const { link } = move.state
  if (link.kind !== 'idle' && link.kind !== 'stopped') return wake(move)
  change(move, { dials: 0, refusals: 0 })
  beginDial(move, undefined)
}

/** The network or the user came back: dial now rather than later, and make sure that the socket is not a dead one. */
export function wake(move: Move): void {
  const { link, lastDialMs } = move.state
  if (link.kind === 'waiting') {
    const soonestMs = Math.max(move.nowMs, lastDialMs + hurriedDialMs)
    if (soonestMs <= move.nowMs) beginDial(move, link.reason)
    else setLink(move, { ...link, retryAtMs: Math.min(link.retryAtMs, soonestMs) })
  } else if (link.kind === 'online') {
    sendPing(move, link, Math.min(link.pingDeadlineMs ?? Number.POSITIVE_INFINITY, move.nowMs + probeMs))
  }
}

export function tokenArrived(move: Move, ticket: number, token: string): void {
  const { link } = move.state
  if (link.kind === 'fetching-token' && link.ticket === ticket) {
    change(move, { token: { value: token, expiresAtMs: undefined } })
    dial(move)
  } else if (link.kind === 'online' && link.refreshTicket === ticket) {
    setLink(move, { ...link, refreshTicket: undefined, refreshed: token })
    request(move, link, { type: 'token.refresh', token }, { kind: 'refresh' })
  }
}

/** `message`: why there is no token, for people. */
export function tokenFailed(move: Move, ticket: number, message = ''): void {
  const { link } = move.state
  if (link.kind === 'fetching-token' && link.ticket === ticket)
    wait(move, link.reason, localRefusal('unauthenticated', message))
  // On a live socket the old token stands; when it ends, the close asks for another.
  else if (link.kind === 'online' && link.refreshTicket === ticket) setLink(move, { ...link, refreshTicket: undefined })
}

/** The gateway says why it is about to close a socket that is not welcome yet. */
export function refused(move: Move, error: Refusal): void {
  const { link } = move.state
  if (link.kind === 'greeting') setLink(move, { ...link, error })
}

export function socketOpened(move: Move, socket: number): void {
  const { link, token, client } = move.state
  if (link.kind !== 'dialing' || link.socket !== socket) return
  setLink(move, { kind: 'greeting', socket, deadlineMs: move.nowMs + welcomeMs })
  const frame = {
    type: 'hello' as const,
    token: token?.value,
    client,
  }
  move.effects.push({ type: 'transmit', socket, frame })
}

export function socketClosed(move: Move, socket: number, code: number, reason: string): void {
  const { link, leaving } = move.state
  if (leaving?.socket === socket) {
    change(move, { leaving: undefined })
    detachSessions(move, code)
  } else if ('socket' in link && link.socket === socket) {
    loseSocket(move, afterClose(code), code, reason)
  }
}

export function welcomed(move: Move, frame: DownOf<'welcome'>): void {
  const { link, leaving, token, stats } = move.state
  if (link.kind !== 'greeting') return
  hangUp(move, leaving)
  change(move, {
    leaving: undefined,
    limits: frame.limits,
    token: token === undefined ? undefined : { value: token.value, expiresAtMs: frame.tokenExpiresAt },
    stats: { ...stats, reconnects: stats.reconnects + 1 },
    link: {
      kind: 'online',
      socket: link.socket,
      sinceMs: move.nowMs,
      heartbeatMs: frame.heartbeatMs,
      lastHeardMs: move.nowMs,
      pace: { startMs: move.nowMs, sent: 0 },
    },
  })
  detachSessions(move, 1000)
}

export function tokenExpiring(move: Move): void {
  const { link } = move.state
  if (link.kind !== 'online' || link.refreshTicket !== undefined) return
  const ticket = takeNumber(move)
  setLink(move, { ...link, refreshTicket: ticket })
  move.effects.push({ type: 'fetch-token', ticket, reason: 'expiring' })
}

export function tokenRefreshed(move: Move, expiresAtMs: number): void {
  const { link } = move.state
  if (link.kind !== 'online' || link.refreshed === undefined) return
  change(move, { token: { value: link.refreshed, expiresAtMs }, link: { ...link, refreshed: undefined } })
}

export function goingAway(move: Move, frame: DownOf<'going.away'>): void {
  const { link } = move.state
  if (link.kind !== 'online' || link.leave !== undefined) return
  const leave = { atMs: move.nowMs + frame.reconnectAfterMs, untilMs: move.nowMs + frame.deadlineMs }
  setLink(move, { ...link, leave })
}

/** Anything at all came: the socket lives. */
export function heard(move: Move): void {
  const { link } = move.state
  if (link.kind === 'online') setLink(move, { ...link, lastHeardMs: move.nowMs, pingDeadlineMs: undefined })
}

/** What is due on the connection. */
export function tickLink(move: Move): void {
  const { link, leaving } = move.state
  if (leaving !== undefined && move.nowMs >= leaving.untilMs) {
    hangUp(move, leaving)
    change(move, { leaving: undefined })
    detachSessions(move, goingAwayCode)
  }
  if (move.nowMs < linkDueMs(move.state)) return
  switch (link.kind) {
    case 'fetching-token':
      return wait(move, link.reason)
    case 'dialing':
    case 'greeting':
      return giveUpSocket(move, link.socket)
    case 'online':
      return tickOnline(move, link)
    case 'waiting':
      return beginDial(move, link.reason)
    case 'idle':
    case 'stopped':
      return
  }
}

/** When something is due on the connection. */
export function linkDueMs({ link, leaving }: Move['state']): number {
  const untilMs = leaving?.untilMs ?? Number.POSITIVE_INFINITY
  switch (link.kind) {
    case 'fetching-token':
    case 'dialing':
    case 'greeting':
      return Math.min(untilMs, link.deadlineMs)
    case 'waiting':
      return Math.min(untilMs, link.retryAtMs)
    case 'online':
      return Math.min(link.pingDeadlineMs ?? link.lastHeardMs + link.heartbeatMs, link.leave?.atMs ?? untilMs)
    case 'idle':
    case 'stopped':
      return untilMs
  }
}

function tickOnline(move: Move, link: Online): void {
  if (link.pingDeadlineMs !== undefined && move.nowMs >= link.pingDeadlineMs) return giveUpSocket(move, link.socket)
  if (link.leave !== undefined && move.nowMs >= link.leave.atMs) {
    change(move, { leaving: { socket: link.socket, untilMs: link.leave.untilMs }, dials: 0 })
    return beginDial(move, undefined)
  }
  if (link.pingDeadlineMs !== undefined || move.nowMs < link.lastHeardMs + link.heartbeatMs) return
  // A timer that slept with the machine may fire hours late: the ping always gets its time to be answered.
  const deadlineMs = link.lastHeardMs + missedHeartbeats * link.heartbeatMs
  sendPing(move, link, Math.max(deadlineMs, move.nowMs + probeMs))
}

function sendPing(move: Move, link: Online, pingDeadlineMs: number): void {
  setLink(move, { ...link, pingDeadlineMs })
  const frame = { type: 'ping' as const, id: `r${takeNumber(move)}` }
  move.effects.push({ type: 'transmit', socket: link.socket, frame })
}

function hangUp(move: Move, wire: { readonly socket: number } | undefined, code = 1000): void {
  if (wire !== undefined) move.effects.push({ type: 'hang-up', socket: wire.socket, code })
}

function giveUpSocket(move: Move, socket: number): void {
  hangUp(move, { socket }, unresponsive)
  loseSocket(move, 'reconnect', unresponsive, 'unresponsive')
}

function loseSocket(move: Move, after: AfterClose, code: number, reason: string): void {
  const { link } = move.state
  const wasOnline = link.kind === 'online'
  if (wasOnline && move.nowMs - link.sinceMs >= stableMs) change(move, { dials: 0, refusals: 0 })
  if (wasOnline) detachSessions(move, code)
  const error = link.kind === 'greeting' ? link.error : undefined
  // A close frame holds 123 bytes of it.
  const why = error?.message ?? reason
  if (after === 'stop') return stop(move, code, why)
  if (after === 'reconnect') return wait(move, undefined, error)
  const refusals = move.state.refusals + 1
  change(move, { refusals })
  if (refusals > maxTokenRefusals) return stop(move, code, why)
  if (refusals === 1) return beginDial(move, 'refused')
  wait(move, 'refused', error)
}

/** Ends it until `connect`. */
export function stop(move: Move, code: number, reason: string): void {
  const { link, leaving } = move.state
  if ('socket' in link) hangUp(move, link)
  hangUp(move, leaving)
  change(move, { link: { kind: 'stopped', code, reason }, leaving: undefined, token: undefined })
  detachSessions(move, 1000)
  abandonMessages(move)
  abandonCalls(move)
}

/** The backoff comes on top of what the gateway asks for, so that clients which it refused together come back apart. */
function wait(move: Move, reason: TokenReason | undefined, error?: Refusal): void {
  const askedMs = Math.min(error?.retryAfterMs ?? 0, maxRetryWaitMs)
  const retryAtMs = move.nowMs + askedMs + backoffMs(move, move.state.dials)
  change(move, { dials: move.state.dials + 1, link: { kind: 'waiting', retryAtMs, reason, error } })
}

function beginDial(move: Move, wanted: TokenReason | undefined): void {
  const { token } = move.state
  const isStale = token?.expiresAtMs !== undefined && token.expiresAtMs - move.nowMs < tokenSlackMs
  const reason = wanted ?? (token === undefined ? 'first' : isStale ? 'expiring' : undefined)
  if (reason === undefined) return dial(move)
  const ticket = takeNumber(move)
  // A fetch is a dial too: an app that comes to the foreground again and again must not ask for a token each time.
  change(move, {
    lastDialMs: move.nowMs,
    link: { kind: 'fetching-token', ticket, reason, deadlineMs: move.nowMs + tokenMs },
  })
  move.effects.push({ type: 'fetch-token', ticket, reason })
}

function dial(move: Move): void {
  const socket = takeNumber(move)
  const deadlineMs = move.nowMs + dialMs
  change(move, { lastDialMs: move.nowMs, link: { kind: 'dialing', socket, deadlineMs } })
  move.effects.push({ type: 'dial', socket })
}
