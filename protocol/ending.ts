import type { ErrorKind } from './error.ts'

/**
 * How an answer ended, for who shows it. Only `whole` is an answer as it was meant.
 *
 * | ending      | what a reader should know                                                         |
 * |-------------|-----------------------------------------------------------------------------------|
 * | `whole`     | nothing                                                                           |
 * | `empty`     | the model ended without any visible text: ask again, or ask differently           |
 * | `length`    | the text ends in the middle, at its greatest length                               |
 * | `filtered`  | a content filter stopped it, after the text that is there; ask differently        |
 * | `offline`   | the text is the operator's: no model could answer                                 |
 * | `cancelled` | somebody stopped it                                                               |
 * | `deleted`   | its session was deleted meanwhile, by a user or for its age: the text is a part   |
 * | `lost`      | the gateway lost its session meanwhile: the text is a part, and was not checked   |
 * | `failed`    | `error` says why; the text is what came before                                    |
 */
export type Ending = 'whole' | 'empty' | 'length' | 'filtered' | 'offline' | 'cancelled' | 'deleted' | 'lost' | 'failed'

export interface Ended {
  readonly kind: 'completed' | 'cancelled' | 'failed'
  readonly finishReason: string
  readonly text: string
  readonly error?: { readonly kind: ErrorKind } | undefined
}

/** Of a turn with a terminal record. An answer of blanks alone is an empty one. */
export function endingOf({ kind, finishReason, text, error }: Ended): Ending {
  if (kind === 'cancelled') return 'cancelled'
  if (kind === 'failed') return error?.kind === 'filtered' ? 'filtered' : 'failed'
  if (finishReason === 'offline') return 'offline'
  if (finishReason === 'content_filter') return 'filtered'
  if (text.trim() === '') return 'empty'
  return finishReason === 'length' ? 'length' : 'whole'
}
