import { refusal } from '../../protocol/error.ts'
import { id } from '../../protocol/shapes.ts'
import type { Identity } from '../auth/identity.ts'
import { openedFrame } from '../outbox.ts'
import { invalid, refuse } from './refusals.ts'
import { readBody, readQuery } from './request-parts.ts'
import type { Call, Route } from './route.ts'
import { components, historyQuery, newSession, sessionChange, sessionsQuery } from './schemas.ts'

/** Sessions: make, list, look at, change, erase; and their history. */

const create: Route = {
  method: 'POST',
  path: '/v1/sessions',
  access: 'session.create',
  document: {
    id: 'createSession',
    summary: 'Make a session. The same Idempotency-Key by the same subject is the same session.',
    headers: ['idempotency-key'],
    body: { schema: newSession, isOptional: true },
    answers: [
      { status: 201, description: 'made', content: json('SessionOpened') },
      { status: 200, description: 'it was there already', content: json('SessionOpened') },
    ],
  },
  handle: async (call, identity) => {
    const body = await readBody(call.request, newSession, {})
    if (body.kind === 'refused') return refuse(body.refusal)
    const key = call.request.headers.get('idempotency-key') ?? undefined
    if (key !== undefined && !id.safeParse(key).success) return invalid(badKey)
    const { parts } = call
    if (parts.isDraining()) return refuse(leaving)
    const made = await parts.chat.create(identity, { ...body.value, ...(key === undefined ? {} : { key }) })
    if (made.kind === 'refused') return refuse(made.refusal)
    const { session, isNew } = made
    return opened(call, session, isNew ? 201 : 200, { location: `/v1/sessions/${session}` })
  },
}

const list: Route = {
  method: 'GET',
  path: '/v1/sessions',
  access: 'session.list',
  document: {
    id: 'listSessions',
    summary: "A page of the subject's sessions, the latest used first.",
    query: sessionsQuery,
    answers: [{ status: 200, description: 'a page', content: json('SessionPage') }],
  },
  handle: async (call, identity) => {
    const query = readQuery(call.request, sessionsQuery)
    if (query.kind === 'refused') return refuse(query.refusal)
    const { before, limit } = query.value
    const request = { ...(before === undefined ? {} : { before }), ...(limit === undefined ? {} : { limit }) }
    const listed = await call.parts.chat.list(identity, request)
    if (listed.kind === 'refused') return refuse(listed.refusal)
    const { sessions, next } = listed
    return Response.json({ type: 'session.page', ref: call.ref, sessions, ...(next === undefined ? {} : { next }) })
  },
}

const look: Route = {
  method: 'GET',
  path: '/v1/sessions/:session',
  access: 'session.open',
  document: {
    id: 'getSession',
    summary: 'A session as it is now: its latest records, and the running turn.',
    answers: [{ status: 200, description: 'the session', content: json('SessionOpened') }],
    refusals: ['not-found'],
  },
  handle: async (call, identity) => {
    const session = call.param('session')
    const owned = await call.parts.chat.owned(identity, session)
    return owned.kind === 'refused' ? refuse(owned.refusal) : opened(call, session, 200)
  },
}

const change: Route = {
  method: 'PATCH',
  path: '/v1/sessions/:session',
  access: 'session.update',
  document: {
    id: 'updateSession',
    summary: 'Replace the metadata, as a whole.',
    body: { schema: sessionChange },
    answers: [{ status: 200, description: 'replaced', content: json('SessionUpdated') }],
    refusals: ['not-found', 'too-large'],
  },
  handle: async (call, identity) => {
    const body = await readBody(call.request, sessionChange)
    if (body.kind === 'refused') return refuse(body.refusal)
    const session = call.param('session')
    const { metadata } = body.value
    const updated = await call.parts.chat.update(identity, session, metadata)
    if (updated.kind === 'refused') return refuse(updated.refusal)
    return Response.json({ type: 'session.updated', ref: call.ref, session, metadata })
  },
}

const erase: Route = {
  method: 'DELETE',
  path: '/v1/sessions/:session',
  access: 'session.delete',
  document: {
    id: 'deleteSession',
    summary: 'Erase a session everywhere, a running turn included.',
    answers: [{ status: 204, description: 'erased' }],
    refusals: ['not-found'],
  },
  handle: async (call, identity) => {
    const erased = await call.parts.chat.erase(identity, call.param('session'))
    return erased.kind === 'refused' ? refuse(erased.refusal) : new Response(null, { status: 204 })
  },
}

const history: Route = {
  method: 'GET',
  path: '/v1/sessions/:session/history',
  access: 'history.get',
  document: {
    id: 'getHistory',
    summary: 'A page of records older than `before`, or the latest; ascending.',
    query: historyQuery,
    answers: [{ status: 200, description: 'a page', content: json('HistoryPage') }],
    refusals: ['not-found'],
  },
  handle: historyPage,
}

async function historyPage(call: Call, identity: Identity): Promise<Response> {
  const query = readQuery(call.request, historyQuery)
  if (query.kind === 'refused') return refuse(query.refusal)
  const session = call.param('session')
  const { before, limit } = query.value
  const page = await call.parts.chat.history(identity, {
    session,
    ...(before === undefined ? {} : { before }),
    ...(limit === undefined ? {} : { limit }),
  })
  if (page.kind === 'refused') return refuse(page.refusal)
  const { records, hasMore } = page
  return Response.json({ type: 'history.page', ref: call.ref, session, records, hasMore })
}

async function opened(
  { parts: { chat }, ref }: Call,
  session: string,
  status: number,
  headers: Record<string, string> = {},
): Promise<Response> {
  const reply = await chat.open(session, undefined)
  if (reply.kind === 'refused') return refuse(reply.refusal)
  return Response.json({ ...openedFrame(session, reply.reply, undefined).frame, ref }, { status, headers })
}

export const sessionRoutes: readonly Route[] = [create, list, look, change, erase, history]

/** A body of the component of this name. */
export function json(name: string) {
  const schema = components[name]
  if (schema === undefined) throw new Error(`there is no component ${name}`)
  return { 'application/json': schema }
}

export const badKey = 'Idempotency-Key: must match [A-Za-z0-9_-]{1,64}'
export const leaving = refusal('unavailable', 'this node is leaving: send the same request again', 1_000)
