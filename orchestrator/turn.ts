/**
 * A running turn's producer, as a reducer: what to do with the store and the provider next.
 *
 * The problem: the store may answer late, twice or never, travel back in time, hand the turn to another node or cancel it,
 * while the provider goes on talking. The invariant: the whole text stays here, addressed by byte offset, and the store is
 * only ever told "from the length you named"; so a lost reply, a repeat and a roll-back are the same case. At most one
 * operation is in flight; what arrives meanwhile rides in the next.
 *
 * It knows lengths, never text, and no clock: the time is in the event.
 */
import { type Refusal, refusal } from '../protocol/error.ts'
import {
  behindMax,
  repeatDoublings,
  storeAwayMs,
  unacknowledgedBytes,
  unacknowledgedCloseMs,
  unacknowledgedPauseMs,
} from './limits.ts'
import type { AppendReply, EndReply, StopReason } from './ports.ts'
import {
  type ClaimReply,
  cancelled,
  type Ending,
  failed,
  type OperationEffect,
  type Outcome,
  type Running,
  type Step,
  type Store,
  type Streaming,
  type TurnBounds,
  type TurnEffect,
  type TurnEvent,
  type TurnStart,
  type TurnState,
} from './turn-state.ts'

export function startTurn(start: TurnStart, bounds: TurnBounds): Step {
  const keptBytes = start.from === 'taken' ? start.keptBytes : 0
  const store: Store = {
    flight: 'none',
    isClaimed: true,
    attempt: start.foreignAttempt + 1,
    isOpen: false,
    foreignAttempt: start.foreignAttempt,
    keep: keptBytes > 0 ? { attempt: start.foreignAttempt, end: keptBytes } : undefined,
    hasOpened: false,
    isEnded: false,
    ackedBytes: 0,
    sizeBytes: keptBytes,
    renewAtMs: start.nowMs + bounds.renewMs,
    waitingSinceMs: keptBytes > 0 ? start.nowMs : Number.POSITIVE_INFINITY,
    repeatAtMs: 0,
    failedCount: 0,
    awaySinceMs: Number.POSITIVE_INFINITY,
    behindCount: 0,
  }
  if (start.from === 'taken-to-end')
    return pump(endingAsRead(store, start.foreignAttempt, start.outcome), start.nowMs, bounds, [])
  return { state: { phase: 'pending', store, endAtMs: start.nowMs + bounds.totalMs }, effects: [] }
}

/** Throws only for a bug: a store that knows more of this attempt than was ever written. */
export function stepTurn(state: TurnState, event: TurnEvent, bounds: TurnBounds): Step {
  if (state.phase === 'done') return { state, effects: [] }
  switch (event.type) {
    case 'called':
      return called(state, event.nowMs, bounds)
    case 'text':
      return text(state, event.nowMs, event.sizeBytes, bounds)
    case 'overflowed':
      return outcomeKnown(state, { kind: 'completed', finishReason: 'length' }, event, bounds, [{ type: 'close' }])
    case 'finished':
      return outcomeKnown(state, { kind: 'completed', finishReason: event.finishReason }, event, bounds, [])
    case 'failed':
      return outcomeKnown(state, failed(event.error), event, bounds, [{ type: 'close' }])
    case 'appended':
      return appended(landed(state), event.reply, event.nowMs, bounds)
    case 'ended':
      return ended(landed(state), event.reply, event.nowMs, bounds)
    case 'claimed':
      return claimed(landed(state), event.reply, event.nowMs, bounds)
    case 'read':
      return read(landed(state), event.sizeBytes, event.nowMs, bounds)
    case 'unknown':
      return unknownOutcome(state, event.nowMs, event.jitterMs, bounds)
    case 'nudged':
      return pump(withStore(state, { renewAtMs: 0, isEnded: false }), event.nowMs, bounds, [])
    case 'let-go':
      return state.phase === 'ending' ? letGo(state, event.nowMs, bounds) : { state, effects: [] }
    case 'ticked':
      return ticked(state, event.nowMs, bounds)
    default:
      return assertNever(event)
  }
}

