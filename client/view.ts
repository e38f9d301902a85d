import type { Refusal } from '../protocol/error.ts'
import type { Metadata } from '../protocol/shapes.ts'
import { hideReplaced } from './records.ts'
import type { ClientState, Outgoing, Session, TurnView } from './state.ts'

/** The connection, for a user interface. Instants are milliseconds since 1970. */
export type ConnectionState =
  /** Not asked to connect yet. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'online' }
  /** `dials`: how many in a row came to nothing. `error`: why the last one did, where that is known. */
  | {
      readonly kind: 'waiting'
      readonly retryAtMs: number
      readonly dials: number
      readonly error?: Refusal | undefined
    }
  /** Another token is being fetched. */
  | { readonly kind: 'refreshing' }
  /** It does not connect again by itself: closed here (1000), or by a code that says not to. */
  | { readonly kind: 'stopped'; readonly code: number; readonly reason: string }

/** A session at one moment. Never changes: each change makes another object, and turns that did not change stay. */
export interface SessionView {
  /**
   * `live`: follows the gateway. `opening`: asked for, and what is shown may be old. `away`: no connection. `deleted`,
   * `lost`: gone at the gateway, erased or with its store; what was there stays shown. `refused`: see `error`.
   */
  readonly state: 'opening' | 'live' | 'away' | 'deleted' | 'lost' | 'refused'
  /** The log's turns, then own messages that are not in it yet. Those with `isReplaced` are to be hidden. */
  readonly turns: readonly TurnView[]
  /** Older turns can be loaded. */
  readonly hasMore: boolean
  readonly metadata?: Metadata | undefined
  readonly createdMs?: number | undefined
  readonly error?: Refusal | undefined
}

export function connectionState({ link, leaving, dials }: ClientState): ConnectionState {
  if (leaving !== undefined) return { kind: 'online' }
  switch (link.kind) {
    case 'fetching-token':
      return { kind: link.reason === 'first' ? 'connecting' : 'refreshing' }
    case 'dialing':
    case 'greeting':
      return { kind: 'connecting' }
    case 'waiting':
      return { kind: 'waiting', retryAtMs: link.retryAtMs, dials, error: link.error }
    case 'online':
    case 'idle':
      return { kind: link.kind }
    case 'stopped':
      return link
  }
}

/** One copy of the list; its turns are the same objects as long as they say the same. */
export function viewOf(session: Session, isOnline: boolean): SessionView {
  const { hasMore, metadata, createdMs, error } = session
  return { state: stateOf(session, isOnline), turns: turnsOf(session), hasMore, metadata, createdMs, error }
}

function stateOf({ phase, position }: Session, isOnline: boolean): SessionView['state'] {
  switch (phase.kind) {
    case 'ended':
      return phase.how
    case 'new':
      return 'live'
    case 'live':
      return isOnline ? 'live' : 'away'
    case 'wanted':
    case 'opening':
      return isOnline || position === undefined ? 'opening' : 'away'
  }
}

function turnsOf({ turns, running, outgoing }: Session): readonly TurnView[] {
  let shown = turns.slice()
  if (running !== undefined) {
    const index = turns.findLastIndex(({ turn }) => turn === running.turn)
    const entry = turns[index]
    const state = running.attempt === 0 ? 'pending' : 'streaming'
    if (entry !== undefined) shown[index] = { ...entry, state, text: running.tape.text }
  }
  for (const own of outgoing) {
    if (turns.findLast(({ messageId }) => messageId === own.message.messageId) !== undefined) continue
    shown.push(ownTurn(own))
    // What an own message is going to replace is hidden at once.
    if (own.status.kind !== 'failed') shown = hideReplaced(shown, own.message.replaces)
  }
  return shown
}

const ownStates = { unsent: 'unsent', sent: 'sending', accepted: 'pending', failed: 'failed' } as const

function ownTurn({ message, status, timeMs }: Outgoing): TurnView {
  return {
    ...message,
    turn: status.kind === 'accepted' ? status.turn : undefined,
    state: ownStates[status.kind],
    text: '',
    isReplaced: false,
    timeMs,
    seq: 0,
    error: status.kind === 'failed' ? status.error : undefined,
  }
}
