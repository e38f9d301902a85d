/**
 * What a token's scopes allow: one table for the socket and for HTTP, whose operations have the socket's names.
 *
 * `chat` is to take part: write, steer, change. `history` is to look back. Neither implies the other: a token with
 * `history` alone reads and changes nothing, one with `chat` alone cannot go through a subject's conversations. Both may
 * watch a session whose id they know and read what its answers say, since a client that only chats has to find its
 * answer again after a lost socket. Whose session it is, is another question, and is asked for every scope alike.
 */
import type { Up, UpType } from '../../protocol/up.ts'
import type { Identity, Scope } from './identity.ts'

type HttpOperation = 'turn.stream' | 'usage.read' | 'node.read'

/** What can be asked for: the types of the messages up, `session.create` apart from `session.open`, and HTTP's own. */
export type Operation = UpType | 'session.create' | HttpOperation

/** Any one of the scopes is enough; none at all is needed where the list is empty. */
const table = {
  hello: [],
  'token.refresh': [],
  ping: [],
  'session.close': [],
  /** `session.open` without `session`; `POST /v1/sessions`. */
  'session.create': ['chat'],
  /** `session.open` of an existing one. */
  'session.open': ['chat', 'history'],
  'session.list': ['history'],
  'session.update': ['chat'],
  'session.delete': ['chat'],
  'message.send': ['chat'],
  'turn.cancel': ['chat'],
  'turn.read': ['chat', 'history'],
  /** HTTP alone: an answer as server-sent events, also resumed. */
  'turn.stream': ['chat', 'history'],
  'history.get': ['history'],
  'feedback.give': ['chat'],
  /** HTTP alone: `GET /v1/usage`, what the subject itself used. */
  'usage.read': ['chat', 'history'],
  /** HTTP alone: `GET /v1/admin/node`, the node's sockets, sessions and running turns. */
  'node.read': ['admin'],
} as const satisfies Readonly<Record<Operation, readonly Scope[]>>

/** The scopes of which a token needs any one for `operation`; empty when every valid token may. */
export const permissionFor = (operation: Operation): readonly Scope[] => table[operation]

/** The operation a message up asks for: its type, but for an open that makes a session. */
export const operationOf = (message: Up): Operation =>
  message.type === 'session.open' && message.session === undefined ? 'session.create' : message.type

export type Permit = { readonly kind: 'permitted' } | { readonly kind: 'forbidden'; readonly message: string }

/** Whether `identity` may do `operation`; `forbidden` is answered as the error kind of that name, with this message. */
export const permit = (identity: Pick<Identity, 'scopes'>, operation: Operation): Permit => {
  const needed = permissionFor(operation)
  if (needed.length === 0 || needed.some((scope) => identity.scopes.has(scope))) return { kind: 'permitted' }
  return { kind: 'forbidden', message: `${operation} needs a token with the scope ${needed.join(' or ')}` }
}
