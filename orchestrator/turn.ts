/**
 * A running turn's producer, as a reducer: what to do with the store and the provider next.
 *
 * The problem: the store may answer late, twice or never, travel back in time, hand the turn to another node or cancel it,
 * while the provider goes on talking. The invariant: the whole text stays here, addressed by byte offset, and the store is
 * only ever told "from the length you named"; so a lost reply, a repeat and a roll-back are the same case. At most one
 * operation is in flight; what arrives meanwhile rides in the next.
 *
 * It knows lengths, never text, and no clock: the time is in the event. Here are the phases of a turn; what it believes of
 * the store is in `turn-store.ts`.
 */
import { type Refusal, refusal } from '../protocol/error.ts'
import { behindMax, storeAwayMs, unacknowledgedBytes, unacknowledgedCloseMs, unacknowledgedPauseMs } from './limits.ts'
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
import {
  acknowledged,
  asking,
  backlogBytes,
  cutTo,
  doubted,
  emptied,
  firstStore,
  grown,
  isWritten,
  landed,
  nextAppend,
  outbid,
  reclaimed,
  renewed,
  storeWakeAtMs,
  unanswered,
} from './turn-store.ts'

export function startTurn(start: TurnStart, bounds: TurnBounds): Step {
  const store = firstStore(start, bounds)
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
    case 'broke':
      return broke(state, event.keeps, event.nowMs, bounds)
    case 'overflowed':
      return outcomeKnown(state, { kind: 'completed', finishReason: 'length' }, event, bounds, [{ type: 'close' }])
    case 'finished':
      return outcomeKnown(state, { kind: 'completed', finishReason: event.finishReason }, event, bounds, [])
    case 'failed':
      return outcomeKnown(state, failed(event.error), event, bounds, [{ type: 'close' }])
    case 'appended':
      return appended(believing(state, landed(state.store)), event.reply, event.nowMs, bounds)
    case 'ended':
      return ended(believing(state, landed(state.store)), event.reply, event.nowMs, bounds)
    case 'claimed':
      return claimed(believing(state, landed(state.store)), event.reply, event.nowMs, bounds)
    case 'read':
      return read(believing(state, landed(state.store)), event.sizeBytes, event.nowMs, bounds)
    case 'unknown':
      return unknownOutcome(state, event.nowMs, event.jitterMs, bounds)
    case 'nudged':
      return pump(believing(state, { ...state.store, renewAtMs: 0, isEnded: false }), event.nowMs, bounds, [])
    case 'let-go':
      return state.phase === 'ending' ? letGo(state, event.nowMs, bounds) : { state, effects: [] }
    case 'ticked':
      return ticked(state, event.nowMs, bounds)
    default:
      return assertNever(event)
  }
}

/** A turn in which a bug showed ends as failed with what the store has, whatever its state was. */
export function brokenTurn({ store }: Running): Ending {
  return endingWith(doubted(store), failed(refusal('internal', 'the gateway failed to produce this answer')))
}

/** Text that the store has not acknowledged, in bytes. */
export function turnBacklogBytes(state: TurnState): number {
  return state.phase === 'done' ? 0 : backlogBytes(state.store)
}

/** When the turn wants a `ticked`, at the latest, on the monotonic clock. */
export function wakeAtMs(state: TurnState): number {
  switch (state.phase) {
    case 'done':
      return Number.POSITIVE_INFINITY
    case 'pending':
      return Math.min(state.endAtMs, storeWakeAtMs(state.store))
    case 'streaming':
      return Math.min(state.endAtMs, storeWakeAtMs(state.store), backlogWakeAtMs(state))
    case 'ending':
      return state.store.isEnded ? state.untilMs : storeWakeAtMs(state.store)
    default:
      return assertNever(state)
  }
}

function backlogWakeAtMs(state: Streaming): number {
  const { waitingSinceMs } = state.store
  return waitingSinceMs + (state.isPaused ? unacknowledgedCloseMs : unacknowledgedPauseMs)
}

