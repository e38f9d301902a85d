/** What the `ws` transport asks of a request as Node read it. */
import type { IncomingMessage } from 'node:http'
import { hasToken, isFramingUnsafe } from './http-framing.ts'
import type { RequestHead } from './transport.ts'

/** HTTP/1.0 knows no upgrades (RFC 9110, 7.8). Some clients offer h2c with every request, which a server may ignore. */
export function isWebSocketUpgrade({ headers, httpVersion }: IncomingMessage): boolean {
  return httpVersion !== '1.0' && hasToken(headers.upgrade, 'websocket')
}

/** RFC 9112, 3.2. */
export function hasOneHost({ headersDistinct, httpVersion }: IncomingMessage): boolean {
  const count = headersDistinct.host?.length ?? 0
  return count === 1 || (count === 0 && httpVersion === '1.0')
}

export function hasUnsafeFraming(
  { headers, headersDistinct, httpVersion }: IncomingMessage,
  isUpgrade: boolean,
): boolean {
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return false
  const { 'content-length': lengths = [], 'transfer-encoding': codings = [] } = headersDistinct
  return isFramingUnsafe({ lengths, codings, isUpgrade, isOldHttp: httpVersion === '1.0' })
}

/**
 * Puts what may be written in several ways into the one that everything behind knows: the path alone of a target that names
 * its host too (RFC 9112, 3.2.2), and a host without the colon of an empty port. A target that names another host than `Host`
 * stays as it is.
 */
export function normalizeTarget(request: IncomingMessage): void {
  const { headers, url = '/' } = request
  const host = headers.host?.replace(/:$/, '')
  if (host !== undefined) headers.host = host
  if (url.startsWith('/')) return
  const [, origin = '', path = ''] = /^(https?:\/\/[^/?#@\\]+)(\/.*|\?.*|)$/i.exec(url) ?? []
  const named = URL.parse(origin)?.host
  if (named === undefined) return
  if (host === undefined || host === '' || named === URL.parse(`${schemeOf(origin)}//${host}`)?.host) {
    request.url = path.startsWith('/') ? path : `/${path}`
  }
}

function schemeOf(origin: string): string {
  return origin.slice(0, origin.indexOf(':') + 1)
}

export function headOf({ method = 'GET', url = '/', headers }: IncomingMessage, isUpgrade: boolean): RequestHead {
  return { method, url, isUpgrade, header: (name) => headers[name]?.toString() }
}

export function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}
