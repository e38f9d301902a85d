import type { Down, DownOf } from '../protocol/down.ts'
import { type ErrorKind, type Refusal, refusal } from '../protocol/error.ts'
import { frameDownBytes } from '../protocol/limits.ts'
import type { Cursor } from '../protocol/shapes.ts'
import type { Request, UpOf } from '../protocol/up.ts'
import type { SessionInfo } from '../sessions/session-log.ts'
import type { Identity } from './auth/identity.ts'
import { smallAnswerBytes } from './bounds.ts'
import type { Chat, Outcome } from './chat.ts'
import { type Outbox, openedFrame } from './outbox.ts'
import { snapToCharacters } from './reader.ts'

/** What a socket's request does and how it is answered: one function for each type. */
export interface Served {
  readonly chat: Chat
  readonly outbox: Outbox
  readonly watchedSessions: number
  /** Sends the answer, and what comes with it. */
  answer(frame: Down): void
  /** Whether the client has read enough to be sent another page. */
  hasRoom(): boolean
  opened(how: 'new' | 'resumed' | 'reset', session: string): void
}

/** The most bytes that the answer to a request may take. */
export function largestAnswerBytes({ type }: Request): number {
  return type === 'session.open' || type === 'session.list' || type === 'history.get' || type === 'turn.read'
    ? frameDownBytes
    : smallAnswerBytes
}

type Serveable = Exclude<Request, { type: 'ping' | 'token.refresh' }>

/** Does what is asked and sends the answer. Rejects only for a bug. */
export async function serveRequest(
  served: Served,
  identity: Identity,
  request: Request,
  onRefused: (kind: ErrorKind) => void,
): Promise<void> {
  if (request.type === 'ping' || request.type === 'token.refresh') return
  const answer = await answerRequest(served, identity, request)
  if (answer === undefined) return
  if (answer.type === 'error') onRefused(answer.kind)
  served.answer(answer)
}

function answerRequest(served: Served, identity: Identity, request: Serveable): Promise<Down | undefined> | Down {
  switch (request.type) {
    case 'session.open':
      return openSession(served, identity, request)
    case 'session.close':
      return closeSession(served, request)
    case 'session.list':
      return listSessions(served, identity, request)
    case 'session.update':
      return updateSession(served, identity, request)
    case 'session.delete':
      return deleteSession(served, identity, request)
    case 'message.send':
      return sendMessage(served, identity, request)
    case 'turn.cancel':
      return cancelTurn(served, identity, request)
    case 'turn.read':
      return readTurn(served, identity, request)
    case 'history.get':
      return getHistory(served, identity, request)
    case 'feedback.give':
      return giveFeedback(served, identity, request)
    default:
      return assertNever(request)
  }
}

async function openSession(
  served: Served,
  identity: Identity,
  request: UpOf<'session.open'>,
): Promise<Down | undefined> {
  // Before a session is made that nobody will watch. With a key it may be one that is watched already.
  if (request.session === undefined && request.key === undefined && isFull(served))
    return refuse(request.id, tooManyWatched(served.watchedSessions))
  const session = request.session ?? (await makeSession(served, identity, request))
  if (typeof session !== 'string') return session
  const owned = await served.chat.owned(identity, session)
  if (owned.kind === 'refused') return refuse(request.id, owned.refusal, session)
  return watch(served, session, owned.info, request.cursor, request.id)
}

async function makeSession(
  { chat }: Served,
  identity: Identity,
  request: UpOf<'session.open'>,
): Promise<string | Down> {
  const made = await chat.create(identity, request)
  return made.kind === 'ok' ? made.session : refuse(request.id, made.refusal)
}

/**
 * Watches the session and answers `session.opened`. Nothing of the session is sent between the request and its answer;
 * what happened meanwhile follows from the position that the answer names.
 */
async function watch(
  served: Served,
  session: string,
  info: SessionInfo,
  cursor: Cursor | undefined,
  ref: string | undefined,
): Promise<Down | undefined> {
  const { chat, outbox } = served
  if (!outbox.watches(session) && isFull(served)) return refuse(ref, tooManyWatched(served.watchedSessions), session)
  const watched = await outbox.watch(session, info)
  if (watched.kind !== 'watching') return notWatched(watched.kind === 'gone', session, ref)
  const { reader, feed } = watched
  const opened = await chat.open(session, cursor)
  if (!outbox.isCurrent(reader)) return notWatched(reader.isSessionGone, session, ref)
  if (opened.kind === 'refused') {
    outbox.unwatch(session)
    return refuse(ref, opened.refusal, session)
  }
  feed.heardOf(opened.reply)
  const { frame, attempt } = openedFrame(session, opened.reply, cursor)
  snapToCharacters(attempt, feed)
  const { turn } = frame
  const placed =
    turn === undefined || attempt === undefined ? frame : { ...frame, turn: { ...turn, ends: [...attempt.ends] } }
  served.opened(frame.reset ? 'reset' : cursor === undefined ? 'new' : 'resumed', session)
  served.answer(ref === undefined ? placed : { ...placed, ref })
  reader.place(feed, { seq: frame.seq, mark: frame.mark }, attempt)
  outbox.moved(reader)
  return undefined
}

