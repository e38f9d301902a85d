import type { DownOf } from '../protocol/down.ts'
import type { Ending } from '../protocol/ending.ts'
import type { Refusal } from '../protocol/error.ts'
import type { TerminalRecord } from '../protocol/record.ts'
import type { Cost, Metadata, Usage } from '../protocol/shapes.ts'
import type { Request, Up } from '../protocol/up.ts'
import type { Bounds } from './bounds.ts'
import type { Tape } from './tape.ts'

/**
 * All that a client knows, as data. `step` makes the next state from it and an event; nothing else changes it.
 * Sockets, tickets and requests are numbers here: what they stand for is the shell's.
 */
export interface ClientState {
  readonly bounds: Bounds
  /** What `hello` says of this client. */
  readonly client?: string | undefined
  readonly link: Link
  /** The old socket of a node that is going away, read until the new one is welcome. */
  readonly leaving?: { readonly socket: number; readonly untilMs: number } | undefined
  readonly token?: { readonly value: string; readonly expiresAtMs?: number | undefined } | undefined
  readonly limits?: Limits | undefined
  /** Dials since the last connection that lasted. */
  readonly dials: number
  /** Refusals of the token since the last connection that lasted. */
  readonly refusals: number
  readonly lastDialMs: number
  /** Gives sockets, tickets and requests their numbers. */
  readonly nextNumber: number
  /** By the name that the shell gave. */
  readonly sessions: ReadonlyMap<string, Session>
  readonly calls: ReadonlyMap<number, Call>
  /** What each request on the current socket is for, by its id. */
  readonly inFlight: ReadonlyMap<string, Purpose>
  readonly stats: Stats
  /** When a `tick` is due; may be earlier than needed, never later. */
  readonly dueMs: number
}

export type Limits = DownOf<'welcome'>['limits']

/** `first`: none yet. `expiring`: it ends soon. `refused`: the gateway did not take the last one. */
export type TokenReason = 'first' | 'expiring' | 'refused'

export type Link =
  | { readonly kind: 'idle' }
  | {
      readonly kind: 'fetching-token'
      readonly ticket: number
      readonly reason: TokenReason
      readonly deadlineMs: number
    }
  | { readonly kind: 'dialing'; readonly socket: number; readonly deadlineMs: number }
  /** `error`: why the gateway is about to close the socket. */
  | {
      readonly kind: 'greeting'
      readonly socket: number
      readonly deadlineMs: number
      readonly error?: Refusal | undefined
    }
  | Online
  | {
      readonly kind: 'waiting'
      readonly retryAtMs: number
      readonly reason: TokenReason | undefined
      readonly error?: Refusal | undefined
    }
  | { readonly kind: 'stopped'; readonly code: number; readonly reason: string }

export interface Online {
  readonly kind: 'online'
  readonly socket: number
  readonly sinceMs: number
  readonly heartbeatMs: number
  readonly lastHeardMs: number
  /** A ping is out; nothing heard by then means that the socket is dead. */
  readonly pingDeadlineMs?: number | undefined
  /** The node is going away: dial anew at `atMs`. */
  readonly leave?: { readonly atMs: number; readonly untilMs: number } | undefined
  /** A newer token is being fetched. */
  readonly refreshTicket?: number | undefined
  /** The newer token that the gateway was sent. */
  readonly refreshed?: string | undefined
  /** Frames sent in the second that began at `startMs`. */
  readonly pace: { readonly startMs: number; readonly sent: number }
}

export type Purpose =
  | { readonly kind: 'open'; readonly local: string }
  | { readonly kind: 'send'; readonly local: string; readonly messageId: string }
  | { readonly kind: 'read'; readonly local: string; readonly turn: string }
  | { readonly kind: 'call'; readonly call: number }
  | { readonly kind: 'refresh' }

/** As it is before JSON drops what is `undefined`. */
type Written<T> = T extends unknown
  ? { readonly [K in keyof T]: object extends Pick<T, K> ? T[K] | undefined : T[K] }
  : never
type WithoutId<R> = R extends unknown ? Omit<R, 'id'> : never
/** A frame to be sent. */
export type Outbound = Written<Up>
/** A request before it has an id. */
export type Unnumbered = Written<WithoutId<Request>>

/** A request of the application, sent again after a reconnect until it is answered. */
export interface Call {
  readonly call: number
  readonly request: Unnumbered
  readonly local?: string | undefined
  readonly isSent: boolean
  readonly notBeforeMs: number
  readonly deadlineMs: number
}

