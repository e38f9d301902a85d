import { type CloseCode, closeCodes } from '../protocol/close-code.ts'
import type { Down } from '../protocol/down.ts'
import { type ErrorKind, type Refusal, refusal } from '../protocol/error.ts'
import { missedHeartbeats, tokenExpiringAheadMs, windowBytes } from '../protocol/limits.ts'
import type { Up, UpOf } from '../protocol/up.ts'
import type { Verification } from './auth/authenticator.ts'
import { CLOCK_TOLERANCE_SECONDS } from './auth/limits.ts'
import { operationOf, permit } from './auth/permissions.ts'
import {
  badFramesForgivenPerSecond,
  badFramesMax,
  heldFramesMax,
  heldLength,
  strangerBytes,
  strangerFrameBytes,
  unreadBytesMax,
} from './bounds.ts'
import { type Bucket, take } from './bucket.ts'
import type {
  Common,
  ConnectionEffect,
  ConnectionEvent,
  ConnectionSettings,
  ConnectionState,
  Leaving,
  Step,
} from './connection-state.ts'
import { afterAnswer, frameCost, rateOf, requestCost, subjectTooFast, tooFast } from './frame-rate.ts'
import { parseFrame, parseHello, refOfRefused } from './parse-frame.ts'
import { welcome } from './welcome.ts'

/** Full since ever; most sockets have it all their life. */
const noBadFrames: Bucket = { level: badFramesMax, atMs: 0 }

export function openConnection(settings: ConnectionSettings, nowMs: number, headerToken?: string): ConnectionState {
  const { framesPerSecond } = settings
  const common: Common = {
    settings,
    openedMs: nowMs,
    heardMs: nowMs,
    pingedMs: nowMs,
    frames: { level: framesPerSecond, atMs: nowMs },
    badFrames: noBadFrames,
  }
  return headerToken === undefined ? { ...common, phase: 'greeting' } : { ...common, phase: 'greeting', headerToken }
}

/**
 * One socket's life as a reducer: greeting, verifying, ready, closed. It decides who is heard and when a socket ends;
 * what requests do is not its business. No clock, no waiting: time comes in the events, work goes out as effects.
 *
 * A frame is charged to the socket's rate before it is parsed, and nothing but `hello` is parsed before `welcome`.
 *
 *   greeting ──hello──▶ verifying ──ok──▶ ready
 *       └──deadline──────────┴──refused─────┴──expired, dead, too fast──▶ closed
 */
export function stepConnection(state: ConnectionState, event: ConnectionEvent): Step {
  if (state.phase === 'closed') return { state, effects: [] }
  switch (event.type) {
    case 'frame':
      return onFrame({ ...state, heardMs: event.nowMs }, event)
    case 'binary':
      return onBinary({ ...state, heardMs: event.nowMs }, event.nowMs)
    case 'over-limit':
      return onOverLimit(state)
    case 'read':
      return { state: reads({ ...state, heardMs: event.nowMs }), effects: [] }
    case 'control':
      return onControl({ ...state, heardMs: event.nowMs }, event.nowMs)
    case 'answered':
      return {
        state: { ...state, frames: afterAnswer(state.frames, state.settings.framesPerSecond, event) },
        effects: [],
      }
    case 'verified':
      return event.purpose.kind === 'hello' ? onGreeted(state, event) : onRefreshed(state, event, event.purpose.ref)
    case 'tick':
      return onTick(state, event.nowMs, event.unansweredBytes)
    case 'key-removed':
      return onKeyRemoved(state)
    case 'leaving':
      return onLeaving(state, event)
    case 'closed':
      return { state: closed(state), effects: [] }
    default:
      return assertNever(event)
  }
}

type Open = Exclude<ConnectionState, { phase: 'closed' }>

function onLeaving(state: Open, { reconnectAfterMs, deadlineMs }: Leaving): Step {
  if (state.phase !== 'ready') return { state: { ...state, leaving: { reconnectAfterMs, deadlineMs } }, effects: [] }
  return { state, effects: [send({ type: 'going.away', reconnectAfterMs, deadlineMs })] }
}

function onFrame(state: Open, { text, subjectWaitMs, nowMs }: Extract<ConnectionEvent, { type: 'frame' }>): Step {
  const cost = frameCost(text.length)
  const charged = charge(state, nowMs, cost)
  if (charged.kind === 'flood') return charged.step
  const { state: counted } = charged
  if (charged.kind === 'over' && counted.phase === 'greeting') return closeTooFast(counted)
  if (charged.kind === 'over')
    return refuse(counted, refOfRefused(text), tooFast(counted.frames, counted.settings.framesPerSecond, cost))
  if (subjectWaitMs > 0) return refuse(counted, refOfRefused(text), subjectTooFast(subjectWaitMs))
  switch (counted.phase) {
    case 'greeting':
      return onFirstFrame(counted, text)
    case 'verifying':
      return hold(counted, text)
    case 'ready':
      return onText(counted, text, nowMs)
    default:
      return assertNever(counted)
  }
}

