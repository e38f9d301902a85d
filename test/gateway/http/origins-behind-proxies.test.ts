/** Origins and hosts as browsers, native clients and proxies really write them. */
import { request as rawRequest } from 'node:http'
import { describe, expect, test } from 'vitest'
import { startTestGateway } from '../../support/gateway.ts'
import { testedTransports } from '../../support/transports.ts'
import { WireClient } from '../../support/wire.ts'
import { startStation } from './station.ts'

type Headers = Readonly<Record<string, string>>

/** 401 is the answer to a page that may ask, but has no token; 403 to one of another origin. */
const passed = 401
const refused = 403

describe.each(testedTransports)('origins behind proxies, on %s', (transport) => {
  test('[HTTP-320] a page is of the own origin however its host and default port are written', async () => {
    await using station = await startStation({ transport })
    const own = [
      ['chat.example', 'https://chat.example:443'],
      ['chat.example:443', 'https://chat.example'],
      ['chat.example:80', 'http://chat.example'],
      ['chat.example', 'http://chat.example:80'],
      // Proxies write the port that they listen on themselves, where another one in front of them ends TLS.
      ['chat.example:80', 'https://chat.example'],
      ['CHAT.example', 'https://chat.EXAMPLE'],
      ['chat.example.', 'https://chat.example'],
      ['chat.example', 'https://chat.example.'],
      ['chat.example:', 'https://chat.example'],
      ['[::1]:443', 'https://[0:0:0:0:0:0:0:1]'],
      ['[2001:DB8::7]:8443', 'https://[2001:db8::7]:8443'],
      ['chat.example:8443', 'https://chat.example:8443'],
    ]
    for (const [host = '', origin = ''] of own) {
      expect([host, origin, await statusOf(station.port, { host, origin })]).toEqual([host, origin, passed])
    }
  })

  test('[HTTP-320] another name or another port is another origin', async () => {
    await using station = await startStation({ transport })
    const foreign = [
      ['chat.example', 'https://chat.example:8443'],
      ['chat.example:8443', 'https://chat.example'],
      ['chat.example:8080', 'https://chat.example:8443'],
      ['chat.example', 'https://chat.example:80'],
      ['chat.example', 'https://evil.example'],
      ['chat.example', 'https://chat.example.evil.test'],
      ['chat.example', 'https://chat.example..'],
      ['chat.example', 'https://chat.example@evil.test'],
      ['chat.example', 'https://evil.test/chat.example'],
      ['chat.example', 'null'],
      ['chat.example', 'chat.example'],
    ]
    for (const [host = '', origin = ''] of foreign) {
      expect([host, origin, await statusOf(station.port, { host, origin })]).toEqual([host, origin, refused])
    }
  })

  test('[HTTP-321] behind a trusted proxy that rewrites Host, the host that it was asked for counts', async () => {
    await using station = await startStation({ transport, env: { SLUICE_TRUSTED_PROXIES: '127.0.0.1' } })
    const origin = 'https://chat.example'
    const host = 'sluice.internal:8080'
    const forwarded: readonly Headers[] = [
      { 'x-forwarded-host': 'chat.example' },
      { 'x-forwarded-host': 'Chat.example:443' },
      { 'x-forwarded-host': 'chat.example, edge.internal' },
      { forwarded: 'for=203.0.113.7;host=chat.example;proto=https' },
      { forwarded: 'for="[2001:db8::7]:47"; Host="chat.example:443", for=10.0.0.1;host=edge.internal' },
    ]
    for (const headers of forwarded) {
      expect([headers, await statusOf(station.port, { host, origin, ...headers })]).toEqual([headers, passed])
    }
    const others: readonly Headers[] = [
      {},
      { 'x-forwarded-host': 'other.example' },
      { 'x-forwarded-host': 'edge.internal, chat.example' },
      { forwarded: 'for="a;host=chat.example"' },
      { forwarded: 'by=x;hostname=chat.example' },
    ]
    for (const headers of others) {
      expect([headers, await statusOf(station.port, { host, origin, ...headers })]).toEqual([headers, refused])
    }
  })

  test('[HTTP-321] of anybody else such a header says nothing', async () => {
    await using station = await startStation({ transport, env: { SLUICE_TRUSTED_PROXIES: '10.0.0.0/8' } })
    const headers = { host: 'sluice.internal', origin: 'https://chat.example' }
    expect(await statusOf(station.port, { ...headers, 'x-forwarded-host': 'chat.example' })).toBe(refused)
    expect(await statusOf(station.port, { ...headers, forwarded: 'host=chat.example' })).toBe(refused)
  })

  test('[HTTP-322] SLUICE_ALLOWED_ORIGINS takes `*.` for every name below a domain, and nothing else', async () => {
    const SLUICE_ALLOWED_ORIGINS = 'https://*.example.com,http://*.dev.test:5173,https://App.example:443'
    await using station = await startStation({ transport, env: { SLUICE_ALLOWED_ORIGINS } })
    const allowed = [
      'https://a.example.com',
      'https://a.b.example.com',
      'https://A.Example.COM:443',
      'https://xn--bcher-kva.example.com',
      'http://x.dev.test:5173',
      'https://app.example',
      'https://app.example:443',
    ]
    for (const origin of allowed) {
      expect([origin, await statusOf(station.port, { origin })]).toEqual([origin, passed])
    }
    const others = [
      'https://example.com',
      'https://evilexample.com',
      'https://.example.com',
      'https://a..example.com',
      'https://a.example.com.',
      'https://a.example.com:8443',
      'http://a.example.com',
      'http://a.example.com:443',
      'https://a.example.com.evil.test',
      'https://evil.test/.example.com',
      'https://evil.test?.example.com',
      'https://evil.test#.example.com',
      'https://evil.test\\.example.com',
      'https://evil.test:80.example.com',
      'https://a.example.com@evil.test',
      'https://evil.test@a.example.com',
      'https://*.example.com',
      'http://dev.test:5173',
      'http://x.dev.test',
      'null',
    ]
    for (const origin of others) {
      expect([origin, await statusOf(station.port, { origin })]).toEqual([origin, refused])
    }
  })

  test('[HTTP-323] sockets are judged as requests are', async () => {
    const env = { SLUICE_TRUSTED_PROXIES: '127.0.0.1', SLUICE_ALLOWED_ORIGINS: 'https://*.example.com' }
    await using listed = await startTestGateway({ transport, env })
    expect(await endOf(listed.url, { origin: 'https://a.example.com:443' })).toBe('open')
    expect(await endOf(listed.url, { origin: 'https://example.com' })).toBe(4502)
    await using own = await startTestGateway({ transport, env: { SLUICE_TRUSTED_PROXIES: '127.0.0.1' } })
    const origin = 'https://chat.example'
    expect(await endOf(own.url, { origin, host: 'chat.example:443' })).toBe('open')
    expect(await endOf(own.url, { origin, 'x-forwarded-host': 'chat.example' })).toBe('open')
    expect(await endOf(own.url, { origin, forwarded: 'host=chat.example' })).toBe('open')
    expect(await endOf(own.url, { origin })).toBe(4502)
  })
})

/** With headers that `fetch` does not let a script set. */
function statusOf(port: number, headers: Headers): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = rawRequest({ host: '127.0.0.1', port, path: '/v1/sessions', headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.on('error', reject).end()
  })
}

/** The code that a socket of this origin is closed with; `open`: it answers a ping. */
async function endOf(url: string, headers: Headers): Promise<number | 'open'> {
  const client = new WireClient(url, { headers })
  const answered = new Promise<'open'>((resolve) => client.socket.once('pong', () => resolve('open')))
  await client.opened()
  client.socket.ping()
  const end = await Promise.race([answered, client.closed.then(({ code }) => code)])
  client.socket.terminate()
  return end
}
