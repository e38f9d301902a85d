import { refusal } from '../../protocol/error.ts'
import { isAllowedOrigin } from '../origin.ts'
import { refuse } from './refusals.ts'

/**
 * Which pages may use the API (WHATWG fetch, CORS). No cookies are involved, so no credentials are allowed; a page of
 * an origin that is not allowed is refused, not only left unanswered, so that its requests have no effect either.
 */
export type OriginVerdict =
  | { readonly kind: 'answer'; readonly response: Response }
  | { readonly kind: 'pass'; readonly headers: Readonly<Record<string, string>> }

export function judgeOrigin(request: Request, allowed: readonly string[] | 'own'): OriginVerdict {
  const origin = request.headers.get('origin') ?? undefined
  const isPreflight = request.method === 'OPTIONS' && request.headers.has('access-control-request-method')
  if (!isAllowedOrigin(allowed, origin, request.headers.get('host') ?? undefined)) {
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
