import { isFramingUnsafe } from './http-framing.ts'
import type { UwsRequest } from './uws-types.ts'

export interface UwsRequestHead {
  readonly method: string
  readonly url: string
  readonly headers: Headers
}

/** Empty where a client knows no host; the port may be. */
const HOST = /^(?:(?:[a-z0-9._-]+|\[[a-f0-9:.]+\])(?::\d*)?)?$/i
const METHOD = /^[A-Z]+$/
/** A web Request cannot hold them (WHATWG fetch). */
const FORBIDDEN_METHODS: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK'])

/**
 * All of a request that is dead when the library's handler returns, or undefined when it is to be refused with 400. The
 * library checks less than Node does: it hands over a request before it looks at its Content-Length.
 */
export function readRequestHead(req: UwsRequest, scheme: 'http' | 'https'): UwsRequestHead | undefined {
  const method = req.getCaseSensitiveMethod()
  const [host, path, query] = [req.getHeader('host'), req.getUrl(), req.getQuery()]
  if (!METHOD.test(method) || FORBIDDEN_METHODS.has(method)) return undefined
  // A host with a slash, or a path with a backslash, would move the path: a proxy before us saw another one.
  if (!HOST.test(host) || !path.startsWith('/') || path.includes('\\')) return undefined
  if (hasUnsafeFraming(req, false)) return undefined
  const url = URL.parse(`${scheme}://${host || 'localhost'}${path}${query ? `?${query}` : ''}`)
  const headers = readHeaders(req)
  return url && headers ? { method, url: url.href, headers } : undefined
}

function readHeaders(req: UwsRequest): Headers | undefined {
  try {
    const headers = new Headers()
    req.forEach((name, value) => {
      headers.append(name, value)
    })
    return headers
  } catch {
    return undefined // a name or a value that HTTP forbids
  }
}

/** A header as Node gives it: its lines are one list. The library has the first line alone, which a client may have put before its proxy's. */
export function headerOf(req: UwsRequest, name: string): string | undefined {
  if (req.getHeader(name) === '') return undefined
  const lines: string[] = []
  req.forEach((each, value) => {
    if (each === name) lines.push(value)
  })
  return lines.join(', ')
}

/** The library takes the first of two lengths, an empty one, and any coding that looks like `chunked`. */
export function hasUnsafeFraming(req: UwsRequest, isUpgrade: boolean): boolean {
  const lengths: string[] = []
  const codings: string[] = []
  req.forEach((name, value) => {
    if (name === 'content-length') lengths.push(value)
    else if (name === 'transfer-encoding') codings.push(value)
  })
  return isFramingUnsafe({ lengths, codings, isUpgrade, isOldHttp: false })
}
