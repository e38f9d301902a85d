import type { Peer, Upgrade } from './transport.ts'

type HeaderField = Exclude<keyof Upgrade, keyof Peer | 'url'>

const HEADERS: readonly (readonly [HeaderField, string])[] = [
  ['host', 'host'],
  ['origin', 'origin'],
  ['authorization', 'authorization'],
  ['forwardedFor', 'x-forwarded-for'],
  ['forwardedProto', 'x-forwarded-proto'],
  ['forwardedHost', 'x-forwarded-host'],
  ['forwarded', 'forwarded'],
  ['traceparent', 'traceparent'],
  ['userAgent', 'user-agent'],
]

/** What the gateway asks of an upgrade request. An empty header counts as one that was not sent. */
export function describeUpgrade(
  peer: Peer,
  url: string,
  header: (name: string) => string | string[] | undefined,
): Upgrade {
  const headers: { -readonly [K in HeaderField]?: string } = {}
  for (const [field, name] of HEADERS) {
    const value = header(name)?.toString()
    if (value) headers[field] = value
  }
  return { ...peer, url, ...headers }
}