/** When the turn wants a `ticked`, at the latest, on the monotonic clock. */
export function wakeAtMs(state: TurnState): number {
  switch (state.phase) {
    case 'done':
      return Number.POSITIVE_INFINITY
    case 'pending':
      return Math.min(state.endAtMs, storeWakeAtMs(state.store))
    case 'streaming':
      return Math.min(state.endAtMs, state.quietAtMs, storeWakeAtMs(state.store), backlogWakeAtMs(state))
    case 'ending':
      return state.store.isEnded ? state.untilMs : storeWakeAtMs(state.store)
    default:
      return assertNever(state)
  }
}

function storeWakeAtMs(store: Store): number {
  if (store.flight !== 'none') return Number.POSITIVE_INFINITY
  return store.repeatAtMs > 0 ? store.repeatAtMs : store.renewAtMs
}

function backlogWakeAtMs(state: Streaming): number {
  const { waitingSinceMs } = state.store
  return waitingSinceMs + (state.isPaused ? unacknowledgedCloseMs : unacknowledgedPauseMs)
}

function called(state: Running, nowMs: number, bounds: TurnBounds): Step {
  if (state.phase !== 'pending') return { state, effects: [] }
  const { store, endAtMs } = state
  const quietAtMs = nowMs + bounds.firstTokenMs
  return pump({ phase: 'streaming', store, endAtMs, quietAtMs, hasText: false, isPaused: false }, nowMs, bounds, [])
}

function text(state: Running, nowMs: number, sizeBytes: number, bounds: TurnBounds): Step {
  if (state.phase !== 'streaming') return { state, effects: [] }
  const quietAtMs = state.isPaused ? state.quietAtMs : nowMs + bounds.idleMs
  const grown = grow(state.store, sizeBytes, nowMs)
  return pump({ ...state, quietAtMs, hasText: true, store: grown }, nowMs, bounds, [])
}

function grow(store: Store, sizeBytes: number, nowMs: number): Store {
  if (sizeBytes <= store.sizeBytes) return store
  return { ...store, sizeBytes, waitingSinceMs: Math.min(store.waitingSinceMs, nowMs) }
}

function outcomeKnown(
  state: Running,
  outcome: Outcome,
  event: { readonly nowMs: number; readonly sizeBytes: number },
  bounds: TurnBounds,
  effects: readonly TurnEffect[],
): Step {
  if (state.phase === 'ending') return { state, effects: [] }
  const store = grow(state.store, event.sizeBytes, event.nowMs)
  return pump({ phase: 'ending', store, outcome, text: 'own', untilMs: never }, event.nowMs, bounds, effects)
}

/** It is said once more, and that was all. */
function letGo(state: Ending, nowMs: number, bounds: TurnBounds): Step {
  return pump({ ...state, untilMs: nowMs, store: { ...state.store, isEnded: false } }, nowMs, bounds, [])
}

function ticked(state: Running, nowMs: number, bounds: TurnBounds): Step {
  if (state.phase === 'ending' && nowMs >= state.untilMs) return letGo(state, state.untilMs, bounds)
  const late = tooLate(state, nowMs, bounds)
  if (late === undefined) return pump(state, nowMs, bounds, [])
  return outcomeKnown(state, failed(late), { nowMs, sizeBytes: 0 }, bounds, [{ type: 'close' }])
}

