import { describe, expect, test } from 'vitest'
import { requestBodyBytes } from '../../gateway/bounds.ts'
import { Buckets } from '../../gateway/buckets.ts'
import { networkOf } from '../../gateway/client-address.ts'
import { bodyBytesOf, SubjectRequests } from '../../gateway/http/subject-requests.ts'
import { type StrangerLimits, Strangers } from '../../gateway/strangers.ts'
import { SubjectRate } from '../../gateway/subject-rate.ts'
import { connectFrom, requestFrom } from '../support/from-address.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient } from '../support/wire.ts'

/** What clients without a good token get of a node, and what a subject gets over HTTP. */

describe('counting', () => {
  test.each([
    ['203.0.113.5', '203.0.113.5'],
    ['::ffff:203.0.113.5', '203.0.113.5'],
    ['64:ff9b::203.0.113.5', '203.0.113.5'],
    ['::1', '::1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2:ffff::1', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['not an address', 'not an address'],
  ])('[CONN-100] %s counts as %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })

  test('[HTTP-100] what an address may ask for comes back with time, and is never owed for long', () => {
    const { strangers, pass } = counted({ workPerSecond: 2 })
    for (let count = 0; count < 20; count += 1) {
      expect(strangers.waitMs('2001:db8::1')).toBe(0)
      strangers.worked(`2001:db8::${count}`)
    }
    expect(strangers.waitMs('2001:db8::ffff')).toBe(500)
    expect(strangers.waitMs('2001:db8:0:1::1')).toBe(0)
    strangers.worked('2001:db8::1', 1_000_000)
    pass(10_000)
    expect(strangers.waitMs('2001:db8::1')).toBe(500)
    pass(500)
    expect(strangers.waitMs('2001:db8::1')).toBe(0)
  })

  test('[HTTP-101] a place is given back once, however often it is said', () => {
    const { strangers } = counted({ placesPerAddress: 1 })
    const guest = strangers.take('203.0.113.5')
    expect(strangers.take('203.0.113.5')).toBeUndefined()
    for (const _ of [1, 2]) guest?.earned()
    const second = strangers.take('203.0.113.5')
    guest?.idle()
    guest?.idle()
    expect(strangers.count).toBe(2)
    for (const _ of [1, 2]) guest?.closed()
    guest?.idle()
    second?.closed()
    second?.earned()
    expect(strangers.count).toBe(0)
  })

  test('[HTTP-106] a refused address is reported, and that not more than once in ten seconds', () => {
    const { strangers, reports, pass } = counted({ placesPerAddress: 1 })
    strangers.take('203.0.113.5')
    for (let count = 0; count < 100; count += 1) strangers.take('203.0.113.5')
    expect(reports).toEqual([{ address: '203.0.113.5', what: 'connections', taken: 1 }])
    pass(10_000)
    strangers.take('203.0.113.5')
    expect(reports.length).toBe(2)
  })

  test('[HTTP-107] what is remembered is bounded, and nothing is of who has not asked for long', () => {
    const buckets = new Buckets({ capacity: 5, perSecond: 5, maxCount: 100 })
    for (let count = 0; count < 1_000; count += 1) buckets.take(`a${count}`, 1, 0)
    expect(buckets.size).toBe(100)
    expect(buckets.waitMs('a999', 10_000)).toBe(0)
    expect(buckets.size).toBe(99)
  })

  test('[HTTP-109] while the node is busy what clients ask for counts several times, and not what they asked for before', () => {
    let factor = 1
    const costFactor = () => factor
    const { strangers } = counted({ workPerSecond: 2, costFactor })
    const requests = new SubjectRequests(10, 10, costFactor)
    const rate = new SubjectRate(10, costFactor)
    const ada = { tenant: 't', subject: 'ada', scopes: new Set<never>(), expiresAtMs: 0 }
    strangers.worked('203.0.113.5', 15)
    factor = 4
    strangers.worked('203.0.113.5', 1)
    expect(strangers.waitMs('203.0.113.5')).toBe(0)
    strangers.worked('203.0.113.5', 1)
    expect(strangers.waitMs('203.0.113.5')).toBeGreaterThan(0)
    const begun = Array.from({ length: 4 }, () => typeof requests.begin(ada, 0, 0))
    expect(begun).toEqual(['function', 'function', 'function', 'object'])
    expect([1, 2, 3, 4].map(() => rate.take(ada, 1, 0) > 0)).toEqual([false, false, false, true])
  })

  test('[HTTP-110] a connection that ends without a good token counts against its address, and one with it does not', () => {
    const { strangers } = counted({ workPerSecond: 1 })
    const honest = strangers.take('203.0.113.5', 10)
    honest?.earned()
    honest?.idle()
    honest?.closed()
    expect(strangers.waitMs('203.0.113.5')).toBe(0)
    const wasted = strangers.take('203.0.113.5', 10)
    for (const _ of [1, 2]) wasted?.closed()
    expect(strangers.waitMs('203.0.113.5')).toBe(1_000)
  })

  test('[HTTP-102] requests of a subject at once are bounded beside its streams, and those of others are not', () => {
    const requests = new SubjectRequests(10_000, 10, () => 1)
    const ada = { tenant: 't', subject: 'ada', scopes: new Set<never>(), expiresAtMs: 0 }
    const begun = Array.from({ length: 74 }, () => requests.begin(ada, 0, 0))
    expect(begun.every((end) => typeof end === 'function')).toBe(true)
    expect(requests.begin(ada, 0, 0)).toMatchObject({ kind: 'rate-limited', retryAfterMs: 1_000 })
    expect(requests.begin({ ...ada, subject: 'bob' }, 0, 0)).toBeTypeOf('function')
    const [first] = begun
    if (typeof first === 'function') first()
    expect(requests.begin(ada, 0, 0)).toBeTypeOf('function')
  })

  test('[HTTP-108] bodies of a subject at once are bounded by their bytes, and those of others are not', () => {
    const requests = new SubjectRequests(10_000, 10, () => 1)
    const ada = { tenant: 't', subject: 'ada', scopes: new Set<never>(), expiresAtMs: 0 }
    const begun = Array.from({ length: 16 }, () => requests.begin(ada, requestBodyBytes, 0))
    expect(begun.every((end) => typeof end === 'function')).toBe(true)
    expect(requests.begin(ada, 1, 0)).toMatchObject({ kind: 'rate-limited', retryAfterMs: 1_000 })
    expect(requests.begin(ada, 0, 0)).toBeTypeOf('function')
    expect(requests.begin({ ...ada, subject: 'bob' }, 1, 0)).toBeTypeOf('function')
    const [first] = begun
    if (typeof first === 'function') first()
    expect(requests.begin(ada, requestBodyBytes, 0)).toBeTypeOf('function')
  })

  test('[HTTP-108] a body counts by its announced length, in chunks as the largest, and one that is too large is not read', () => {
    const counted = (headers: Record<string, string>) => bodyBytesOf(new Headers(headers))
    expect(counted({})).toBe(0)
    expect(counted({ 'content-length': '12' })).toBe(12)
    expect(counted({ 'transfer-encoding': 'chunked' })).toBe(requestBodyBytes)
    expect(counted({ 'content-length': '99999999' })).toBe(0)
  })
})

describe.each(testedTransports)('strangers on %s', (transport) => {
  const start = (env: Readonly<Record<string, string>>) => startTestGateway({ transport, env })

  test('[HTTP-100] an address asks for ten seconds of its rate at once, then gets 429; probes are answered', async () => {
    // Each request has a connection of its own, which counts too.
    await using gateway = await start({ SLUICE_STRANGER_REQUESTS_PER_ADDRESS: '2' })
    const { httpUrl, url } = gateway
    const paths = ['/v1/openapi.json', '/v1/web-config', '/v1/sessions', '/v1/nothing', '/nothing']
    let refused = await requestFrom('127.0.0.2', httpUrl)
    let answeredCount = 0
    for (; refused.status !== 429 && answeredCount < 40; answeredCount += 1)
      refused = await requestFrom('127.0.0.2', `${httpUrl}${paths[answeredCount % paths.length]}`)
    expect(answeredCount).toBeGreaterThanOrEqual(8)
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1'])
    expect(JSON.parse(refused.body)).toMatchObject({ error: { kind: 'rate-limited', retryable: true } })
    for (const path of ['/healthz', '/readyz'])
      expect((await requestFrom('127.0.0.2', httpUrl + path)).status).toBe(200)
    for (const from of ['127.0.0.3', '127.0.0.1']) {
      expect((await requestFrom(from, `${httpUrl}/v1/openapi.json`)).status).toBe(200)
    }
    // A socket that ends without welcome costs, too.
    let refusal = ''
    for (let count = 0; refusal === '' && count < 8; count += 1)
      refusal = await silentSocket(url, '127.0.0.4').then(() => '', String)
    expect(refusal).toContain('429')
  })

  test('[HTTP-101] an address has so many connections, and one more is closed', async () => {
    await using gateway = await start({ SLUICE_STRANGER_CONNECTIONS_PER_ADDRESS: '3' })
    const { port } = gateway.gateway
    const idle = [await connectFrom('127.0.0.2', port), await connectFrom('127.0.0.2', port)]
    const welcomed = await welcomeFrom(gateway, '127.0.0.2')
    const third = await connectFrom('127.0.0.2', port)
    const fourth = await connectFrom('127.0.0.2', port)
    await expect.poll(() => fourth.destroyed).toBe(true)
    expect([...idle, third].filter((socket) => socket.destroyed)).toEqual([])
    expect((await requestFrom('127.0.0.3', `${gateway.httpUrl}/healthz`)).status).toBe(200)
    // A request with a good token has no place while it is served, and its connection has one again afterwards.
    third.write(`GET /v1/sessions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${await gateway.token('ada')}\r\n\r\n`)
    await expect.poll(() => third.bytesRead).toBeGreaterThan(0)
    for (const socket of idle) socket.destroy()
    await expect.poll(async () => (await requestFrom('127.0.0.2', `${gateway.httpUrl}/healthz`)).status).toBe(200)
    welcomed.close()
  })

  test('[HTTP-101] a crowd at one address that dials at once gets in', async () => {
    await using gateway = await start({ SLUICE_STRANGER_CONNECTIONS_PER_ADDRESS: '20' })
    const crowd = await Promise.all(Array.from({ length: 150 }, () => welcomeFrom(gateway, '127.0.0.2')))
    expect(gateway.gateway.state().sockets).toBe(150)
    for (const client of crowd) client.close()
  })

  test('[CONN-100] behind a proxy the addresses of one /64 share their sockets', async () => {
    const env = { SLUICE_TRUSTED_PROXIES: '127.0.0.1', SLUICE_SOCKETS_PER_ADDRESS: '2' }
    await using gateway = await start(env)
    const from = async (address: string) => {
      const client = new WireClient(gateway.url, { headers: { 'X-Forwarded-For': address } })
      await client.opened()
      client.send({ type: 'hello', token: await gateway.token('ada') })
      return client
    }
    const open = [await from('2001:db8:1:2::1'), await from('2001:db8:1:2:ffff::2'), await from('2001:db8:1:3::1')]
    for (const client of open) await client.next('welcome')
    const other = new WireClient(gateway.url, { headers: { 'X-Forwarded-For': '2001:db8:1:2:1::9' } })
    expect((await other.closed).code).toBe(4101)
    for (const client of open) client.close()
  })

  test('[HTTP-101] connections of a trusted proxy are not counted, but the sockets of its clients are', async () => {
    const env = { SLUICE_TRUSTED_PROXIES: '127.0.0.2', SLUICE_STRANGER_CONNECTIONS_PER_ADDRESS: '2' }
    await using gateway = await start(env)
    const idle = await Promise.all([1, 2, 3, 4].map(() => connectFrom('127.0.0.2', gateway.gateway.port)))
    const through = (client: string) =>
      new WireClient(gateway.url, { headers: { 'X-Forwarded-For': client }, from: '127.0.0.2' })
    const open = [through('203.0.113.5'), through('203.0.113.5')]
    await Promise.all(open.map((client) => client.opened()))
    await expect(through('203.0.113.5').opened()).rejects.toThrow('429')
    await through('203.0.113.6').opened()
    expect(idle.filter((socket) => socket.destroyed)).toEqual([])
  })

  test('[HTTP-102] a subject asks so often a second over HTTP', async () => {
    await using gateway = await start({ SLUICE_FRAMES_PER_SECOND: '5' })
    const ask = async (subject: string) => {
      const headers = { authorization: `Bearer ${await gateway.token(subject)}` }
      return fetch(`${gateway.httpUrl}/v1/sessions`, { headers })
    }
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask('ada')))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(0)
    expect(refused[0]?.headers.get('retry-after')).toBe('1')
    expect((await ask('bob')).status).toBe(200)
  })
})

function counted(limits: Partial<StrangerLimits>) {
  let nowMs = 0
  const reports: object[] = []
  const strangers = new Strangers({
    placesPerAddress: 10,
    workPerSecond: 10,
    costFactor: () => 1,
    ...limits,
    nowMs: () => nowMs,
    report: (refused) => void reports.push(refused),
  })
  return {
    strangers,
    reports,
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

/** A socket that is closed before its hello; rejects when its upgrade is refused. */
async function silentSocket(url: string, from: string): Promise<void> {
  const client = new WireClient(url, { from })
  await client.opened()
  client.close()
  await client.closed
}

/** Dials again, as clients do, until it is welcome. */
async function welcomeFrom(gateway: TestGateway, from: string): Promise<WireClient> {
  for (let tries = 0; tries < 200; tries += 1) {
    const client = new WireClient(gateway.url, { from })
    const isOpen = await client.opened().then(
      () => true,
      () => false,
    )
    if (isOpen) {
      client.send({ type: 'hello', token: await gateway.token('ada') })
      await client.next('welcome')
      return client
    }
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 80))
  }
  throw new Error('never welcome')
}