/** Counts against the rate. `over`: to be refused. `flood`: so far over it that the socket is closed. */
function charge<S extends Open>(state: S, nowMs: number, cost: number): Charged<S> {
  const { framesPerSecond } = state.settings
  const counted = { ...state, frames: take(state.frames, framesPerSecond, framesPerSecond, nowMs, cost) }
  const rate = rateOf(counted.frames, framesPerSecond)
  if (rate !== 'flood') return { kind: rate, state: counted }
  return { kind: 'flood', step: closeTooFast(counted) }
}

function closeTooFast(state: Open): Step {
  const message = `more than ${state.settings.framesPerSecond} frames a second: send slower`
  return close(state, 'rate-limited', message, closeCodes.tooFast)
}

type Charged<S> =
  | { readonly kind: 'within' | 'over'; readonly state: S }
  | { readonly kind: 'flood'; readonly step: Step }

function onBinary(state: Open, nowMs: number): Step {
  const charged = charge(state, nowMs, 1)
  if (charged.kind === 'flood') return charged.step
  if (state.phase === 'greeting') {
    const message = 'the first frame must be hello, in a text frame: this one is binary'
    return close(charged.state, 'invalid', message, closeCodes.protocol)
  }
  if (charged.kind === 'over')
    return refuse(charged.state, undefined, tooFast(charged.state.frames, charged.state.settings.framesPerSecond, 1))
  return onBadFrame(charged.state, undefined, 'a binary frame: send one JSON object in each text frame', nowMs)
}

function onControl(state: Open, nowMs: number): Step {
  const charged = charge(state, nowMs, 1)
  return charged.kind === 'flood' ? charged.step : { state: charged.state, effects: [] }
}

/** Nothing but its token can make a `hello` so large; behind it, the client should have waited. */
function onOverLimit(state: Open): Step {
  if (state.phase === 'greeting') {
    const message = `hello is larger than ${strangerFrameBytes} bytes: get a token with fewer claims (groups, roles)`
    return close(state, 'unauthenticated', message, closeCodes.unauthenticated)
  }
  const message =
    `before welcome a frame has at most ${strangerFrameBytes} bytes, and all together ${strangerBytes}: ` +
    'send hello, and wait for welcome before anything large'
  return close(state, 'too-large', message, closeCodes.protocol)
}

function onBadFrame(state: Open, ref: string | undefined, message: string, nowMs: number): Step {
  const badFrames = take(state.badFrames, badFramesMax, badFramesForgivenPerSecond, nowMs)
  if (badFrames.level < 0) {
    return close(
      { ...state, badFrames },
      'invalid',
      `too many frames that are not of the protocol; the last: ${message}`,
      closeCodes.tooManyErrors,
    )
  }
  return refuse({ ...state, badFrames }, ref, refusal('invalid', message))
}

function onFirstFrame(state: Extract<Open, { phase: 'greeting' }>, text: string): Step {
  const parsed = parseHello(text)
  if (parsed.kind === 'ok') return onHello(state, parsed.frame)
  return parsed.kind === 'bad-token'
    ? close(state, 'unauthenticated', parsed.message, closeCodes.unauthenticated)
    : close(state, 'invalid', parsed.message, closeCodes.protocol)
}

function onText(state: Ready, text: string, nowMs: number): Step {
  const parsed = parseFrame(text)
  if (parsed.kind === 'invalid') return onBadFrame(state, parsed.ref, parsed.message, nowMs)
  if (parsed.kind === 'bad-token')
    return refuse(state, parsed.ref, refusal('unauthenticated', `${parsed.message}; the token before still stands`))
  const { frame } = parsed
  const { framesPerSecond } = state.settings
  const cost = Math.min(requestCost(frame), framesPerSecond - 1)
  if (cost === 0) return onRequest(state, frame)
  const charged = charge(state, nowMs, cost)
  if (charged.kind === 'flood') return charged.step
  if (charged.kind === 'over')
    return refuse(charged.state, refOf(frame), tooFast(charged.state.frames, framesPerSecond, cost + 1))
  return onRequest(charged.state, frame)
}