function tooLate(state: Running, nowMs: number, bounds: TurnBounds): Refusal | undefined {
  if (state.phase === 'ending') return undefined
  if (nowMs >= state.endAtMs) return refusal('provider', `the answer took longer than ${bounds.totalMs} ms`)
  if (state.phase === 'pending') return undefined
  if (nowMs >= state.store.waitingSinceMs + unacknowledgedCloseMs)
    return refusal('unavailable', `the store took no text for ${unacknowledgedCloseMs} ms`)
  if (nowMs < state.quietAtMs) return undefined
  return state.hasText
    ? refusal('provider', `the model was silent for ${bounds.idleMs} ms in the middle of its answer`)
    : refusal('provider', `the model did not begin to answer within ${bounds.firstTokenMs} ms`)
}

/** The operation in flight was answered. */
function landed(state: Running): Running {
  return withStore(state, {
    flight: 'none',
    repeatAtMs: 0,
    failedCount: 0,
    awaySinceMs: Number.POSITIVE_INFINITY,
  })
}

function appended(state: Running, reply: AppendReply, nowMs: number, bounds: TurnBounds): Step {
  const { store } = state
  switch (reply.kind) {
    case 'ok':
      return acknowledged(state, reply.length, nowMs, bounds)
    case 'attempt': {
      const attempt = Math.max(store.attempt, reply.attempt + 1)
      const change = { attempt, foreignAttempt: reply.attempt, keep: undefined }
      return pump(reopening(state, change, nowMs), nowMs, bounds, [])
    }
    case 'cancel':
      return cancelSeen(state, reply.attempt, reply.length, nowMs, bounds)
    case 'stale':
      return pump(withStore(state, { isClaimed: false }), nowMs, bounds, [])
    case 'full': {
      const full = cutTo(state, reply.length)
      const outcome: Outcome = { kind: 'completed', finishReason: 'length' }
      const next: Ending =
        full.phase === 'ending' ? full : { phase: 'ending', store: full.store, outcome, text: 'own', untilMs: never }
      return pump(next, nowMs, bounds, [{ type: 'close' }, { type: 'cut', to: reply.length }])
    }
    case 'gone':
      return stop('gone')
    default:
      return assertNever(reply)
  }
}

function acknowledged(state: Running, length: number, nowMs: number, bounds: TurnBounds): Step {
  const { store } = state
  if (length > store.sizeBytes) throw new Error(`the tape has ${length} bytes, of which ${store.sizeBytes} are known`)
  const isWaiting = length < store.sizeBytes
  const isProgress = length > store.ackedBytes
  const waitingSinceMs = isWaiting && !isProgress ? Math.min(store.waitingSinceMs, nowMs) : nowMs
  const next = withStore(state, {
    isOpen: true,
    hasOpened: true,
    ackedBytes: length,
    waitingSinceMs: isWaiting ? waitingSinceMs : Number.POSITIVE_INFINITY,
  })
  return pump(next, nowMs, bounds, [{ type: 'deliver', attempt: store.attempt, to: length }])
}

/** All of the text has to be sent again, behind an opening record. */
function reopening(state: Running, change: Partial<Store>, nowMs: number): Running {
  const waitingSinceMs = state.store.sizeBytes > 0 ? nowMs : Number.POSITIVE_INFINITY
  return withStore(state, { isOpen: false, ackedBytes: 0, waitingSinceMs, ...change })
}

function cancelSeen(state: Running, attempt: number, length: number, nowMs: number, bounds: TurnBounds): Step {
  const close: TurnEffect = { type: 'close' }
  if (attempt !== 0 && attempt !== state.store.attempt)
    return pump(endingAsRead(state.store, attempt, cancelled), nowMs, bounds, [close])
  const store = { ...cutTo(state, length).store, isOpen: attempt !== 0 }
  const next: Ending = { phase: 'ending', store, outcome: cancelled, text: 'own', untilMs: never }
  return pump(next, nowMs, bounds, [close, { type: 'cut', to: length }])
}

function cutTo(state: Running, length: number): Running {
  if (length > state.store.sizeBytes)
    throw new Error(`the tape has ${length} bytes, of which ${state.store.sizeBytes} are known`)
  const waitingSinceMs = Number.POSITIVE_INFINITY
  return withStore(state, { sizeBytes: length, ackedBytes: length, waitingSinceMs, foreignAttempt: 0 })
}

