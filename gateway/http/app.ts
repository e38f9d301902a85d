import { setTimeout as wait } from 'node:timers/promises'
import { context as traceContext } from '@opentelemetry/api'
import { type Context, Hono, type Next } from 'hono'
import { refusal } from '../../protocol/error.ts'
import { idPattern } from '../../protocol/limits.ts'
import type { Identity } from '../auth/identity.ts'
import { permit } from '../auth/permissions.ts'
import { readUpgradeToken } from '../auth/token-source.ts'
import { TrustedProxies } from '../client-address.ts'
import { incomingContext } from '../telemetry/message-span.ts'
import type { HttpHandler, WholeHandler } from '../transport/transport.ts'
import { refusedAfterMs } from './limits.ts'
import { judgeOrigin } from './origin-guard.ts'
import { PageFiles, pageNotBuilt } from './page.ts'
import { invalid, refuse } from './refusals.ts'
import { RequestLog, requestIdOf } from './request-log.ts'
import { BrokenBody } from './request-parts.ts'
import type { Call, GuardedRoute, HttpDeps, HttpEnv, Route, RouteParts } from './route.ts'
import { allRoutes } from './routes.ts'
import { StreamPlaces } from './stream-places.ts'
import { StreamTokens } from './stream-tokens.ts'
import { bodyBytesOf, SubjectRequests } from './subject-requests.ts'
import { WholeAnswers } from './whole-answers.ts'

export interface HttpApp {
  /** Asked first; both, on every transport. */
  readonly answerWhole: WholeHandler
  readonly fetch: HttpHandler
}

/**
 * Everything that is answered by HTTP, the same on every transport. What can be answered from a request's head is
 * (whole-answers.ts). The rest in this order: the request gets its name and its line in the log; the origin is judged; the
 * route is found; its token is verified and its permission asked for; only then is a body read.
 */
export function createHttpApp(deps: HttpDeps): HttpApp {
  const log = new RequestLog(deps)
  const proxies = new TrustedProxies(deps.trustedProxies)
  const app = createHono(deps, log)
  const fetch: HttpHandler = async (request, peer) => {
    const address = proxies.clientAddress(peer.address, request.headers.get('x-forwarded-for') ?? undefined)
    const incoming = proxies.incomingTrace(peer.address, request.headers.get('traceparent') ?? undefined)
    const guest = peer.guest ?? deps.strangers.take(address)
    const answer = () => app.fetch(request, { peer, guest, address })
    try {
      return await traceContext.with(incomingContext(incoming), answer)
    } finally {
      if (peer.guest === undefined) guest?.closed()
    }
  }
  return { answerWhole: new WholeAnswers(deps, new PageFiles(deps.pageDir, deps.web.tokenUrl), log).answer, fetch }
}

/** For the test that compares the routes with their document. */
export function createHono(deps: HttpDeps, log = new RequestLog(deps)): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>()
  const { streamsPerSubject, requestsPerSecond } = deps
  const parts: RouteParts = {
    ...deps,
    places: new StreamPlaces(streamsPerSubject),
    requests: new SubjectRequests(requestsPerSecond, streamsPerSubject, deps.costFactor),
    tokens: new StreamTokens(() => deps.authenticator.checkKeys(), deps.nowMs),
  }
  app.use(observe(deps, log))
  app.use('/v1/*', guardOrigin(deps))
  app.use('/dev/*', guardOrigin(deps))
  for (const route of allRoutes) app.on(route.method, route.path, (context) => answer(parts, route, context))
  for (const path of new Set(allRoutes.map((route) => route.path))) app.all(path, () => otherMethod(path))
  app.notFound(notFound)
  app.onError((error, context) => failed(deps, error, context))
  return app
}

type HttpContext = Context<HttpEnv>

function failed({ logger }: HttpDeps, error: unknown, context: HttpContext): Response {
  const { requestId, route } = context.var
  // Nobody reads the answer. What a request throws once its client is gone is not looked into.
  if (error instanceof BrokenBody || context.req.raw.signal.aborted) {
    logger.info({ requestId, route }, 'the client went away before its answer')
    return refuse(refusal('invalid', 'the request ended before its body did'))
  }
  logger.error({ err: error, requestId, route }, 'unable to answer a request: a bug')
  return refuse(refusal('internal', `something went wrong; the operator finds it under ${requestId}`))
}

