import type { WholeAnswer } from '../transport/transport.ts'
import { responseOf } from './kept-answer.ts'
import type { HttpDeps, Route } from './route.ts'
import { json } from './session-routes.ts'

/** What is asked of the node itself: by whoever runs it, and by the page before it has a token. */

const alive: Route = {
  method: 'GET',
  path: '/healthz',
  access: 'open',
  document: {
    id: 'isAlive',
    summary: 'Whether the process answers.',
    answers: [{ status: 200, description: 'it does', content: json('Liveness') }],
  },
  handle: () => responseOf(livenessOf()),
}

const ready: Route = {
  method: 'GET',
  path: '/readyz',
  access: 'open',
  document: {
    id: 'isReady',
    summary: 'Whether new work should be sent here.',
    answers: [
      { status: 200, description: 'yes', content: json('Readiness') },
      { status: 503, description: 'no, and why', content: json('Readiness') },
    ],
  },
  handle: ({ parts }) => responseOf(readinessOf(parts)),
}

const jsonHeaders = { 'content-type': 'application/json', 'cache-control': 'no-store' }
const liveness: WholeAnswer = { status: 200, headers: jsonHeaders, body: Buffer.from('{"alive":true}') }

export function livenessOf(): WholeAnswer {
  return liveness
}

export function readinessOf({ readiness, isDraining }: Pick<HttpDeps, 'readiness' | 'isDraining'>): WholeAnswer {
  const state = readiness()
  const isReady = state.ready && !isDraining()
  const reasons = state.ready && !isReady ? ['this node is leaving'] : state.reasons
  const body = Buffer.from(JSON.stringify({ ready: isReady, reasons }))
  return { status: isReady ? 200 : 503, headers: jsonHeaders, body }
}

const admin: Route = {
  method: 'GET',
  path: '/v1/admin/node',
  access: 'node.read',
  document: {
    id: 'getNode',
    summary: "The node's sockets, watched sessions and running turns.",
    answers: [{ status: 200, description: 'as of now', content: json('NodeState') }],
  },
  handle: ({ parts }) => Response.json(parts.nodeState()),
}

const web: Route = {
  method: 'GET',
  path: '/v1/web-config',
  access: 'open',
  document: {
    id: 'getWebConfig',
    summary: 'Where the page gets its token.',
    answers: [{ status: 200, description: 'one of the three', content: json('WebConfig') }],
  },
  handle: ({ parts: { authenticator, web } }) => {
    const { tokenUrl } = web
    if (tokenUrl !== undefined) return Response.json({ tokenUrl })
    return Response.json(authenticator.mode === 'development' ? { devToken: true } : { paste: true })
  },
}

export const nodeRoutes: readonly Route[] = [alive, ready, admin, web]
