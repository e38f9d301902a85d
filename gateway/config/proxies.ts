/**
 * Which requests of the gateway go through an HTTP proxy: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` as curl reads them, with the
 * loopback addresses always left out, since a proxy has a loopback of its own.
 *
 * The decision is made here, once for each address; how a request goes through a proxy is Node's business.
 */
import { BlockList, isIP } from 'node:net'
import { isLoopbackHost, readAddressRange } from './network.ts'
import { Secret } from './secret.ts'

export interface ProxyConfig {
  readonly http: Secret | undefined
  readonly https: Secret | undefined
  /** Hosts that are reached straight: `example.com` with all below it, `.example.com`, `host:port`, addresses, ranges, `*`. */
  readonly exceptions: readonly string[]
}

export const proxyWords = 'is no HTTP proxy; set http://host:port (SOCKS is not supported)'

/** `http://host:port`, maybe with user and password, maybe without `http://`; undefined for anything else. */
export function readProxy(text: string): URL | undefined {
  const written = text.includes('://') ? text : `http://${text}`
  if (!URL.canParse(written)) return undefined
  const url = new URL(written)
  const isProxy = url.protocol === 'http:' || url.protocol === 'https:'
  const isBare = (url.pathname === '/' || url.pathname === '') && url.search === '' && url.hash === ''
  return isProxy && isBare && url.hostname !== '' ? url : undefined
}

/** As Node wants it: with its scheme. */
export function proxySecret(text: string): Secret {
  return new Secret(text.includes('://') ? text : `http://${text}`)
}

/** A proxy as an operator may be shown it: without user and password. */
export function proxyText(proxy: string): string {
  return URL.canParse(proxy) ? new URL(proxy).origin : 'one whose URL cannot be read'
}

/** Undefined: straight. */
export function proxyFor(url: URL, { http, https, exceptions }: ProxyConfig): Secret | undefined {
  const proxy = url.protocol === 'https:' ? https : http
  if (proxy === undefined || isLoopbackHost(url.hostname)) return undefined
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  return exceptions.some((exception) => isException(exception, host, port)) ? undefined : proxy
}

function isException(exception: string, host: string, port: string): boolean {
  if (exception === '*') return true
  const [name, exceptPort] = splitPort(exception.toLowerCase())
  if (exceptPort !== undefined && exceptPort !== port) return false
  const range = readAddressRange(name)
  if (range !== undefined) return isInRange(range, host)
  const domain = name.replace(/^\*?\./, '').replace(/\.$/, '')
  const plain = host.replace(/\.$/, '')
  return domain !== '' && (plain === domain || plain.endsWith(`.${domain}`))
}

/** `host:port`, `[address]:port`, or without a port; an IPv6 address may stand without brackets. */
function splitPort(exception: string): readonly [string, string | undefined] {
  const [, bracketed, port] = /^\[([^\]]+)\](?::(\d+))?$/.exec(exception) ?? []
  if (bracketed !== undefined) return [bracketed, port]
  const [, name = exception, digits] = /^([^:]+):(\d+)$/.exec(exception) ?? []
  return [name, digits]
}

function isInRange({ address, prefixBits, family }: NonNullable<ReturnType<typeof readAddressRange>>, host: string) {
  const version = isIP(host)
  if (version === 0) return false
  const range = new BlockList()
  range.addSubnet(address, prefixBits, family)
  return range.check(host, version === 4 ? 'ipv4' : 'ipv6')
}