/**
 * Who was overtaken by another open or a close of the same session is not told that there is no such session; and who
 * did not ask to watch is not told that it does not.
 */
function notWatched(isGone: boolean, session: string, ref: string | undefined): Down | undefined {
  if (isGone) return refuse(ref, refusal('not-found', 'there is no such session'), session)
  if (ref === undefined) return undefined
  return refuse(ref, refusal('busy', 'the session was opened again or closed before this was answered'), session)
}

const notRead = refusal('busy', 'too much that was sent is not read: read it, then open the session')

function isFull({ outbox, watchedSessions }: Served): boolean {
  return outbox.watchedCount >= watchedSessions
}

function tooManyWatched(limit: number): Refusal {
  return refusal('busy', `this socket watches ${limit} sessions, as many as it may: close one first`)
}

function closeSession({ outbox }: Served, request: UpOf<'session.close'>): Down {
  outbox.unwatch(request.session)
  return { type: 'session.closed', ref: request.id, session: request.session }
}

async function listSessions({ chat }: Served, identity: Identity, request: UpOf<'session.list'>): Promise<Down> {
  const listed = await chat.list(identity, request)
  if (listed.kind === 'refused') return refuse(request.id, listed.refusal)
  const { sessions, next } = listed
  return { type: 'session.page', ref: request.id, sessions: [...sessions], ...(next === undefined ? {} : { next }) }
}

async function updateSession({ chat }: Served, identity: Identity, request: UpOf<'session.update'>): Promise<Down> {
  const { id, session, metadata } = request
  const updated = await chat.update(identity, session, metadata)
  return answer(request, updated, () => ({ type: 'session.updated', ref: id, session, metadata }))
}

async function deleteSession(
  { chat, outbox }: Served,
  identity: Identity,
  request: UpOf<'session.delete'>,
): Promise<Down> {
  const { id, session } = request
  const erased = await chat.erase(identity, session)
  if (erased.kind === 'ok') outbox.unwatch(session)
  return answer(request, erased, () => ({ type: 'session.deleted', ref: id, session, reason: 'erased' }))
}

/** A sender that does not watch yet is shown the session as it is now, its message in it. */
async function sendMessage(
  served: Served,
  identity: Identity,
  request: UpOf<'message.send'>,
): Promise<Down | undefined> {
  const sent = await served.chat.send(identity, request)
  if (sent.kind === 'refused') return refuse(request.id, sent.refusal, request.session)
  const { session, messageId } = request
  served.answer({ type: 'message.accepted', ref: request.id, session, messageId, turn: sent.turn, seq: sent.seq })
  if (served.outbox.watches(session)) return undefined
  if (!served.hasRoom()) return refuse(undefined, notRead, session)
  return watch(served, session, sent.info, undefined, undefined)
}

async function cancelTurn({ chat }: Served, identity: Identity, request: UpOf<'turn.cancel'>): Promise<Down> {
  const { id, session, turn } = request
  const cancelled = await chat.cancel(identity, session, turn)
  return answer(request, cancelled, () => ({ type: 'turn.cancelling', ref: id, session, turn }))
}

async function readTurn({ chat }: Served, identity: Identity, request: UpOf<'turn.read'>): Promise<Down> {
  const { id, session, turn, part } = request
  const read = await chat.read(identity, request)
  return answer(request, read, ({ at, end, bytes, text }) => ({
    type: 'turn.text',
    ref: id,
    session,
    turn,
    part,
    at,
    end,
    bytes,
    text,
  }))
}

async function getHistory({ chat }: Served, identity: Identity, request: UpOf<'history.get'>): Promise<Down> {
  const { id, session } = request
  const page = await chat.history(identity, request)
  return answer(request, page, ({ records, hasMore }) => ({
    type: 'history.page',
    ref: id,
    session,
    records: [...records],
    hasMore,
  }))
}

async function giveFeedback({ chat }: Served, identity: Identity, request: UpOf<'feedback.give'>): Promise<Down> {
  const given = await chat.giveFeedback(identity, request)
  return answer(request, given, ({ record }) => {
    // The record that was written is the one that was asked for.
    const added = record as DownOf<'feedback.added'>
    return { ...added, ref: request.id, session: request.session }
  })
}

function answer<T>(
  request: { readonly id: string; readonly session: string },
  outcome: Outcome<T>,
  make: (value: T) => Down,
): Down {
  return outcome.kind === 'ok' ? make(outcome) : refuse(request.id, outcome.refusal, request.session)
}

function refuse(ref: string | undefined, error: Refusal, session?: string): Down {
  return {
    type: 'error',
    ...(ref === undefined ? {} : { ref }),
    ...(session === undefined ? {} : { session }),
    ...error,
  }
}

function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
