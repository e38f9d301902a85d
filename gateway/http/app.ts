import { context as traceContext } from '@opentelemetry/api'
import { type Context, Hono, type Next } from 'hono'
import { refusal } from '../../protocol/error.ts'
import { idPattern } from '../../protocol/limits.ts'
import type { Identity } from '../auth/identity.ts'
import { permit } from '../auth/permissions.ts'
import { readUpgradeToken } from '../auth/token-source.ts'
import { randomId } from '../chat.ts'
import { TrustedProxies } from '../client-address.ts'
import { methodLabel } from '../telemetry/labels.ts'
import { incomingContext } from '../telemetry/message-span.ts'
import type { HttpHandler } from '../transport/transport.ts'
import { judgeOrigin } from './origin-guard.ts'
import { type Page, servePage } from './page.ts'
import { invalid, refuse } from './refusals.ts'
import type { Call, HttpDeps, HttpEnv, Route, RouteParts } from './route.ts'
import { allRoutes } from './routes.ts'
import { StreamPlaces } from './stream-places.ts'
import { StreamTokens } from './stream-tokens.ts'

/**
 * Everything that is answered by HTTP, the same on every transport. In this order: the request gets its name and its
 * line in the log; the origin is judged; the route is found; its token is verified and its permission asked for; only
 * then is a body read.
 */
export function createHttpApp(deps: HttpDeps): HttpHandler {
  const app = createHono(deps)
  const proxies = new TrustedProxies(deps.trustedProxies)
  return (request, peer) => {
    const incoming = proxies.incomingTrace(peer.address, request.headers.get('traceparent') ?? undefined)
    return traceContext.with(incomingContext(incoming), () => app.fetch(request, { peer }))
  }
}

/** For the test that compares the routes with their document. */
export function createHono(deps: HttpDeps): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>()
  const page = servePage(deps.pageDir, deps.web.tokenUrl)
  const parts: RouteParts = {
    ...deps,
    places: new StreamPlaces(deps.streamsPerSubject),
    tokens: new StreamTokens(() => deps.authenticator.checkKeys(), deps.nowMs),
  }
  app.use(observe(deps))
  app.use('/v1/*', guardOrigin(deps))
  app.use('/dev/*', guardOrigin(deps))
  for (const route of allRoutes) app.on(route.method, route.path, (context) => answer(parts, route, context))
  for (const path of new Set(allRoutes.map((route) => route.path))) app.all(path, () => otherMethod(path))
  app.notFound((context) => answerPage(page, context))
  app.onError((error, context) => {
    const { requestId, route } = context.var
    deps.logger.error({ err: error, requestId, route }, 'unable to answer a request: a bug')
    return refuse(refusal('internal', `something went wrong; the operator finds it under ${requestId}`))
  })
  return app
}

type HttpContext = Context<HttpEnv>

/** The request's id, its line in the log, its figures. Nothing of its query, its body or its token. */
function observe({ logger, telemetry, trustedProxies }: HttpDeps) {
  const proxies = new TrustedProxies(trustedProxies)
  return async (context: HttpContext, next: Next) => {
    const startedMs = performance.now()
    const given = context.req.header('x-request-id')
    const requestId = given !== undefined && idPattern.test(given) ? given : randomId()
    context.set('requestId', requestId)
    await next()
    context.header('x-request-id', requestId)
    if (!context.res.headers.has('cache-control')) context.header('cache-control', 'no-store')
    context.header('x-content-type-options', 'nosniff')
    const { route = 'none', subject } = context.var
    const method = methodLabel(context.req.method)
    const { status } = context.res
    const durationMs = performance.now() - startedMs
    telemetry.answered(route, method, status, durationMs)
    const address = proxies.clientAddress(context.env.peer.address, context.req.header('x-forwarded-for'))
    const line = { requestId, method, route, status, durationMs: Math.round(durationMs * 10) / 10, address, subject }
    if (probes.has(route)) logger.debug(line, 'answered')
    else logger.info(line, 'answered')
  }
}

/** Asked for every few seconds, by machines. */
const probes: ReadonlySet<string> = new Set(['/healthz', '/readyz'])

function guardOrigin({ web }: HttpDeps) {
  return async (context: HttpContext, next: Next) => {
    const verdict = judgeOrigin(context.req.raw, web.allowedOrigins)
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
  const permitted = permit(caller, route.access)
  if (permitted.kind === 'forbidden') return refuse(refusal('forbidden', permitted.message))
  if (faulty !== undefined) return invalid(`${faulty[0]}: must match [A-Za-z0-9_-]{1,64}`)
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
  if (token.kind === 'refused') return refuse(refusal('unauthenticated', token.message))
  if (token.kind === 'none') {
    return refuse(refusal('unauthenticated', 'no token: send it as Authorization: Bearer …'))
  }
  const verified = await authenticator.verify(token.token)
  if (verified.kind === 'ok') return verified.identity
  if (verified.reason === 'unavailable') return refuse(refusal('unavailable', verified.message, 1_000))
  return refuse(refusal('unauthenticated', verified.message))
}

function otherMethod(path: string): Response {
  const allow = allRoutes.filter((route) => route.path === path).map(({ method }) => method)
  const { kind, message, retryable } = refusal('invalid', `this path takes ${allow.join(', ')}`)
  return Response.json({ error: { kind, message, retryable } }, { status: 405, headers: { allow: allow.join(', ') } })
}

/** A file of the page, or nothing. */
async function answerPage(page: Page, context: HttpContext): Promise<Response> {
  const { method, path } = context.req
  const isPage = (method === 'GET' || method === 'HEAD') && !path.startsWith('/v1/')
  const file = isPage ? await page.answer(path, context.req.header('if-none-match') ?? null) : undefined
  if (file === undefined) return refuse(refusal('not-found', 'there is no such route'))
  context.set('route', 'page')
  return file
}