function onHello(state: Extract<Open, { phase: 'greeting' }>, frame: UpOf<'hello'>): Step {
  const token = frame.token ?? state.headerToken
  if (token === undefined) {
    const message = 'no token: put one into hello or into the Authorization header of the upgrade'
    return close(state, 'unauthenticated', message, closeCodes.unauthenticated)
  }
  const { headerToken: _, ...rest } = state
  return {
    state: { ...rest, phase: 'verifying', held: [], client: frame.client ?? '' },
    effects: [{ type: 'verify', token, purpose: { kind: 'hello' } }],
  }
}

/** A client may send on at once; its requests wait for its name, as they came. */
function hold(state: Extract<Open, { phase: 'verifying' }>, text: string): Step {
  const length = state.held.reduce((sum, frame) => sum + frame.length, text.length)
  if (state.held.length >= heldFramesMax || length > heldLength) {
    return refuse(
      state,
      refOfRefused(text),
      refusal('rate-limited', 'too many frames before welcome: wait for it', 100),
    )
  }
  return { state: { ...state, held: [...state.held, text] }, effects: [] }
}

type Ready = Extract<Open, { phase: 'ready' }>

function onRequest(state: Ready, frame: Up): Step {
  if (frame.type === 'hello')
    return refuse(state, undefined, refusal('invalid', 'hello comes once, first; token.refresh changes the token'))
  if (frame.type === 'ping') return { state, effects: [send({ type: 'pong', ref: frame.id })] }
  if (frame.type === 'token.refresh') return onRefresh(state, frame.id, frame.token)
  const permitted = permit(state.identity, operationOf(frame))
  if (permitted.kind === 'forbidden') return refuse(state, frame.id, refusal('forbidden', permitted.message))
  return { state, effects: [{ type: 'serve', request: frame, identity: state.identity }] }
}

function onRefresh(state: Ready, ref: string, token: string): Step {
  if (state.isRefreshing)
    return refuse(state, ref, refusal('busy', 'another token.refresh is under way: wait for its answer'))
  return {
    state: { ...state, isRefreshing: true },
    effects: [{ type: 'verify', token, purpose: { kind: 'refresh', ref } }],
  }
}

type Verified = Extract<ConnectionEvent, { type: 'verified' }>

function onGreeted(state: Open, { verification, hasPlace, nowMs }: Verified): Step {
  if (state.phase !== 'verifying') return { state, effects: [] }
  if (verification.kind === 'refused') return closeRefused(state, verification)
  if (!hasPlace) {
    return close(state, 'busy', 'the subject has as many sockets as it may: close one', closeCodes.tooManySockets)
  }
  const { held, client, ...rest } = state
  const { identity } = verification
  const ready: Ready = { ...rest, phase: 'ready', identity, isRefreshing: false, wasWarned: false }
  const welcomed: Step = {
    state: ready,
    effects: [{ type: 'welcomed', identity, client }, send(welcome(ready.settings, identity))],
  }
  const { leaving } = ready
  const greeted = leaving === undefined ? welcomed : andThen(welcomed, () => onLeaving(ready, leaving))
  return held.reduce<Step>(
    (step, text) =>
      andThen(step, (next) => (next.phase === 'ready' ? onText(next, text, nowMs) : { state: next, effects: [] })),
    andThen(greeted, (next) => onTick(next, nowMs, 0)),
  )
}

function onRefreshed(state: Open, { verification }: Verified, ref: string): Step {
  if (state.phase !== 'ready') return { state, effects: [] }
  const idle = { ...state, isRefreshing: false }
  if (verification.kind === 'refused') {
    const kind = verification.reason === 'unavailable' ? 'unavailable' : 'unauthenticated'
    const message = `${verification.message}; the token before still stands`
    return refuse(idle, ref, refusal(kind, message, verification.retryAfterMs))
  }
  const { identity } = verification
  if (identity.subject !== state.identity.subject || identity.tenant !== state.identity.tenant) {
    return refuse(
      idle,
      ref,
      refusal('forbidden', 'the token is of another subject or tenant: open a socket of its own for it'),
    )
  }
  return {
    state: { ...idle, identity, wasWarned: false },
    effects: [send({ type: 'token.refreshed', ref, tokenExpiresAt: identity.expiresAtMs })],
  }
}

