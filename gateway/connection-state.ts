import type { CloseCode } from '../protocol/close-code.ts'
import type { Down } from '../protocol/down.ts'
import type { Request } from '../protocol/up.ts'
import type { Verification } from './auth/authenticator.ts'
import type { Identity } from './auth/identity.ts'
import type { Bucket } from './bucket.ts'

/** What `connection.ts` knows of a socket, is told of it, and wants done. */
export type ConnectionState =
  | (Common & { readonly phase: 'greeting'; readonly headerToken?: string })
  | (Common & { readonly phase: 'verifying'; readonly held: readonly string[]; readonly client: string })
  | (Common & {
      readonly phase: 'ready'
      readonly identity: Identity
      readonly isRefreshing: boolean
      readonly wasWarned: boolean
    })
  | (Common & { readonly phase: 'closed' })

export interface Common {
  readonly settings: ConnectionSettings
  readonly openedMs: number
  readonly heardMs: number
  readonly pingedMs: number
  /** Since when the client has read nothing although more than the window was sent to it; absent: it reads. */
  readonly unreadSinceMs?: number
  readonly frames: Bucket
  readonly badFrames: Bucket
  /** The node is leaving, which is said after `welcome`: a client that is not welcome yet does not listen. */
  readonly leaving?: Leaving
}

export interface Leaving {
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
  /** A text frame. `subjectWaitMs`: above 0, the subject's sockets together are over their rate for so long. */
  | { readonly type: 'frame'; readonly text: string; readonly subjectWaitMs: number; readonly nowMs: number }
  | { readonly type: 'binary'; readonly nowMs: number }
  /** More came than a client may send before `welcome`; the transport dropped it. */
  | { readonly type: 'over-limit' }
  /** A pong that says that more was read. */
  | { readonly type: 'read'; readonly nowMs: number }
  /** A ping, or a pong that says nothing new. */
  | { readonly type: 'control'; readonly nowMs: number }
  /** A request was answered with so many bytes. */
  | { readonly type: 'answered'; readonly bytes: number; readonly nowMs: number }
  | {
      readonly type: 'verified'
      readonly purpose: VerifyPurpose
      readonly verification: Verification
      /** Whether the subject may have one more socket here. */
      readonly hasPlace: boolean
      readonly nowMs: number
    }
  /** `unansweredBytes`: what was sent and is not known to be read. */
  | { readonly type: 'tick'; readonly unansweredBytes: number; readonly nowMs: number }
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
