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

/** Some proxies write a port, or brackets around IPv6. */
function addressIn(written: string): string | undefined {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(written)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(written)?.[1] ?? written
  return isIP(bare) === 0 || bare.includes('%') ? undefined : normalizePeerAddress(bare)
}