function called(state: Running, nowMs: number, bounds: TurnBounds): Step {
  if (state.phase !== 'pending') return { state, effects: [] }
  const { store, endAtMs } = state
  return pump({ phase: 'streaming', store, endAtMs, isPaused: false, mending: undefined }, nowMs, bounds, [])
}

function text(state: Running, nowMs: number, sizeBytes: number, bounds: TurnBounds): Step {
  if (state.phase !== 'streaming') return { state, effects: [] }
  return pump(believing(state, grown(state.store, sizeBytes, nowMs)), nowMs, bounds, [])
}

function broke(state: Running, keeps: boolean, nowMs: number, bounds: TurnBounds): Step {
  if (state.phase !== 'streaming') return { state, effects: [] }
  return pump({ ...state, mending: { keeps } }, nowMs, bounds, [])
}

/** A new attempt begins when no answer can come any more that is of the one before, and all of that was shown. */
function mended(state: Running, nowMs: number): Stepping {
  if (state.phase !== 'streaming' || state.mending === undefined) return { state, effects: none }
  const { store, mending } = state
  if (store.flight !== 'none' || !store.isClaimed || !store.isOpen || backlogBytes(store) > 0)
    return { state, effects: none }
  const next = { ...state, store: renewed(store, mending.keeps, nowMs), mending: undefined }
  const cut = { type: 'cut', to: next.store.sizeBytes } as const
  return { state: next, effects: [cut, { type: 'mended' }] }
}

function outcomeKnown(
  state: Running,
  outcome: Outcome,
  event: { readonly nowMs: number; readonly sizeBytes: number },
  bounds: TurnBounds,
  effects: readonly TurnEffect[],
): Step {
  if (state.phase === 'ending') return { state, effects: [] }
  const store = grown(state.store, event.sizeBytes, event.nowMs)
  return pump(endingWith(store, outcome), event.nowMs, bounds, effects)
}

function endingWith(store: Store, outcome: Outcome): Ending {
  return { phase: 'ending', store, outcome, text: 'own', untilMs: never }
}

/** It is said once more, and that was all. */
function letGo(state: Ending, nowMs: number, bounds: TurnBounds): Step {
  const untilMs = Math.min(state.untilMs, nowMs)
  return pump({ ...state, untilMs, store: { ...state.store, isEnded: false } }, nowMs, bounds, [])
}

function ticked(state: Running, nowMs: number, bounds: TurnBounds): Step {
  if (state.phase === 'ending' && nowMs >= state.untilMs) return letGo(state, nowMs, bounds)
  const late = tooLate(state, nowMs, bounds)
  if (late === undefined) return pump(state, nowMs, bounds, [])
  return outcomeKnown(state, failed(late), { nowMs, sizeBytes: 0 }, bounds, [{ type: 'close' }])
}

function tooLate(state: Running, nowMs: number, bounds: TurnBounds): Refusal | undefined {
  if (state.phase === 'ending') return undefined
  if (nowMs >= state.endAtMs) return refusal('provider', `the answer took longer than ${bounds.totalMs} ms`)
  if (state.phase === 'pending' || nowMs < state.store.waitingSinceMs + unacknowledgedCloseMs) return undefined
  return refusal('unavailable', `the store took no text for ${unacknowledgedCloseMs} ms`)
}

function appended(state: Running, reply: AppendReply, nowMs: number, bounds: TurnBounds): Step {
  const { store } = state
  switch (reply.kind) {
    case 'ok':
      return pump(believing(state, acknowledged(store, reply.length, nowMs)), nowMs, bounds, [
        { type: 'deliver', attempt: store.attempt, to: reply.length },
      ])
    case 'attempt':
      return pump(believing(state, outbid(store, reply.attempt, nowMs)), nowMs, bounds, [])
    case 'cancel':
      return cancelSeen(state, reply.attempt, reply.length, nowMs, bounds)
    case 'stale':
      return pump(believing(state, { ...state.store, isClaimed: false }), nowMs, bounds, [])
    case 'full': {
      const full = cutTo(store, reply.length)
      const next =
        state.phase === 'ending'
          ? believing(state, full)
          : endingWith(full, { kind: 'completed', finishReason: 'length' })
      return pump(next, nowMs, bounds, [{ type: 'close' }, { type: 'cut', to: reply.length }])
    }
    case 'gone':
      return stop('gone')
    default:
      return assertNever(reply)
  }
}

