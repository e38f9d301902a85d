import { BlockList, isIP } from 'node:net'
import type { AddressRange } from './config/network.ts'
import type { IncomingTrace } from './telemetry/ports.ts'
import { normalizePeerAddress } from './transport/peer-address.ts'

/**
 * Who is at the other end, when proxies stand between. Anybody can write `X-Forwarded-For`, so it is believed from the
 * right only as far as trusted proxies wrote it: the client is the first address, from the right, that is none of them.
 */
export class TrustedProxies {
  readonly #ranges = new BlockList()
  readonly #isEmpty: boolean

  constructor(ranges: readonly AddressRange[]) {
    for (const { address, prefixBits, family } of ranges) this.#ranges.addSubnet(address, prefixBits, family)
    this.#isEmpty = ranges.length === 0
  }

  /** Whether what this peer says of others counts. */
  trusts(address: string): boolean {
    const version = isIP(address)
    if (this.#isEmpty || version === 0) return false
    return this.#ranges.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }

  /** The trace that a request of this peer names, and whether it may decide anything. */
  incomingTrace(peerAddress: string, traceparent: string | undefined): IncomingTrace | undefined {
    return traceparent === undefined ? undefined : { traceparent, isTrusted: this.trusts(peerAddress) }
  }

  /** `forwardedFor`: the header as it came. What is no address ends the walk, since nothing left of it can be judged. */
  clientAddress(peerAddress: string, forwardedFor: string | undefined): string {
    if (forwardedFor === undefined || !this.trusts(peerAddress)) return peerAddress
    let client = peerAddress
    for (const written of forwardedFor.split(',').reverse()) {
      const address = addressIn(written.trim())
      if (address === undefined) return client
      client = address
      if (!this.trusts(address)) return client
    }
    return client
  }
}

/**
 * The name under which an address is counted: of IPv6 the /64, since that is what one client is given; an IPv4 address also
 * where it is written as IPv6, mapped or translated (RFC 6052: all clients of such a translator share one /96).
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const groups = groupsOf(normalizePeerAddress(address))
  if (groups === undefined) return normalizePeerAddress(address)
  const prefix = groups.slice(0, 6).join(':')
  if (prefix === translatedPrefix || prefix === mappedPrefix) return dotted(groups[6] ?? 0, groups[7] ?? 0)
  if (prefix === '0:0:0:0:0:0') return normalizePeerAddress(address)
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

/** 64:ff9b::/96 and ::ffff:0:0/96, as numbers. */
const translatedPrefix = [0x64, 0xff9b, 0, 0, 0, 0].join(':')
const mappedPrefix = [0, 0, 0, 0, 0, 0xffff].join(':')

/** Whether an address has bounds of its own: behind a proxy on this machine every client has one of these two. */
export function isCountedAddress(address: string): boolean {
  return address !== '127.0.0.1' && address !== '::1'
}

function groupsOf(address: string): readonly number[] | undefined {
  if (isIP(address) !== 6) return undefined
  const [left = '', right] = address.split('::')
  const before = parseGroups(left)
  const after = parseGroups(right ?? '')
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function parseGroups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** Some proxies write a port, or brackets around IPv6. */
function addressIn(written: string): string | undefined {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(written)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(written)?.[1] ?? written
  return isIP(bare) === 0 || bare.includes('%') ? undefined : normalizePeerAddress(bare)
}
