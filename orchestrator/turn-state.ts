/**
 * The words of a turn's reducer: what it believes, what it hears and what it wants done.
 *
 * States are unions, so that what cannot be true cannot be written: text to fetch exists only in a turn that ends, a paused
 * provider only in one that streams.
 */
import type { Refusal } from '../protocol/error.ts'
import type { AppendReply, EndReply, StopReason, TurnEnd } from './ports.ts'

/** In milliseconds. */
export interface TurnBounds {
  /** How long a producer is believed to live without a word. */
  readonly leaseMs: number
  /** How often it gives one; a third of the lease, or less. */
  readonly renewMs: number
  /** From the acceptance to the end of the answer. */
  readonly totalMs: number
  /** How long an acknowledged end is kept and said again, since the store may lose it; 0: it does not. */
  readonly graceMs: number
}

export interface Outcome {
  readonly kind: TurnEnd
  readonly finishReason: string
  readonly error?: Refusal
}

type Operation = 'claim' | 'append' | 'end' | 'read'

/** What the producer believes of the store. */
export interface Store {
  readonly flight: Operation | 'none'
  /** False after `stale`: the claim is repeated before anything else. */
  readonly isClaimed: boolean
  /** The attempt that this producer opened, or will open. */
  readonly attempt: number
  /** False until the store has said so, and again when it may have forgotten: the next append carries the record. */
  readonly isOpen: boolean
  /** The attempt that is there, opened by another; 0: none. */
  readonly foreignAttempt: number
  /** How much of which attempt the one that is to be opened begins with. */
  readonly keep: Keep | undefined
  /** The store has said once that our attempt is open. */
  readonly hasOpened: boolean
  /** The store has said that the turn ended; nothing is asked until something makes it doubtful. */
  readonly isEnded: boolean
  readonly ackedBytes: number
  /** The text's length here. */
  readonly sizeBytes: number
  readonly renewAtMs: number
  /** Since when there is text without an acknowledgement. Infinity: there is none. */
  readonly waitingSinceMs: number
  /** After an unknown outcome: when to repeat; how many in a row, and since when. */
  readonly repeatAtMs: number
  readonly failedCount: number
  readonly awaySinceMs: number
  readonly behindCount: number
}

export interface Keep {
  readonly attempt: number
  readonly end: number
}

export interface Mending {
  readonly keeps: boolean
}

export type TurnState =
  /** The message is accepted; the prompt is being made. */
  | { readonly phase: 'pending'; readonly store: Store; readonly endAtMs: number }
  /** The provider is at work. `mending`: it broke, and a new attempt begins when the store has all of this one. */
  | {
      readonly phase: 'streaming'
      readonly store: Store
      readonly endAtMs: number
      readonly isPaused: boolean
      readonly mending: Mending | undefined
    }
  /**
   * How it ends is known. `read`: with another producer's text, which has to be fetched. `untilMs`: the store was told,
   * and will be again until then; Infinity: it was not yet.
   */
  | {
      readonly phase: 'ending'
      readonly store: Store
      readonly outcome: Outcome
      readonly text: 'own' | 'to-read' | 'read'
      readonly untilMs: number
    }
  | { readonly phase: 'done'; readonly reason: StopReason }

export type TurnEvent =
  | { readonly type: 'called'; readonly nowMs: number }
  | { readonly type: 'text'; readonly nowMs: number; readonly sizeBytes: number }
  /** The provider broke off in the middle. `keeps`: the new attempt begins with the text of this one. */
  | { readonly type: 'broke'; readonly nowMs: number; readonly keeps: boolean }
  /** No more fits the tape. */
  | { readonly type: 'overflowed'; readonly nowMs: number; readonly sizeBytes: number }
  /** `sizeBytes`: with what the end of the text set free. */
  | { readonly type: 'finished'; readonly nowMs: number; readonly sizeBytes: number; readonly finishReason: string }
  | { readonly type: 'failed'; readonly nowMs: number; readonly sizeBytes: number; readonly error: Refusal }
  | { readonly type: 'appended'; readonly nowMs: number; readonly reply: AppendReply }
  | { readonly type: 'ended'; readonly nowMs: number; readonly reply: EndReply }
  /** `others`: the store says that the turn is not ours. */
  | { readonly type: 'claimed'; readonly nowMs: number; readonly reply: 'yours' | 'cancelled' | 'others' | 'gone' }
  | { readonly type: 'read'; readonly nowMs: number; readonly sizeBytes: number }
  /** The operation in flight was rejected. */
  | { readonly type: 'unknown'; readonly nowMs: number; readonly jitterMs: number }
  | { readonly type: 'nudged'; readonly nowMs: number }
  /** An ended turn is kept no longer. */
  | { readonly type: 'let-go'; readonly nowMs: number }
  | { readonly type: 'ticked'; readonly nowMs: number }

export type TurnEffect =
  | { readonly type: 'claim' }
  | {
      readonly type: 'append'
      readonly attempt: number
      readonly at: number
      readonly opens: boolean
      readonly renews: boolean
      readonly keep: Keep | undefined
    }
  | { readonly type: 'end'; readonly attempt: number; readonly outcome: Outcome }
  | { readonly type: 'read'; readonly attempt: number }
  /** Show readers what is acknowledged, up to here. */
  | { readonly type: 'deliver'; readonly attempt: number; readonly to: number }
  | { readonly type: 'cut'; readonly to: number }
  /** The next attempt may be asked for: its text begins with what is here. */
  | { readonly type: 'mended' }
  | { readonly type: 'pause' | 'resume' | 'close' }
  /** The turn ended, as far as anybody else is concerned. */
  | { readonly type: 'settle'; readonly outcome: Outcome }
  | { readonly type: 'stop'; readonly reason: StopReason; readonly outcome?: Outcome }

export interface Step {
  readonly state: TurnState
  readonly effects: readonly TurnEffect[]
}

/** What is known of the turn when it was claimed: an accepted message, or another producer's turn. */
export type TurnStart = {
  /** The attempt that is there; 0 for a new turn. */
  readonly foreignAttempt: number
  readonly nowMs: number
} & (
  | { readonly from: 'accepted' }
  /** To be answered anew, or on from the first `keptBytes` of the attempt that is there. */
  | { readonly from: 'taken'; readonly keptBytes: number }
  /** To be ended with the text that is there. */
  | { readonly from: 'taken-to-end'; readonly outcome: Outcome }
)

export const cancelled: Outcome = { kind: 'cancelled', finishReason: 'cancelled' }

export function failed(error: Refusal): Outcome {
  return { kind: 'failed', finishReason: 'error', error }
}

/** What may still change. */
export type Running = Exclude<TurnState, { phase: 'done' }>
export type Streaming = Extract<TurnState, { phase: 'streaming' }>
export type Ending = Extract<TurnState, { phase: 'ending' }>
export type ClaimReply = Extract<TurnEvent, { type: 'claimed' }>['reply']
export type OperationEffect = Extract<TurnEffect, { type: Operation }>
