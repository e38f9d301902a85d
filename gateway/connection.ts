import { type CloseCode, closeCodes } from '../protocol/close-code.ts'
import type { Down } from '../protocol/down.ts'
import { type ErrorKind, refusal } from '../protocol/error.ts'
import { frameDownBytes, missedHeartbeats, pageRecordsMax, tokenExpiringAheadMs } from '../protocol/limits.ts'
import type { Request, Up } from '../protocol/up.ts'
import { protocolVersion } from '../protocol/version.ts'
import type { Verification } from './auth/authenticator.ts'
import type { Identity } from './auth/identity.ts'
import { CLOCK_TOLERANCE_SECONDS } from './auth/limits.ts'
import { operationOf, permit } from './auth/permissions.ts'
import { badFramesForgivenPerSecond, badFramesMax, heldFramesMax, tooFastSeconds } from './bounds.ts'
import { type Bucket, take, untilNextMs } from './bucket.ts'
import type { ParsedFrame } from './parse-frame.ts'

/**
 * One socket's life as a reducer: greeting, verifying, ready, closed. It decides who is heard and when a socket ends;
 * what requests do is not its business. No clock, no waiting: time comes in the events, work goes out as effects.
 *
 *   greeting ──hello──▶ verifying ──ok──▶ ready
 *       └──deadline──────────┴──refused─────┴──expired, dead, too fast──▶ closed
 */
export type ConnectionState =
  | (Common & { readonly phase: 'greeting'; readonly headerToken?: string })
  | (Common & { readonly phase: 'verifying'; readonly held: readonly Request[]; readonly client: string })
  | (Common & {
      readonly phase: 'ready'
      readonly identity: Identity
      readonly isRefreshing: boolean
      readonly wasWarned: boolean
    })
  | (Common & { readonly phase: 'closed' })

interface Common {
  readonly settings: ConnectionSettings
  readonly openedMs: number
  readonly heardMs: number
  readonly pingedMs: number
  readonly frames: Bucket
  readonly badFrames: Bucket
  /** The node is leaving, which is said after `welcome`: a client that is not welcome yet does not listen. */
  readonly leaving?: Leaving
}

interface Leaving {
  readonly reconnectAfterMs: number
  readonly deadlineMs: number
}

export interface ConnectionSettings {
  readonly connection: string
  readonly contentBytes: number
  readonly framesPerSecond: number
  readonly watchedSessions: number
  readonly helloDeadlineMs: number
  readonly heartbeatMs: number
}

export type ConnectionEvent =
  | { readonly type: 'frame'; readonly frame: ParsedFrame; readonly nowMs: number }
  /** Anything else that only shows life. */
  | { readonly type: 'heard'; readonly nowMs: number }
  | {
      readonly type: 'verified'
      readonly purpose: VerifyPurpose
      readonly verification: Verification
      /** Whether the subject may have one more socket here. */
      readonly hasPlace: boolean
      readonly nowMs: number
    }
  | { readonly type: 'tick'; readonly nowMs: number }
  /** The key that signed the socket's present token was removed. */
  | { readonly type: 'key-removed' }
  | ({ readonly type: 'leaving' } & Leaving)
  | { readonly type: 'closed' }

export type VerifyPurpose = { readonly kind: 'hello' } | { readonly kind: 'refresh'; readonly ref: string }

export type ConnectionEffect =
  | { readonly type: 'send'; readonly frame: Down }
  | { readonly type: 'verify'; readonly token: string; readonly purpose: VerifyPurpose }
  | { readonly type: 'serve'; readonly request: Request; readonly identity: Identity }
  /** The socket is this identity's from now on. */
  | { readonly type: 'welcomed'; readonly identity: Identity; readonly client: string }
  | { readonly type: 'ping' }
  | { readonly type: 'close'; readonly code: CloseCode; readonly reason: string }

export interface Step {
  readonly state: ConnectionState
  readonly effects: readonly ConnectionEffect[]
}

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

