import { SocketAddress } from 'node:net'

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** One spelling for one peer, on every socket library: 127.0.0.1, ::1. An IPv4 peer of a dual-stack listener is IPv4. */
export function normalizePeerAddress(address: string): string {
  if (!address.includes(':')) return address
  const [unzoned = ''] = address.split('%', 1) // link-local: fe80::1%eth0
  const short = new SocketAddress({ address: unzoned, family: 'ipv6' }).address
  return MAPPED_IPV4.exec(short)?.[1] ?? short
}
