import { expect, test } from 'vitest'
import { TrustedProxies } from '../../gateway/client-address.ts'
import { type AddressRange, readAddressRange } from '../../gateway/config/network.ts'

const proxies = new TrustedProxies(['10.0.0.0/8', '::1', '2001:db8::/32'].map(range))

test.each<[string, string | undefined, string, string]>([
  ['203.0.113.5', '198.51.100.1', '203.0.113.5', 'a peer that is no proxy is believed nothing'],
  ['10.0.0.1', undefined, '10.0.0.1', 'a proxy that says nothing'],
  ['10.0.0.1', '198.51.100.1', '198.51.100.1', 'one proxy'],
  ['10.0.0.1', '198.51.100.1, 10.0.0.2', '198.51.100.1', 'two proxies'],
  ['10.0.0.1', '192.0.2.66, 198.51.100.1, 10.0.0.2', '198.51.100.1', 'what the client itself wrote counts for nothing'],
  ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3', 'proxies all the way'],
  ['10.0.0.1', '198.51.100.1:4711', '198.51.100.1', 'a port'],
  ['::1', '[2001:db9::1]:443', '2001:db9::1', 'brackets and a port'],
  ['::1', '2001:db8::2', '2001:db8::2', 'IPv6'],
  ['10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1', 'IPv4 in IPv6'],
  ['10.0.0.1', 'unknown, 10.0.0.2', '10.0.0.2', 'what is no address ends the walk'],
  ['10.0.0.1', 'fe80::1%eth0', '10.0.0.1', 'an interface of another machine'],
  ['10.0.0.1', '', '10.0.0.1', 'an empty header'],
])('[HTTP-50] the client behind %s that sends %s is %s: %s', (peer, header, client) => {
  expect(proxies.clientAddress(peer, header)).toBe(client)
})

test('[HTTP-50] without trusted proxies the peer is the client', () => {
  expect(new TrustedProxies([]).clientAddress('10.0.0.1', '198.51.100.1')).toBe('10.0.0.1')
})

function range(text: string): AddressRange {
  const read = readAddressRange(text)
  if (read === undefined) throw new Error(text)
  return read
}
