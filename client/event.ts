import type { Down } from '../protocol/down.ts'
import type { Ending } from '../protocol/ending.ts'
import type { Refusal } from '../protocol/error.ts'
import type { Metadata, Usage } from '../protocol/shapes.ts'
import type { NewMessage, Outbound, Target, TokenReason, Unnumbered } from './state.ts'

/** What can happen. Time and chance come in with the event, so that a sequence of events is a whole run. */
export type Event = {
  /** Milliseconds, never going back, near to those since 1970. */
  readonly nowMs: number
  /** Random, from 0 up to 1. */
  readonly roll: number
} & Input

export type Input =
  | { readonly type: 'connect' }
  | { readonly type: 'close' }
  /** The network came back, or the app to the foreground. */
  | { readonly type: 'wake' }
  /** `dueMs` has come, or nearly. */
  | { readonly type: 'tick' }
  | { readonly type: 'token'; readonly ticket: number; readonly token: string }
  | { readonly type: 'token-failed'; readonly ticket: number; readonly message?: string }
  | { readonly type: 'socket-opened'; readonly socket: number }
  | { readonly type: 'frame'; readonly socket: number; readonly frame: Down }
  /** What came was no JSON object with a `type`. */
  | { readonly type: 'malformed'; readonly socket: number }
  | { readonly type: 'socket-closed'; readonly socket: number; readonly code: number; readonly reason: string }
  | {
      readonly type: 'watch'
      readonly local: string
      readonly target: Target
    }
  /** Metadata for a session that its first message is going to make. */
  | { readonly type: 'describe'; readonly local: string; readonly metadata: Metadata }
  | { readonly type: 'unwatch'; readonly local: string }
  | { readonly type: 'send'; readonly local: string; readonly message: NewMessage }
  /** Without either: the running turn, or else the last unsent message. */
  | {
      readonly type: 'cancel'
      readonly local: string
      readonly turn?: string | undefined
      readonly messageId?: string | undefined
    }
  | { readonly type: 'call'; readonly call: number; readonly local: string | undefined; readonly request: Unnumbered }

/** What a step wants done, in this order. None of it answers at once: answers are events. */
export type Effect =
  | { readonly type: 'dial'; readonly socket: number }
  | { readonly type: 'transmit'; readonly socket: number; readonly frame: Outbound }
  | { readonly type: 'hang-up'; readonly socket: number; readonly code: number }
  | { readonly type: 'fetch-token'; readonly ticket: number; readonly reason: TokenReason }
  /** Text was added to the answer to a message. */
  | { readonly type: 'text'; readonly local: string; readonly messageId: string; readonly text: string }
  /**
   * The answer's text is now `text`. With `isRepeat` the same text comes once more; otherwise it goes on differently.
   */
  | {
      readonly type: 'cut'
      readonly local: string
      readonly messageId: string
      readonly text: string
      readonly isRepeat: boolean
    }
  /** A message came to its end: its one result. */
  | { readonly type: 'answered'; readonly local: string; readonly messageId: string; readonly result: AnswerResult }
  | { readonly type: 'called'; readonly call: number; readonly outcome: CallOutcome }

export type CallOutcome =
  | { readonly kind: 'ok'; readonly frame: Down }
  | { readonly kind: 'refused'; readonly error: Refusal }

/**
 * How an answer ended. `error` says why it failed; a message that was never accepted failed with an empty text. Where the
 * client stops following a running answer, since its session is gone or the client was closed, it failed with the text so far.
 */
export interface AnswerResult {
  readonly kind: 'completed' | 'cancelled' | 'failed'
  /** In one word what the text is: `whole`, or else in which way it is not. */
  readonly ending: Ending
  readonly text: string
  /** The text's length in UTF-8. */
  readonly bytes: number
  /** Of the text in UTF-8, in hex. As the gateway recorded it and this client checked it, if the turn has its end in the log. */
  readonly sha256: string
  readonly usage: Usage | undefined
  readonly finishReason: string
  readonly error?: Refusal | undefined
}