function cancelSeen(state: Running, attempt: number, length: number, nowMs: number, bounds: TurnBounds): Step {
  const close: TurnEffect = { type: 'close' }
  if (attempt !== 0 && attempt !== state.store.attempt)
    return pump(endingAsRead(state.store, attempt, cancelled), nowMs, bounds, [close])
  const store = { ...cutTo(state.store, length), isOpen: attempt !== 0 }
  return pump(endingWith(store, cancelled), nowMs, bounds, [close, { type: 'cut', to: length }])
}

function endingAsRead(store: Store, attempt: number, outcome: Outcome): Ending {
  // Without an attempt there is no text to fetch, and the end names attempt 0.
  const text = attempt === 0 ? 'own' : 'to-read'
  return { ...endingWith(emptied(store, attempt), outcome), text }
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
      return pump(believing(state, { ...state.store, isOpen: false, foreignAttempt, behindCount }), nowMs, bounds, [])
    }
    case 'cancel':
      return cancelSeen(state, reply.attempt, reply.length, nowMs, bounds)
    case 'stale':
      return pump(believing(state, { ...state.store, isClaimed: false }), nowMs, bounds, [])
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
    case 'cancelled':
      return pump(believing(state, reclaimed(state.store)), nowMs, bounds, [])
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
  if (nowMs >= state.store.awaySinceMs + storeAwayMs) return stop('store-away')
  return pump(believing(state, unanswered(state.store, nowMs, jitterMs)), nowMs, bounds, [])
}

function stop(reason: StopReason, outcome?: Outcome): Step {
  const last: TurnEffect = outcome === undefined ? { type: 'stop', reason } : { type: 'stop', reason, outcome }
  return { state: { phase: 'done', reason }, effects: [{ type: 'close' }, last] }
}

/** Says what the store is asked next, if anything, and whether the provider may go on. */
function pump(state: Running, nowMs: number, bounds: TurnBounds, before: readonly TurnEffect[]): Step {
  const flowing = flow(mended(state, nowMs), nowMs)
  const effects = flowing.effects.length === 0 ? before : [...before, ...flowing.effects]
  const { store } = flowing.state
  if (store.flight !== 'none' || nowMs < store.repeatAtMs) return { state: flowing.state, effects }
  const operation = nextOperation(flowing.state, nowMs)
  if (operation === undefined) return { state: flowing.state, effects }
  const flying = believing(flowing.state, asking(store, operation, nowMs, bounds))
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
  return nextAppend(store, state.phase !== 'pending', nowMs)
}

/** A step so far. */
interface Stepping {
  readonly state: Running
  readonly effects: readonly TurnEffect[]
}

function flow({ state, effects }: Stepping, nowMs: number): Stepping {
  if (state.phase !== 'streaming') return { state, effects }
  const { store } = state
  const backlog = backlogBytes(store)
  const isTooMuch = backlog > unacknowledgedBytes || nowMs >= store.waitingSinceMs + unacknowledgedPauseMs
  if (isTooMuch && !state.isPaused) {
    const paused: Streaming = { ...state, isPaused: true }
    return { state: paused, effects: [...effects, { type: 'pause' }] }
  }
  if (!state.isPaused || isTooMuch || backlog > unacknowledgedBytes / 2) return { state, effects }
  return { state: { ...state, isPaused: false }, effects: [...effects, { type: 'resume' }] }
}

const none: readonly TurnEffect[] = []
const never = Number.POSITIVE_INFINITY

function believing<S extends Running>(state: S, store: Store): S {
  return { ...state, store }
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`)
}
