import { refusal } from '../../protocol/error.ts'
import { isLoopbackHost } from '../config/network.ts'
import { isAllowedOrigin } from '../origin.ts'
import { invalid, refuse } from './refusals.ts'
import { readQuery } from './request-parts.ts'
import type { Route } from './route.ts'
import { developmentTokenQuery } from './schemas.ts'
import { json } from './session-routes.ts'

/**
 * A token for whoever asks, in development mode alone. The listener is on loopback, so the one who asks is on this
 * machine; but so is every page in the user's browser. A page of another origin is told from our own by `Origin`, or by
 * `Sec-Fetch-Site` where the browser sends no `Origin`; one that points its own name at 127.0.0.1 (DNS rebinding) is of
 * our origin for the browser, but its name stays in `Host`.
 *
 * A proxy or tunnel on this machine passes the requests of others on, and may write a loopback `Host` itself. It is told by
 * the headers that it adds. One that adds none and forwards bytes alone (`ssh -R`) cannot be told from this machine.
 */
export const developmentRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/dev/token',
    access: 'open',
    document: {
      id: 'getDevelopmentToken',
      summary: 'A token for a subject. In development mode alone, and not for pages of another origin.',
      query: developmentTokenQuery,
      answers: [{ status: 200, description: 'a token', content: json('DevelopmentToken') }],
      refusals: ['invalid', 'forbidden', 'not-found'],
    },
    handle: async ({ request, parts: { authenticator, web } }) => {
      if (authenticator.mode !== 'development') return refuse(noSuchRoute)
      if (cameThroughProxy(request.headers)) return refuse(proxied)
      if (!isOwnRequest(request, web.allowedOrigins)) return refuse(foreign)
      const query = readQuery(request, developmentTokenQuery)
      if (query.kind === 'refused') return refuse(query.refusal)
      const { subject, tenant, project, scope } = query.value
      const made = await authenticator.issueDevelopmentToken(subject, {
        ...(tenant === undefined ? {} : { tenant }),
        ...(project === undefined ? {} : { project }),
        ...(scope === undefined ? {} : { scope }),
      })
      return made.kind === 'ok' ? Response.json({ token: made.token }) : invalid(made.message)
    },
  },
]

function isOwnRequest({ url, headers }: Request, allowed: readonly string[] | 'own'): boolean {
  const host = headers.get('host') ?? undefined
  if (host === undefined || !isLoopbackHost(host.replace(/:\d+$/, ''))) return false
  // A request line may name a host of its own, which counts before `Host` (RFC 9112, 3.2.2).
  if (!isLoopbackHost(new URL(url).hostname)) return false
  const origin = headers.get('origin')
  if (origin === null) return siteMayBe.has(headers.get('sec-fetch-site'))
  return isAllowedOrigin('own', origin, [host]) || isAllowedOrigin(allowed, origin, [host])
}

/** No browser, our own page, or the user's own hand. */
const siteMayBe: ReadonlySet<string | null> = new Set([null, 'same-origin', 'none'])

/** What proxies, tunnels and content networks add, and nobody else; any value counts. */
const proxyHeader =
  /^(?:forwarded|via|cdn-loop|client-ip|x-(?:forwarded|original|envoy)-.+|cf-.+|.+-client-?ip|x-real-ip)$/

function cameThroughProxy(headers: Headers): boolean {
  return [...headers.keys()].some((name) => proxyHeader.test(name))
}

const noSuchRoute = refusal('not-found', 'there is no such route')
const proxied = refusal(
  'forbidden',
  'this request came through a proxy, and development tokens are for this machine alone: ask the gateway directly, or configure a JWT key',
)
const foreign = refusal(
  'forbidden',
  'development tokens are for this machine and for the page that this gateway serves',
)
