/**
 * The token an upgrade or a request brings with it. Only the `Authorization` header counts. A token in the URL is
 * refused and not merely ignored: URLs are kept in logs, histories and referrers, and whoever sends one there has to
 * learn of it before it works by some other way.
 */
import { TOKEN_MAX_BYTES } from './limits.ts'

export type UpgradeToken =
  /** No token here; on a socket it comes in `hello`. */
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  /** Answer `unauthenticated` with this message; it contains nothing of the token. `in-url`: another token does not help. */
  | { readonly kind: 'refused' | 'in-url'; readonly message: string }

const tooLarge = `the token has more than ${TOKEN_MAX_BYTES} bytes: get one with fewer claims (groups, roles)`

const urlParameters = new Set(['token', 'access_token'])

const namesTokenInUrl = (url: string): boolean => {
  const queryAt = url.indexOf('?')
  if (queryAt === -1) return false
  const query = new URLSearchParams(url.slice(queryAt + 1).split('#', 1)[0])
  return [...query.keys()].some((name) => urlParameters.has(name.toLowerCase()))
}

const readBearer = (authorization: string): UpgradeToken => {
  const [scheme = '', token, ...rest] = authorization.trim().split(/[ \t]+/, 3)
  // Another scheme is meant for a proxy on the way, not for us.
  if (scheme.toLowerCase() !== 'bearer') return { kind: 'none' }
  if (token === undefined || token === '' || rest.length > 0) {
    return { kind: 'refused', message: 'the Authorization header must be `Bearer` and one token' }
  }
  if (token.length > TOKEN_MAX_BYTES) {
    return { kind: 'refused', message: tooLarge }
  }
  return { kind: 'token', token }
}

/**
 * @param url the request's target as received: path and query
 * @param authorization the `Authorization` header, undefined or empty when there is none
 */
export const readUpgradeToken = (url: string, authorization: string | undefined): UpgradeToken => {
  if (namesTokenInUrl(url)) {
    return {
      kind: 'in-url',
      message: 'a token in the URL is not accepted; send it in hello or in the Authorization header',
    }
  }
  return authorization === undefined ? { kind: 'none' } : readBearer(authorization)
}
