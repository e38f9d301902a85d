/**
 * What a turn's producer believes of the store: how it changes with the text that comes and with what the store answers,
 * and which append it calls for. Lengths are in bytes of the answer's text; how the turn ends is `turn.ts`'.
 */
import { repeatDoublings } from './limits.ts'
import type { OperationEffect, Store, TurnBounds, TurnStart } from './turn-state.ts'

const never = Number.POSITIVE_INFINITY

export function firstStore(start: TurnStart, bounds: TurnBounds): Store {
  const keptBytes = start.from === 'taken' ? start.keptBytes : 0
  return {
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
    waitingSinceMs: keptBytes > 0 ? start.nowMs : never,
    repeatAtMs: 0,
    failedCount: 0,
    awaySinceMs: never,
    behindCount: 0,
  }
}

/** How much of the text the store has not acknowledged. */
export function backlogBytes(store: Store): number {
  return store.sizeBytes - store.ackedBytes
}

/** Nothing is left to append: all of an open attempt is acknowledged, or there is neither text nor attempt. */
export function isWritten(store: Store): boolean {
  if (store.isOpen) return store.ackedBytes === store.sizeBytes
  return store.sizeBytes === 0 && store.foreignAttempt === 0
}

export function storeWakeAtMs(store: Store): number {
  if (store.flight !== 'none') return never
  return store.repeatAtMs > 0 ? store.repeatAtMs : store.renewAtMs
}

/** `mayOpen`: an attempt is opened although there is no text for it yet. */
export function nextAppend(store: Store, mayOpen: boolean, nowMs: number): OperationEffect | undefined {
  const isDue = nowMs >= store.renewAtMs
  if (!(mayOpen && !store.isOpen) && store.ackedBytes >= store.sizeBytes && !isDue) return undefined
  return {
    type: 'append',
    attempt: store.attempt,
    at: store.ackedBytes,
    opens: !store.isOpen,
    renews: isDue || !store.isOpen,
    keep: store.keep,
  }
}

export function asking(store: Store, operation: OperationEffect, nowMs: number, bounds: TurnBounds): Store {
  const renews = operation.type === 'append' && operation.renews
  return { ...store, flight: operation.type, renewAtMs: renews ? nowMs + bounds.renewMs : store.renewAtMs }
}

/** The operation in flight was answered. */
export function landed(store: Store): Store {
  return { ...store, flight: 'none', repeatAtMs: 0, failedCount: 0, awaySinceMs: never }
}

/** The outcome of the operation in flight is unknown. A renewal is due again, so there is always something to repeat. */
export function unanswered(store: Store, nowMs: number, jitterMs: number): Store {
  const { failedCount } = store
  const repeatAtMs = nowMs + jitterMs * 2 ** Math.min(failedCount, repeatDoublings)
  const awaySinceMs = Math.min(store.awaySinceMs, nowMs)
  return { ...store, flight: 'none', renewAtMs: 0, repeatAtMs, failedCount: failedCount + 1, awaySinceMs }
}

/** There is text up to `sizeBytes`. */
export function grown(store: Store, sizeBytes: number, nowMs: number): Store {
  if (sizeBytes <= store.sizeBytes) return store
  return { ...store, sizeBytes, waitingSinceMs: Math.min(store.waitingSinceMs, nowMs) }
}

/** The store has `length` bytes of our attempt. Throws when that is more than was ever written. */
export function acknowledged(store: Store, length: number, nowMs: number): Store {
  checkKnown(store, length)
  const isWaiting = length < store.sizeBytes
  const isProgress = length > store.ackedBytes
  const waitingSinceMs = isWaiting && !isProgress ? Math.min(store.waitingSinceMs, nowMs) : nowMs
  return {
    ...store,
    isOpen: true,
    hasOpened: true,
    ackedBytes: length,
    waitingSinceMs: isWaiting ? waitingSinceMs : never,
  }
}

/** The text ends where the store's does. Throws as `acknowledged` does. */
export function cutTo(store: Store, length: number): Store {
  checkKnown(store, length)
  return { ...store, sizeBytes: length, ackedBytes: length, waitingSinceMs: never, foreignAttempt: 0 }
}

/** Another's attempt is there, or none (0), and what counts is its text. */
export function emptied(store: Store, foreignAttempt: number): Store {
  return { ...store, isOpen: false, sizeBytes: 0, ackedBytes: 0, foreignAttempt, waitingSinceMs: never }
}

/** Another opened `foreignAttempt`, so ours has to be a higher one; all of the text is sent again, behind its opening record. */
export function outbid(store: Store, foreignAttempt: number, nowMs: number): Store {
  return {
    ...store,
    isOpen: false,
    ackedBytes: 0,
    waitingSinceMs: store.sizeBytes > 0 ? nowMs : never,
    attempt: Math.max(store.attempt, foreignAttempt + 1),
    foreignAttempt,
    keep: undefined,
  }
}

/** The provider broke: the next attempt is ours too, with all of the text or none. The store must have all of this one. */
export function renewed(store: Store, keeps: boolean, nowMs: number): Store {
  const { attempt, ackedBytes } = store
  const keptBytes = keeps ? ackedBytes : 0
  return {
    ...store,
    isOpen: false,
    hasOpened: false,
    attempt: attempt + 1,
    foreignAttempt: attempt,
    keep: keptBytes > 0 ? { attempt, end: keptBytes } : undefined,
    ackedBytes: 0,
    sizeBytes: keptBytes,
    waitingSinceMs: keptBytes > 0 ? nowMs : never,
  }
}

/** The turn is ours again, and what the store has of it is unknown. */
export function reclaimed(store: Store): Store {
  // What was kept of the attempt before was as it was when the turn was first claimed; it may be another by now.
  const keep = store.hasOpened ? store.keep : undefined
  return { ...store, isClaimed: true, isOpen: false, renewAtMs: 0, keep }
}

/** Nothing is believed any more but that there may be an attempt. */
export function doubted(store: Store): Store {
  const foreignAttempt = Math.max(1, store.foreignAttempt)
  return { ...store, flight: 'none', isOpen: false, ackedBytes: 0, repeatAtMs: 0, renewAtMs: 0, foreignAttempt }
}

function checkKnown(store: Store, length: number): void {
  if (length > store.sizeBytes) throw new Error(`the tape has ${length} bytes, of which ${store.sizeBytes} are known`)
}
