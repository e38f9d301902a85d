/** Reading of host names, addresses, address ranges, origins and URLs as an operator writes them. */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'

/** Addresses of proxies whose forwarding headers are believed; fits `BlockList.addSubnet(address, prefixBits, family)`. */
export type AddressRange = {
  readonly address: string
  readonly prefixBits: number
  readonly family: 'ipv4' | 'ipv6'
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Whether only this machine can reach a listener on `host`. A name other than `localhost` does not count, wherever it
 * points today: `127.0.0.1.example.com` is somebody else's.
 */
export const isLoopbackHost = (host: string): boolean => {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (isIPv4(bare)) return loopback.check(bare, 'ipv4')
  if (isIPv6(bare)) return loopback.check(bare, 'ipv6')
  return bare.toLowerCase() === 'localhost'
}

const hostName = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i

/** An address or a DNS name that a server can listen on; neither a URL nor `host:port`. */
export const isHost = (text: string): boolean => isIP(text) !== 0 || hostName.test(text)

/** `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`; undefined for anything else. */
export const readAddressRange = (text: string): AddressRange | undefined => {
  const [address = '', prefix, ...rest] = text.split('/')
  const version = isIP(address)
  // A zone (`fe80::1%eth0`) names an interface of this machine, not an address a header could carry.
  if (version === 0 || rest.length > 0 || address.includes('%')) return undefined
  const maximumBits = version === 4 ? 32 : 128
  const family = version === 4 ? 'ipv4' : 'ipv6'
  if (prefix === undefined) return { address, prefixBits: maximumBits, family }
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > maximumBits) return undefined
  return { address, prefixBits: Number(prefix), family }
}

const httpOrigin = /^https?:\/\/[^/?#@\\\s]+$/i
const otherOrigin = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+$/

/**
 * An origin in the form that browsers send: host in lower case, no default port. Schemes of apps (`capacitor://localhost`)
 * are taken as written. Undefined for anything else, also with a path or a slash at the end.
 */
export const normalizeOrigin = (text: string): string | undefined => {
  if (!URL.canParse(text)) return undefined
  if (httpOrigin.test(text)) return new URL(text).origin
  return otherOrigin.test(text) && !/^https?:/.test(text) ? text : undefined
}

const wildcardOrigin = /^(https?:\/\/)\*\.([^*]+)$/i

/**
 * An entry of SLUICE_ALLOWED_ORIGINS, normalized: an origin, or `https://*.example.com` for every name below example.com.
 * Below a single label everything would be allowed (`*.com`), so the domain has two or is `localhost`.
 */
export const readAllowedOrigin = (text: string): string | undefined => {
  const [, scheme, domain] = wildcardOrigin.exec(text) ?? []
  if (scheme === undefined) return text.includes('*') ? undefined : normalizeOrigin(text)
  const below = normalizeOrigin(`${scheme}${domain}`)
  // With a name in place of the star: below an address there are no names.
  if (below === undefined || normalizeOrigin(`${scheme}x.${domain}`) === undefined) return undefined
  const { protocol, hostname, host } = new URL(below)
  if (isIP(hostname) !== 0 || !hostName.test(hostname)) return undefined
  return hostname.includes('.') || hostname === 'localhost' ? `${protocol}//*.${host}` : undefined
}

/** An absolute `http:` or `https:` URL without user name or password (which `fetch` refuses, and logs would show). */
export const readHttpUrl = (text: string): URL | undefined => {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  const isHttp = url.protocol === 'http:' || url.protocol === 'https:'
  return isHttp && url.username === '' && url.password === '' ? url : undefined
}