function endingAsRead(store: Store, attempt: number, outcome: Outcome): Ending {
  // Without an attempt there is no text to fetch, and the end names attempt 0.
  const text = attempt === 0 ? 'own' : 'to-read'
  const emptied = { ...store, isOpen: false, sizeBytes: 0, ackedBytes: 0, foreignAttempt: attempt }
  return {
    phase: 'ending',
    store: { ...emptied, waitingSinceMs: Number.POSITIVE_INFINITY },
    outcome,
    text,
    untilMs: never,
  }
}

function ended(state: Running, reply: EndReply, nowMs: number, bounds: TurnBounds): Step {
  switch (reply.kind) {
    case 'ok':
    case 'ended':
      return settled(state, nowMs, bounds)
    case 'behind': {
      const behindCount = state.store.behindCount + 1
      if (behindCount > behindMax) throw new Error(`the store was behind ${behindCount} times`)
      if (state.phase === 'ending' && state.text === 'read')
        return pump(endingAsRead({ ...state.store, behindCount }, reply.attempt, state.outcome), nowMs, bounds, [])
      // The append with the opening record finds out what is there: our attempt, or another that calls for a new one.
      const foreignAttempt = Math.max(1, reply.attempt)
      return pump(withStore(state, { isOpen: false, foreignAttempt, behindCount }), nowMs, bounds, [])
    }
    case 'cancel':
      return cancelSeen(state, reply.attempt, reply.length, nowMs, bounds)
    case 'stale':
      return pump(withStore(state, { isClaimed: false }), nowMs, bounds, [])
    case 'gone':
      return stop('gone')
    default:
      return assertNever(reply)
  }
}

/** The store has the end. Where it may lose it again, it is told again for a while. */
function settled(state: Running, nowMs: number, bounds: TurnBounds): Step {
  if (state.phase !== 'ending') return stop('ended')
  if (bounds.graceMs === 0 || nowMs >= state.untilMs) return stop('ended', state.outcome)
  const untilMs = Math.min(state.untilMs, nowMs + bounds.graceMs)
  const effects: TurnEffect[] = state.untilMs === never ? [{ type: 'settle', outcome: state.outcome }] : []
  return { state: { ...state, untilMs, store: { ...state.store, isEnded: true, behindCount: 0 } }, effects }
}

function claimed(state: Running, reply: ClaimReply, nowMs: number, bounds: TurnBounds): Step {
  switch (reply) {
    case 'yours':
    // A cancel that the claim tells of is told again by the append, with the attempt and the length that it needs.
    case 'cancelled': {
      // What was kept of the attempt before was as it was when the turn was first claimed; it may be another by now.
      const keep = state.store.hasOpened ? state.store.keep : undefined
      return pump(withStore(state, { isClaimed: true, isOpen: false, renewAtMs: 0, keep }), nowMs, bounds, [])
    }
    case 'others':
      return stop('fenced')
    case 'gone':
      return stop('gone')
    default:
      return assertNever(reply)
  }
}

function read(state: Running, sizeBytes: number, nowMs: number, bounds: TurnBounds): Step {
  if (state.phase !== 'ending') return { state, effects: [] }
  const store = { ...state.store, sizeBytes, ackedBytes: sizeBytes }
  return pump({ ...state, store, text: 'read' }, nowMs, bounds, [])
}

function unknownOutcome(state: Running, nowMs: number, jitterMs: number, bounds: TurnBounds): Step {
  const { failedCount } = state.store
  const awaySinceMs = Math.min(state.store.awaySinceMs, nowMs)
  if (nowMs >= awaySinceMs + storeAwayMs) return stop('store-away')
  const repeatAtMs = nowMs + jitterMs * 2 ** Math.min(failedCount, repeatDoublings)
  // A renewal of unknown outcome is due again, so there is always something to repeat.
  const again = { flight: 'none', renewAtMs: 0, repeatAtMs, failedCount: failedCount + 1, awaySinceMs } as const
  const next = withStore(state, again)
  return pump(next, nowMs, bounds, [])
}