export interface Session {
  readonly local: string
  readonly id?: string | undefined
  /** How it is made, once; the `key` makes a repeated creation the same one. */
  readonly creation?: Creation | undefined
  readonly phase: Phase
  /** The last record held; absent before the first open is answered. */
  readonly position?: { readonly seq: number; readonly mark: number } | undefined
  /** The first record held. */
  readonly firstSeq: number
  readonly hasMore: boolean
  /** In the order of the log. */
  readonly turns: readonly TurnView[]
  /** The turn that has not ended, and its tape. */
  readonly running?: Running | undefined
  /** Ended turns whose text is still being read. */
  readonly settling: readonly Settling[]
  /** Own messages that have not ended, in the order of sending. */
  readonly outgoing: readonly Outgoing[]
  readonly metadata?: Metadata | undefined
  readonly createdMs?: number | undefined
  readonly error?: Refusal | undefined
  /** Re-opens because of holes since `sinceMs`. */
  readonly reopens: { readonly count: number; readonly sinceMs: number }
}

/** A session to follow: one that exists, or one to be made. */
export type Target =
  | { readonly id: string; readonly creation?: undefined }
  | { readonly id?: undefined; readonly creation: Creation }

export interface Creation {
  readonly key: string
  readonly prompt?: string | undefined
  readonly channel?: string | undefined
  readonly metadata?: Metadata | undefined
}

export type Phase =
  /** Not made yet: its first message makes it. */
  | { readonly kind: 'new' }
  /** To be opened, not before `notBeforeMs`. Its frames are dropped: the open's answer brings what they said. */
  | { readonly kind: 'wanted'; readonly notBeforeMs: number; readonly tries: number }
  /** The one open in flight. Its frames are dropped. */
  | { readonly kind: 'opening'; readonly ref: string; readonly deadlineMs: number; readonly tries: number }
  | { readonly kind: 'live' }
  | { readonly kind: 'ended'; readonly how: 'deleted' | 'lost' | 'refused' }

export interface Running {
  readonly turn: string
  readonly messageId?: string | undefined
  /** 0: no attempt has begun. */
  readonly attempt: number
  readonly tape: Tape
  /** Positions on the parts above 0, whose text this client does not show. */
  readonly otherEnds: readonly number[]
}

export interface Settling {
  readonly record: TerminalRecord
  readonly tape: Tape
  /** What was shown of it before it ended. */
  readonly shown: string
  readonly isReading: boolean
  readonly notBeforeMs: number
  /** Reads in vain. */
  readonly reads: number
}

export interface NewMessage {
  readonly messageId: string
  readonly content: string
  readonly replaces?: string | undefined
  readonly model?: string | undefined
  readonly metadata?: Metadata | undefined
}

export interface Outgoing {
  readonly message: NewMessage
  readonly timeMs: number
  readonly status: Status
  /** How often it was sent; above 0 the gateway may have it. */
  readonly sends: number
  readonly refusals: number
  /** Sockets that it cost. */
  readonly costs: number
  /** Cancel it as soon as its turn is known. */
  readonly isCancelled: boolean
}

export type Status =
  | { readonly kind: 'unsent'; readonly notBeforeMs: number }
  /** Without its record by `deadlineMs`, the session is opened anew. */
  | { readonly kind: 'sent'; readonly deadlineMs: number }
  | { readonly kind: 'accepted'; readonly turn: string; readonly seq: number; readonly deadlineMs: number }
  | { readonly kind: 'failed'; readonly error: Refusal }

export type TurnState = 'unsent' | 'sending' | 'pending' | 'streaming' | 'completed' | 'cancelled' | 'failed'

/** A message and the answer to it, as a user interface shows it. Never changes: a change makes another object. */
export interface TurnView {
  /** Absent until the gateway has taken the message. */
  readonly turn?: string | undefined
  /** Absent while the record of the message itself lies in history that was not loaded yet. */
  readonly messageId?: string | undefined
  readonly content: string
  /** `unsent` and `sending` are this client's; `pending` is in the log; the last three never change again. */
  readonly state: TurnState
  /** The answer so far; once ended, verified by length and hash, unless it is `lost` or `deleted`. */
  readonly text: string
  readonly model?: string | undefined
  readonly usage?: Usage | undefined
  readonly cost?: Cost | undefined
  readonly error?: Refusal | undefined
  readonly finishReason?: string | undefined
  /** Once it has ended: what the text is. */
  readonly ending?: Ending | undefined
  readonly feedback?: {
    readonly rating: -1 | 0 | 1
    readonly comment?: string | undefined
    readonly share?: boolean | undefined
  }
  /** The turn whose place this one took. */
  readonly replaces?: string | undefined
  /** A later turn took this one's place (retry, edit): hide it. */
  readonly isReplaced: boolean
  /** When the message was written, in milliseconds since 1970. */
  readonly timeMs: number
  /** The number of its first record; 0 before it has one. */
  readonly seq: number
  readonly metadata?: Metadata | undefined
}

/** Counts since the client was made. */
export interface Stats {
  /** Connections after the first. */
  readonly reconnects: number
  /** Opens sent because of a hole or a position that did not fit; the gateway should make these 0. */
  readonly reopens: number
  /** Times that a session's history turned out to be another one. */
  readonly resets: number
  /** Texts read again because length or hash did not fit. */
  readonly repairs: number
  /** Messages sent again with the same id. */
  readonly resends: number
  /** Frames that were no frames. */
  readonly malformed: number
}

export type { TerminalRecord }
