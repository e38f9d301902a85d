import http from 'node:http'
import { proxyFor } from './config/proxies.ts'
import type { Config } from './config.ts'

/**
 * Key sets are fetched with `fetch`, which is told of a proxy for the whole process: so by Node's own switch, and only when the
 * key set needs one. Returns what takes it back.
 */
export function proxyKeySets({ auth, proxies }: Pick<Config, 'auth' | 'proxies'>): () => void {
  const jwksUrl = auth.mode === 'jwt' ? auth.jwksUrl : undefined
  const proxy = jwksUrl === undefined ? undefined : proxyFor(new URL(jwksUrl), proxies)?.reveal()
  if (proxy === undefined) return () => undefined
  const exceptions = [...proxies.exceptions, 'localhost', '127.0.0.1', '::1'].join(',')
  return http.setGlobalProxyFromEnv({ HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: exceptions })
}