function stop(reason: StopReason, outcome?: Outcome): Step {
  const last: TurnEffect = outcome === undefined ? { type: 'stop', reason } : { type: 'stop', reason, outcome }
  return { state: { phase: 'done', reason }, effects: [{ type: 'close' }, last] }
}

/** Says what the store is asked next, if anything, and whether the provider may go on. */
function pump(state: Running, nowMs: number, bounds: TurnBounds, before: readonly TurnEffect[]): Step {
  const flowing = flow(state, nowMs, bounds)
  const effects = flowing.effects.length === 0 ? before : [...before, ...flowing.effects]
  const { store } = flowing.state
  if (store.flight !== 'none' || nowMs < store.repeatAtMs) return { state: flowing.state, effects }
  const operation = nextOperation(flowing.state, nowMs)
  if (operation === undefined) return { state: flowing.state, effects }
  const renews = operation.type === 'append' && operation.renews
  const flight = operation.type
  const flying = withStore(flowing.state, renews ? { flight, renewAtMs: nowMs + bounds.renewMs } : { flight })
  return { state: flying, effects: [...effects, operation] }
}

function nextOperation(state: Running, nowMs: number): OperationEffect | undefined {
  const { store } = state
  if (store.isEnded) return undefined
  if (!store.isClaimed) return { type: 'claim' }
  if (state.phase === 'ending') {
    if (state.text === 'to-read') return { type: 'read', attempt: store.foreignAttempt }
    if (state.text === 'read') return { type: 'end', attempt: store.foreignAttempt, outcome: state.outcome }
    if (isWritten(store)) return { type: 'end', attempt: store.isOpen ? store.attempt : 0, outcome: state.outcome }
  }
  const isDue = nowMs >= store.renewAtMs
  const mayOpen = state.phase !== 'pending'
  if ((mayOpen && !store.isOpen) || store.ackedBytes < store.sizeBytes || isDue)
    return {
      type: 'append',
      attempt: store.attempt,
      at: store.ackedBytes,
      opens: !store.isOpen,
      renews: isDue || !store.isOpen,
      keep: store.keep,
    }
  return undefined
}

/** Nothing is left to append: all of an open attempt is acknowledged, or there is neither text nor attempt. */
function isWritten(store: Store): boolean {
  if (store.isOpen) return store.ackedBytes === store.sizeBytes
  return store.sizeBytes === 0 && store.foreignAttempt === 0
}

function flow(state: Running, nowMs: number, bounds: TurnBounds): { state: Running; effects: readonly TurnEffect[] } {
  if (state.phase !== 'streaming') return { state, effects: none }
  const { store } = state
  const backlogBytes = store.sizeBytes - store.ackedBytes
  const isTooMuch = backlogBytes > unacknowledgedBytes || nowMs >= store.waitingSinceMs + unacknowledgedPauseMs
  if (isTooMuch && !state.isPaused) {
    const paused: Streaming = { ...state, isPaused: true, quietAtMs: Number.POSITIVE_INFINITY }
    return { state: paused, effects: [{ type: 'pause' }] }
  }
  if (!state.isPaused || isTooMuch || backlogBytes > unacknowledgedBytes / 2) return { state, effects: none }
  return { state: { ...state, isPaused: false, quietAtMs: nowMs + bounds.idleMs }, effects: [{ type: 'resume' }] }
}

const none: readonly TurnEffect[] = []
const never = Number.POSITIVE_INFINITY

function withStore<S extends Running>(state: S, change: Partial<Store>): S {
  return { ...state, store: { ...state.store, ...change } }
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`)
}