/** The request's id, its line in the log, its figures; and what it is charged, when it showed no good token. */
function observe({ strangers }: HttpDeps, log: RequestLog) {
  return async (context: HttpContext, next: Next) => {
    const startedMs = performance.now()
    const requestId = requestIdOf(context.req.header('x-request-id'))
    context.set('requestId', requestId)
    await next()
    context.header('x-request-id', requestId)
    if (!context.res.headers.has('cache-control')) context.header('cache-control', 'no-store')
    for (const [name, value] of Object.entries(log.headers)) context.header(name, value)
    const { route = 'none', subject } = context.var
    const { address } = context.env
    if (subject === undefined) strangers.worked(address)
    log.answered({
      requestId,
      method: context.req.method,
      route,
      status: context.res.status,
      startedMs,
      address,
      subject,
    })
  }
}

function guardOrigin({ web, trustedProxies }: HttpDeps) {
  const proxies = new TrustedProxies(trustedProxies)
  return async (context: HttpContext, next: Next) => {
    const verdict = judgeOrigin(context.req.raw, web.allowedOrigins, proxies.trusts(context.env.peer.address))
    if (verdict.kind === 'answer') return verdict.response
    await next()
    for (const [name, value] of Object.entries(verdict.headers)) context.header(name, value)
    return undefined
  }
}

/** A HEAD is answered like its GET, whose body nobody reads: a stream ends before it began. */
async function answer(parts: RouteParts, route: Route, context: HttpContext): Promise<Response> {
  const response = await serve(parts, route, context)
  if (context.req.method === 'HEAD') await response.body?.cancel()
  return response
}

async function serve(parts: RouteParts, route: Route, context: HttpContext): Promise<Response> {
  context.set('route', route.path)
  const faulty = Object.entries(context.req.param()).find(([, value]) => !idPattern.test(value))
  const call = callOf(parts, context)
  if (route.access === 'open') return route.handle(call)
  const caller = await identify(parts, context)
  if (caller instanceof Response) return caller
  context.set('subject', caller.subject)
  const begun = parts.requests.begin(caller, bodyBytesOf(context.req.raw.headers), parts.nowMs())
  if (typeof begun !== 'function') {
    // Its place is kept: what waits here is bounded like the connections of strangers.
    await wait(refusedAfterMs)
    return refuse(begun)
  }
  context.env.guest?.earned()
  try {
    return await serveCaller(route, caller, call, faulty?.[0])
  } finally {
    begun()
  }
}

async function serveCaller(route: GuardedRoute, caller: Identity, call: Call, faulty?: string): Promise<Response> {
  const permitted = permit(caller, route.access)
  if (permitted.kind === 'forbidden') return refuse(refusal('forbidden', permitted.message))
  if (faulty !== undefined) return invalid(`${faulty}: must match [A-Za-z0-9_-]{1,64}`)
  return route.handle(call, caller)
}

function callOf(parts: RouteParts, context: HttpContext): Call {
  return {
    parts,
    context,
    request: context.req.raw,
    ref: context.var.requestId,
    param: (name) => context.req.param(name) ?? '',
  }
}

async function identify({ authenticator }: HttpDeps, context: HttpContext): Promise<Identity | Response> {
  const token = readUpgradeToken(context.req.url, context.req.header('authorization'))
  if (token.kind === 'none') {
    return refuse(refusal('unauthenticated', 'no token: send it as Authorization: Bearer …'))
  }
  if (token.kind !== 'token') return refuse(refusal('unauthenticated', token.message))
  const verified = await authenticator.verify(token.token)
  if (verified.kind === 'ok') return verified.identity
  if (verified.reason === 'unavailable')
    return refuse(refusal('unavailable', verified.message, verified.retryAfterMs ?? 1_000))
  return refuse(refusal('unauthenticated', verified.message))
}

function otherMethod(path: string): Response {
  const allow = allRoutes.filter((route) => route.path === path).map(({ method }) => method)
  const { kind, message, retryable } = refusal('invalid', `this path takes ${allow.join(', ')}`)
  return Response.json({ error: { kind, message, retryable } }, { status: 405, headers: { allow: allow.join(', ') } })
}

/** The page's files are answered before (whole-answers.ts): here is what there is not. */
function notFound(context: HttpContext): Response {
  const { method, path } = context.req
  if ((method !== 'GET' && method !== 'HEAD') || path !== '/') return refuse(noSuchRoute)
  context.set('route', 'page')
  return pageNotBuilt()
}

const noSuchRoute = refusal('not-found', 'there is no such route')
