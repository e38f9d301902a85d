import { type ErrorKind, type Refusal, refusal } from '../../protocol/error.ts'

/** How a refusal looks in HTTP: one status for each kind, and the refusal itself as `{"error": …}`. */

/**
 * `busy` is 409: the session is in a state that the request does not fit, and another node would say the same; a 503
 * would tell a load balancer that this node is ill. `over-budget` is 402 by its name in RFC 9110, 15.5.3.
 */
export const statusOfKind = {
  invalid: 400,
  unauthenticated: 401,
  'over-budget': 402,
  forbidden: 403,
  'not-found': 404,
  busy: 409,
  conflict: 409,
  'too-large': 413,
  filtered: 422,
  'rate-limited': 429,
  internal: 500,
  provider: 502,
  unavailable: 503,
} as const satisfies Readonly<Record<ErrorKind, number>>

export function refuse(error: Refusal, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json(
    { error },
    { status: statusOfKind[error.kind], headers: { ...refusalHeaders(error), ...headers } },
  )
}

/** `Retry-After` in whole seconds, never too early. */
export function refusalHeaders({ kind, retryAfterMs }: Refusal): Record<string, string> {
  return {
    ...(retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }),
    ...(kind === 'unauthenticated' ? { 'www-authenticate': 'Bearer realm="sluice"' } : {}),
  }
}

export function invalid(message: string): Response {
  return refuse(refusal('invalid', message))
}
