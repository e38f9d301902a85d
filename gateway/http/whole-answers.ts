import { refusal } from '../../protocol/error.ts'
import { TrustedProxies } from '../client-address.ts'
import type { Peer, RequestHead, WholeAnswer, WholeHandler } from '../transport/transport.ts'
import { refusedAfterMs } from './limits.ts'
import { livenessOf, readinessOf } from './node-routes.ts'
import type { PageFiles } from './page.ts'
import { refusalHeaders, statusOfKind } from './refusals.ts'
import { type RequestLog, requestIdOf } from './request-log.ts'
import type { HttpDeps } from './route.ts'
import { allRoutes } from './routes.ts'

/**
 * What is answered from a request's head alone, at a small part of the cost of a route: probes, files and documents that are
 * in memory, and the refusal of addresses that ask for more than strangers may. Everything else is a route's.
 */
export class WholeAnswers {
  readonly #deps: HttpDeps
  readonly #page: PageFiles
  readonly #log: RequestLog
  readonly #proxies: TrustedProxies

  constructor(deps: HttpDeps, page: PageFiles, log: RequestLog) {
    this.#deps = deps
    this.#page = page
    this.#log = log
    this.#proxies = new TrustedProxies(deps.trustedProxies)
  }

  readonly answer: WholeHandler = (head, peer) => {
    const startedMs = performance.now()
    const address = this.#proxies.clientAddress(peer.address, head.header('x-forwarded-for'))
    const found = head.isUpgrade ? this.#refused(address, peer) : this.#find(head, address, peer)
    if (found === undefined) return undefined
    const { route, answer } = found
    const requestId = requestIdOf(head.header('x-request-id'))
    const { status } = answer
    this.#log.answered({ requestId, method: head.method, route, status, startedMs, address, subject: undefined })
    return { ...answer, headers: { ...answer.headers, ...this.#log.headers, 'x-request-id': requestId } }
  }

  #find(head: RequestHead, address: string, peer: Peer): Found | undefined {
    const path = pathOf(head.url)
    const isRead = head.method === 'GET' || head.method === 'HEAD'
    const probed = isRead ? path : head.method === 'OPTIONS' ? optionsProbes.get(path) : undefined
    if (probed === '/healthz') return { route: probed, answer: livenessOf() }
    if (probed === '/readyz') return { route: probed, answer: readinessOf(this.#deps) }
    const refused = this.#refused(address, peer)
    if (refused !== undefined || !isRead) return refused
    const document = documents.get(path)
    const kept = document !== undefined ? document() : isApi(path) ? undefined : this.#page.answer(path)
    // The origin is judged by the routes.
    if (kept === undefined || (document !== undefined && head.header('origin') !== undefined)) return undefined
    this.#deps.strangers.worked(address)
    return { route: document === undefined ? 'page' : path, answer: kept.answer(head.header('if-none-match')) }
  }

  /** Before a token is looked at: verifying one is work, too. */
  #refused(address: string, peer: Peer): Found | undefined {
    const { strangers } = this.#deps
    const waitMs = strangers.waitMs(address)
    if (waitMs > 0) {
      const message = 'too many requests without a good token from this address: send them more slowly'
      return { route: 'none', answer: tooMany(message, waitMs) }
    }
    if (peer.guest !== undefined || strangers.hasPlace(address)) return undefined
    return {
      route: 'none',
      answer: tooMany('this address has as many connections without a good token as it may', 1_000),
    }
  }
}

/** HAProxy asks with OPTIONS where no method is set, and for `/` where no path is. */
const optionsProbes: ReadonlyMap<string, string> = new Map([
  ['/healthz', '/healthz'],
  ['/readyz', '/readyz'],
  ['/', '/readyz'],
  ['*', '/readyz'],
])

/** No file of the page is looked for there. */
function isApi(path: string): boolean {
  return path.startsWith('/v1/') || path.startsWith('/dev/')
}

interface Found {
  readonly route: string
  readonly answer: WholeAnswer
}

const documents = new Map(
  allRoutes.flatMap((route) => (route.access === 'open' && route.kept ? [[route.path, route.kept] as const] : [])),
)

function tooMany(message: string, retryAfterMs: number): WholeAnswer {
  const error = refusal('rate-limited', message, retryAfterMs)
  return {
    status: statusOfKind[error.kind],
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...refusalHeaders(error) },
    body: Buffer.from(JSON.stringify({ error })),
    delayMs: refusedAfterMs,
  }
}

function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}
