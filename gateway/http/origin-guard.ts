import { refusal } from '../../protocol/error.ts'
import { hostsOf, isAllowedOrigin } from '../origin.ts'
import { refuse } from './refusals.ts'

/**
 * Which pages may use the API (WHATWG fetch, CORS). No cookies are involved, so no credentials are allowed; a page of
 * an origin that is not allowed is refused, not only left unanswered, so that its requests have no effect either.
 */
export type OriginVerdict =
  | { readonly kind: 'answer'; readonly response: Response }
  | { readonly kind: 'pass'; readonly headers: Readonly<Record<string, string>> }

export function judgeOrigin(
  { method, headers }: Request,
  allowed: readonly string[] | 'own',
  isTrusted: boolean,
): OriginVerdict {
  const header = (name: string) => headers.get(name) ?? undefined
  const origin = header('origin')
  const isPreflight = method === 'OPTIONS' && headers.has('access-control-request-method')
  const said = { host: header('host'), forwardedHost: header('x-forwarded-host'), forwarded: header('forwarded') }
  if (!isAllowedOrigin(allowed, origin, hostsOf(said, isTrusted))) {
    return { kind: 'answer', response: refuse(notAllowed, { vary: 'Origin' }) }
  }
  const shared = origin === undefined ? { vary: 'Origin' } : { vary: 'Origin', 'access-control-allow-origin': origin }
  if (isPreflight)
    return { kind: 'answer', response: new Response(null, { status: 204, headers: { ...shared, ...preflight } }) }
  return { kind: 'pass', headers: { ...shared, 'access-control-expose-headers': exposed } }
}

const preflight = {
  'access-control-allow-methods': 'GET, POST, PATCH, DELETE',
  'access-control-allow-headers':
    'Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, X-Request-Id, Traceparent, Tracestate',
  'access-control-max-age': '600',
}
const exposed = 'Location, Retry-After, X-Request-Id, Preference-Applied'

const notAllowed = refusal('forbidden', 'this origin is not allowed: the operator can add it to SLUICE_ALLOWED_ORIGINS')