function onTick(state: ConnectionState, nowMs: number, unansweredBytes: number): Step {
  if (state.phase === 'closed') return { state, effects: [] }
  const { heartbeatMs, helloDeadlineMs } = state.settings
  if (state.phase !== 'ready' && nowMs - state.openedMs >= helloDeadlineMs) return onHelloDeadline(state)
  if (nowMs - state.heardMs >= missedHeartbeats * heartbeatMs)
    return endWith(state, closeCodes.unresponsive, 'nothing came for three heartbeats')
  if (state.phase !== 'ready') return { state, effects: [] }
  const reading = lookForReading(state, nowMs, unansweredBytes)
  if (reading === undefined)
    return endWith(state, closeCodes.unresponsive, 'what was sent is not read: read, and answer each ping')
  const alive: Step =
    nowMs - state.pingedMs < heartbeatMs
      ? { state: reading, effects: [] }
      : { state: { ...reading, pingedMs: nowMs }, effects: [{ type: 'ping' }] }
  return andThen(alive, (next) => (next.phase === 'ready' ? checkToken(next, nowMs) : { state: next, effects: [] }))
}

function onKeyRemoved(state: Open): Step {
  if (state.phase !== 'ready') return { state, effects: [] }
  const message = 'the key that signed this token was removed: connect with a new token'
  return close(state, 'unauthenticated', message, closeCodes.tokenExpired)
}

function onHelloDeadline(state: Exclude<Open, { phase: 'ready' }>): Step {
  const { helloDeadlineMs } = state.settings
  if (state.phase === 'greeting')
    return close(state, 'unauthenticated', `no hello within ${helloDeadlineMs} ms`, closeCodes.helloTimeout)
  const message = `unable to verify the token within ${helloDeadlineMs} ms: connect again later`
  return close(state, 'unavailable', message, closeCodes.unavailable)
}

/** `undefined`: the client does not read. A slow one proves with each pong that it does. */
function lookForReading(state: Ready, nowMs: number, unansweredBytes: number): Ready | undefined {
  if (unansweredBytes <= windowBytes) return reads(state)
  if (unansweredBytes > unreadBytesMax) return undefined
  const { unreadSinceMs = nowMs } = state
  if (nowMs - unreadSinceMs >= missedHeartbeats * state.settings.heartbeatMs) return undefined
  return state.unreadSinceMs === undefined ? { ...state, unreadSinceMs } : state
}

function reads<S extends Open>(state: S): S {
  if (state.unreadSinceMs === undefined) return state
  const { unreadSinceMs: _, ...rest } = state
  // Nothing but an optional field is missing.
  return rest as S
}

function checkToken(state: Ready, nowMs: number): Step {
  const leftMs = state.identity.expiresAtMs - nowMs
  if (leftMs <= -1000 * CLOCK_TOLERANCE_SECONDS)
    return close(state, 'unauthenticated', 'the token has expired: connect with a new one', closeCodes.tokenExpired)
  if (state.wasWarned || leftMs > tokenExpiringAheadMs) return { state, effects: [] }
  return {
    state: { ...state, wasWarned: true },
    effects: [send({ type: 'token.expiring', tokenExpiresAt: state.identity.expiresAtMs })],
  }
}

function closeRefused(state: Open, verification: Extract<Verification, { kind: 'refused' }>): Step {
  if (verification.reason === 'unavailable') {
    const { message, retryAfterMs } = verification
    return closeWith(state, refusal('unavailable', message, retryAfterMs), closeCodes.unavailable)
  }
  const code = verification.reason === 'expired' ? closeCodes.tokenExpired : closeCodes.unauthenticated
  return close(state, 'unauthenticated', verification.message, code)
}

function refuse(state: ConnectionState, ref: string | undefined, error: ReturnType<typeof refusal>): Step {
  return { state, effects: [send(ref === undefined ? { type: 'error', ...error } : { type: 'error', ref, ...error })] }
}

/** Says why in band, for whoever reads frames, then in the close, for whoever only sees codes. */
function close(state: ConnectionState, kind: ErrorKind, message: string, code: CloseCode): Step {
  return closeWith(state, refusal(kind, message), code)
}

function closeWith(state: ConnectionState, error: Refusal, code: CloseCode): Step {
  const said = send({ type: 'error', ...error })
  return { state: closed(state), effects: [said, { type: 'close', code, reason: error.message }] }
}

function endWith(state: ConnectionState, code: CloseCode, reason: string): Step {
  return { state: closed(state), effects: [{ type: 'close', code, reason }] }
}

function closed({ settings, openedMs, heardMs, pingedMs, frames, badFrames }: ConnectionState): ConnectionState {
  return { phase: 'closed', settings, openedMs, heardMs, pingedMs, frames, badFrames }
}

function andThen(step: Step, next: (state: ConnectionState) => Step): Step {
  const after = next(step.state)
  return { state: after.state, effects: [...step.effects, ...after.effects] }
}

function send(frame: Down): ConnectionEffect {
  return { type: 'send', frame }
}

function refOf(frame: Up): string | undefined {
  return frame.type === 'hello' ? undefined : frame.id
}

function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
