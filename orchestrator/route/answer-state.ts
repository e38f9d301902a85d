/**
 * The words of an answer's reducer: which calls are under way, what it hears of them and what it wants done.
 *
 * A *call* is one request to one target; an answer may take several until one of them brings content, and again when that
 * one breaks in the middle.
 */
import type { Refusal } from '../../protocol/error.ts'
import type { AfterContent, RetryPolicy } from '../policy.ts'
import type { ProviderFailure } from '../ports.ts'

export interface AnswerPlan {
  readonly retry: RetryPolicy
  /** Names of targets, at least one, the first to be tried first. */
  readonly order: readonly string[]
  /** Whether there is a text for when no target can answer. */
  readonly hasOffline: boolean
}

export interface Call {
  readonly id: number
  readonly target: string
  /** When it is given up, without a connection and without content. Infinity: it is not, or not yet. */
  readonly connectUntilMs: number
  readonly contentUntilMs: number
  /** Since when it shows life without content; absent: it did not yet. */
  readonly thinkingSinceMs?: number
}

/** Where the search for a target that answers stands. */
export interface Search {
  /** No try begins after this, and none goes on without content. */
  readonly deadlineMs: number
  /** Tried first, or now. */
  readonly target: string
  /** Not tried in this round. */
  readonly left: readonly string[]
  /** Failures of this target that a wait may cure, in this round. */
  readonly tries: number
  /** Waits of this answer so far, for the back-off. */
  readonly waits: number
  /** When a target that was passed over may be asked again. Infinity: none was. */
  readonly againAtMs: number
  readonly lastFailure: Refusal | undefined
  /** Nothing was shown yet: the offline text may still stand alone. */
  readonly isFirst: boolean
}

export type AnswerState =
  /** No content yet. `calls`: one, two while hedged, none while it waits until `waitUntilMs`. */
  | {
      readonly phase: 'searching'
      readonly search: Search
      readonly calls: readonly Call[]
      readonly waitUntilMs: number
      readonly hedgeAtMs: number
      /** What broke before: it is shown until something comes in its place. */
      readonly replaces: Refusal | undefined
      readonly lastId: number
      readonly breaks: number
    }
  /** One call brings content. Between two pieces of it pass at most `silenceMs`. */
  | { readonly phase: 'answering'; readonly call: Call; readonly lastId: number; readonly breaks: number }
  /** It broke in the middle and is to go on: all of what there is has to be known before the next call is made. */
  | {
      readonly phase: 'mending'
      readonly target: string
      readonly refusal: Refusal
      readonly lastId: number
      readonly breaks: number
    }
  | { readonly phase: 'done' }

/** `id` says of which call; what is heard of a call that is closed changes nothing. */
export type AnswerEvent =
  /** It got its place and was sent: the timers begin. */
  | { readonly type: 'sent'; readonly nowMs: number; readonly id: number }
  /** It was not sent: the target has too many waiting, is ill, or all its keys cool down. */
  | {
      readonly type: 'passed'
      readonly nowMs: number
      readonly id: number
      readonly why: Passed
      readonly forMs: number
      readonly chance: number
    }
  | { readonly type: 'connected'; readonly nowMs: number; readonly id: number }
  /** It thinks, or says that it is at work. Not for each sign: now and then. */
  | { readonly type: 'alive'; readonly nowMs: number; readonly id: number }
  /** Its first. */
  | { readonly type: 'content'; readonly nowMs: number; readonly id: number }
  /** `empty`: it brought no visible text, and this is what it fails with where that is a failure. */
  | {
      readonly type: 'ended'
      readonly nowMs: number
      readonly id: number
      readonly chance: number
      readonly empty?: Refusal | undefined
    }
  /** `hasKey`: another key of this target may be tried at once; else `coolForMs` until one may. */
  | {
      readonly type: 'failed'
      readonly nowMs: number
      readonly id: number
      readonly failure: ProviderFailure
      readonly hasKey: boolean
      readonly coolForMs: number
      readonly chance: number
    }
  /** The next call may be made. */
  | { readonly type: 'mended'; readonly nowMs: number }
  /**
   * `lifeMs`: when the answering call last showed life, `contentMs`: when its last content came; both are now while the reader
   * takes no more. `chance`: 0 to 1, for a wait.
   */
  | ({ readonly type: 'ticked'; readonly nowMs: number; readonly chance: number } & Signs)

export interface Signs {
  readonly lifeMs: number
  readonly contentMs: number
}

/** `refused`: its provider does not accept its keys, or their account is empty. */
export type Passed = 'full' | 'ill' | 'cooling' | 'refused'
/** Why a call is closed: it was too slow, silent in the middle, thought for too long, or another one's content came first. */
export type Closing = 'late' | 'silent' | 'thinking' | 'lost'

export type AnswerEffect =
  | { readonly type: 'call'; readonly id: number; readonly target: string; readonly why: Why }
  | { readonly type: 'close'; readonly id: number; readonly why: Closing }
  /** What this call brings is the answer. */
  | { readonly type: 'adopt'; readonly id: number }
  /** The answer broke in the middle. `continue`: another call is made when it is `mended`. `restart`: the adopted one's content takes its place. */
  | { readonly type: 'broke'; readonly how: Exclude<AfterContent, 'fail'>; readonly refusal: Refusal }
  | { readonly type: 'finish'; readonly id: number }
  | { readonly type: 'offline' }
  | { readonly type: 'fail'; readonly refusal: Refusal }

/** Why a call is made: the first, again, with another key, at another target, or beside a slow one. */
export type Why = 'first' | 'retry' | 'key' | 'fallback' | 'hedge'

export interface AnswerStep {
  readonly state: AnswerState
  readonly effects: readonly AnswerEffect[]
}

export type Searching = Extract<AnswerState, { phase: 'searching' }>
export type Mending = Extract<AnswerState, { phase: 'mending' }>
export type Answering = Extract<AnswerState, { phase: 'answering' }>