export function stepConnection(state: ConnectionState, event: ConnectionEvent): Step {
  if (state.phase === 'closed') return { state, effects: [] }
  switch (event.type) {
    case 'frame':
      return onFrame({ ...state, heardMs: event.nowMs }, event.frame, event.nowMs)
    case 'heard':
      return { state: { ...state, heardMs: event.nowMs }, effects: [] }
    case 'verified':
      return event.purpose.kind === 'hello' ? onGreeted(state, event) : onRefreshed(state, event, event.purpose.ref)
    case 'tick':
      return onTick(state, event.nowMs)
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

function onFrame(state: Open, parsed: ParsedFrame, nowMs: number): Step {
  const { framesPerSecond } = state.settings
  const frames = take(state.frames, framesPerSecond, framesPerSecond, nowMs)
  const counted = { ...state, frames }
  if (frames.level < -tooFastSeconds * framesPerSecond) {
    return close(
      counted,
      'rate-limited',
      `more than ${framesPerSecond} frames a second: send slower`,
      closeCodes.tooFast,
    )
  }
  if (frames.level < 0) return refuse(counted, refOf(parsed), tooFast(frames, framesPerSecond))
  return parsed.kind === 'ok' ? onMessage(counted, parsed.frame) : onBadFrame(counted, parsed, nowMs)
}

function tooFast(frames: Bucket, framesPerSecond: number) {
  return refusal(
    'rate-limited',
    `more than ${framesPerSecond} frames a second: send it again later`,
    untilNextMs(frames, framesPerSecond),
  )
}

function onBadFrame(state: Open, parsed: Extract<ParsedFrame, { kind: 'invalid' }>, nowMs: number): Step {
  const badFrames = take(state.badFrames, badFramesMax, badFramesForgivenPerSecond, nowMs)
  if (badFrames.level < 0) {
    return close(
      { ...state, badFrames },
      'invalid',
      `too many frames that are not of the protocol; the last: ${parsed.message}`,
      closeCodes.tooManyErrors,
    )
  }
  return refuse({ ...state, badFrames }, parsed.ref, refusal('invalid', parsed.message))
}

function onMessage(state: Open, frame: Up): Step {
  switch (state.phase) {
    case 'greeting':
      return onHello(state, frame)
    case 'verifying':
      return hold(state, frame)
    case 'ready':
      return onRequest(state, frame)
    default:
      return assertNever(state)
  }
}

function onHello(state: Extract<Open, { phase: 'greeting' }>, frame: Up): Step {
  if (frame.type !== 'hello') {
    return close(state, 'invalid', `the first frame must be hello, not ${frame.type}`, closeCodes.protocol)
  }
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

/** A client may send on at once; its requests wait for its name. */
function hold(state: Extract<Open, { phase: 'verifying' }>, frame: Up): Step {
  if (frame.type === 'hello') return refuse(state, undefined, refusal('invalid', 'hello comes once, first'))
  if (state.held.length >= heldFramesMax) {
    return refuse(state, frame.id, refusal('rate-limited', 'too many frames before welcome: wait for it', 100))
  }
  return { state: { ...state, held: [...state.held, frame] }, effects: [] }
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
  const welcomed: Step = { state: ready, effects: [{ type: 'welcomed', identity, client }, send(welcome(ready))] }
  const { leaving } = ready
  const greeted = leaving === undefined ? welcomed : andThen(welcomed, () => onLeaving(ready, leaving))
  return held.reduce<Step>(
    (step, frame) =>
      andThen(step, (next) => (next.phase === 'ready' ? onRequest(next, frame) : { state: next, effects: [] })),
    andThen(greeted, (next) => onTick(next, nowMs)),
  )
}

function welcome({ settings, identity }: Ready): Down {
  return {
    type: 'welcome',
    protocol: protocolVersion,
    connection: settings.connection,
    subject: identity.subject,
    heartbeatMs: settings.heartbeatMs,
    tokenExpiresAt: identity.expiresAtMs,
    limits: {
      frameBytes: frameDownBytes,
      contentBytes: settings.contentBytes,
      framesPerSecond: settings.framesPerSecond,
      watchedSessions: settings.watchedSessions,
      pageRecords: pageRecordsMax,
    },
  }
}

function onRefreshed(state: Open, { verification }: Verified, ref: string): Step {
  if (state.phase !== 'ready') return { state, effects: [] }
  const idle = { ...state, isRefreshing: false }
  if (verification.kind === 'refused') {
    const kind = verification.reason === 'unavailable' ? 'unavailable' : 'unauthenticated'
    return refuse(idle, ref, refusal(kind, `${verification.message}; the token before still stands`))
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

function onTick(state: ConnectionState, nowMs: number): Step {
  if (state.phase === 'closed') return { state, effects: [] }
  const { heartbeatMs, helloDeadlineMs } = state.settings
  if (state.phase === 'greeting' && nowMs - state.openedMs >= helloDeadlineMs) {
    return close(state, 'unauthenticated', `no hello within ${helloDeadlineMs} ms`, closeCodes.helloTimeout)
  }
  if (nowMs - state.heardMs >= missedHeartbeats * heartbeatMs)
    return endWith(state, closeCodes.unresponsive, 'nothing came for three heartbeats')
  if (state.phase !== 'ready') return { state, effects: [] }
  const alive: Step =
    nowMs - state.pingedMs < heartbeatMs
      ? { state, effects: [] }
      : { state: { ...state, pingedMs: nowMs }, effects: [{ type: 'ping' }] }
  return andThen(alive, (next) => (next.phase === 'ready' ? checkToken(next, nowMs) : { state: next, effects: [] }))
}

function onKeyRemoved(state: Open): Step {
  if (state.phase !== 'ready') return { state, effects: [] }
  const message = 'the key that signed this token was removed: connect with a new token'
  return close(state, 'unauthenticated', message, closeCodes.tokenExpired)
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
  if (verification.reason === 'unavailable')
    return close(state, 'unavailable', verification.message, closeCodes.unavailable)
  const code = verification.reason === 'expired' ? closeCodes.tokenExpired : closeCodes.unauthenticated
  return close(state, 'unauthenticated', verification.message, code)
}

function refuse(state: ConnectionState, ref: string | undefined, error: ReturnType<typeof refusal>): Step {
  return { state, effects: [send(ref === undefined ? { type: 'error', ...error } : { type: 'error', ref, ...error })] }
}

/** Says why in band, for whoever reads frames, then in the close, for whoever only sees codes. */
function close(state: ConnectionState, kind: ErrorKind, message: string, code: CloseCode): Step {
  const said = send({ type: 'error', ...refusal(kind, message) })
  return { state: closed(state), effects: [said, { type: 'close', code, reason: message }] }
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

function refOf(parsed: ParsedFrame): string | undefined {
  if (parsed.kind === 'invalid') return parsed.ref
  return parsed.frame.type === 'hello' ? undefined : parsed.frame.id
}

function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
