import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { closeCodes } from '../../protocol/close-code.ts'
import { frameDownBytes } from '../../protocol/limits.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient } from '../support/wire.ts'
import { encodeFrame, OPCODE, openRaw } from './transport/clients.ts'

const owner = { tenant: 'default', subject: 'ada' }

/** What a client can make a node hold and compute, on each transport. */
describe.each(testedTransports)('a small client over %s', (transport) => {
  let gateway: TestGateway
  let log: SessionLog

  beforeAll(async () => {
    log = createMemoryLog()
    gateway = await startTestGateway({ transport, log })
  })

  afterAll(async () => {
    expect(gateway.telemetry.troubles).toEqual([])
    await gateway[Symbol.asyncDispose]()
  })

  const connect = async (subject = 'ada') => WireClient.connect(gateway.url, await gateway.token(subject))
  const stranger = async (url = gateway.url) => {
    const client = new WireClient(url)
    await client.opened()
    return client
  }

  test('[BAD-124] a first frame above 24 KiB is refused unread and closes the socket with 4400', async () => {
    const client = await stranger()
    client.socket.send(`{"type":"session.update","metadata":${'['.repeat(24 * 1024)}`)
    expect(await client.next('error')).toMatchObject({ kind: 'unauthenticated', retryable: false })
    expect((await client.closed).code).toBe(closeCodes.unauthenticated)
  })

  test('[BAD-124] a hello with a token of 16 KiB is read', async () => {
    const client = await stranger()
    client.send({ type: 'hello', token: 'x'.repeat(16 * 1024), client: 'c'.repeat(128) })
    expect(await client.next('error')).toMatchObject({ kind: 'unauthenticated' })
    expect((await client.closed).code).toBe(closeCodes.unauthenticated)
  })

  test.each([
    ['not JSON', '{"type":'],
    ['a request', '{"type":"session.update","id":"a","session":"s","metadata":{"a":[]}}'],
    ['a hello with a field that is none', '{"type":"hello","client":7}'],
  ])('[BAD-125] a first frame that is %s closes the socket with 4500 and says what it must be', async (_, text) => {
    const client = await stranger()
    client.socket.send(text)
    expect(await client.next('error')).toMatchObject({ kind: 'invalid', message: expect.stringContaining('hello') })
    expect((await client.closed).code).toBe(closeCodes.protocol)
  })

  test('[BAD-126] of 18 MB of hostile first frames of one socket next to nothing is worked through', async () => {
    const entries = Array.from({ length: 80_000 }, (_, n) => `"k${n}":[]`)
    const text = `{"type":"session.update","id":"1","session":"s","metadata":{${entries.join(',')}}}`
    const attacker = await stranger()
    const before = process.cpuUsage()
    for (let n = 0; n < 20; n++) attacker.socket.send(text)
    await attacker.closed
    const { user, system } = process.cpuUsage(before)
    // The client's own work included. Parsed and checked, each of the frames is 0.7 s.
    expect((user + system) / 1_000).toBeLessThan(2_000)
  })

  test('[CONN-127] pings of a client count as frames: a flood of them is closed with 4100', async () => {
    const client = await connect()
    // One after the other: `ws` ends a socket with 60 pongs that are not written yet.
    client.socket.on('pong', () => client.socket.ping())
    client.socket.ping()
    expect((await client.closed).code).toBe(closeCodes.tooFast)
  })

  test('[CONN-128] the sockets of a subject have a rate together, and others are not touched', async () => {
    await using slow = await startTestGateway({ transport, env: { SLUICE_FRAMES_PER_SECOND: '5' } })
    const token = await slow.token('ada')
    const clients = await Promise.all(Array.from({ length: 100 }, () => WireClient.connect(slow.url, token)))
    for (const client of clients) for (let n = 0; n < 4; n++) client.send({ type: 'ping', id: `p${n}` })
    const answers = await Promise.all(
      clients.flatMap((client) => Array.from({ length: 4 }, () => client.find(() => true, 'an answer'))),
    )
    const refused = answers.filter((answer) => answer.type === 'error')
    expect(refused.length).toBeGreaterThan(0)
    expect(refused[0]).toMatchObject({ kind: 'rate-limited', message: expect.stringContaining('subject') })
    const other = await WireClient.connect(slow.url, await slow.token('bob'))
    await other.ask({ type: 'ping' }, 'pong')
  })

  test('[CONN-130] a page of a list is never above the frame that was promised, and its pages are the whole list', async () => {
    const metadata = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`k${n}`, '\u0001'.repeat(160)]))
    for (let n = 0; n < 100; n++) {
      await log.create({ session: `listed-${n}`, owner, attributes: {}, metadata, timeMs: 1 })
    }
    const client = await connect()
    const seen: string[] = []
    for (let before: string | undefined; ; ) {
      const page = await client.ask({ type: 'session.list', limit: 100, ...(before && { before }) }, 'session.page')
      expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThanOrEqual(frameDownBytes)
      seen.push(...page.sessions.map(({ session }) => session).filter((name) => name.startsWith('listed-')))
      before = page.next
      if (before === undefined) break
    }
    expect(new Set(seen).size).toBe(100)
    const answer = await fetch(`${gateway.httpUrl}/v1/sessions?limit=100`, {
      headers: { authorization: `Bearer ${await gateway.token('ada')}` },
    })
    const body = await answer.text()
    expect(body.length).toBeLessThanOrEqual(frameDownBytes)
    expect(JSON.parse(body)).toMatchObject({ next: expect.any(String) })
    client.close()
  })

  test('[CONN-131] pages are not made for a client that does not read: half a mebibyte waits, and no more', async () => {
    const session = 'large'
    await makeLargeSession(log, session)
    const raw = await openRaw(gateway.gateway.port)
    const send = (frame: object) => raw.tcp.write(encodeFrame(OPCODE.text, Buffer.from(JSON.stringify(frame))))
    send({ type: 'hello', token: await gateway.token('ada') })
    await raw.seen('"welcome"')
    // It reads, but it answers no ping: the gateway cannot know that it does.
    for (let n = 0; n < 12; n++) send({ type: 'history.get', id: `h${n}`, session })
    await raw.seen('"history.page"')
    send({ type: 'ping', id: 'last' })
    await raw.seen('"ref":"last"')
    await raw.seen('"ref":"h1"')
    const pages = raw.received.split('"history.page"').length - 1
    expect(pages).toBeGreaterThan(0)
    expect(raw.received.length).toBeLessThan(600 * 1024)
    raw.tcp.destroy()
  })

  test('[CONN-132] requests that wait for their answers to be read hold a bounded text', async () => {
    await using own = await startTestGateway({ transport, log, env: { SLUICE_FRAMES_PER_SECOND: '10000' } })
    await makeLargeSession(log, 'waits')
    const raw = await openRaw(own.gateway.port)
    const send = (frame: object) => raw.tcp.write(encodeFrame(OPCODE.text, Buffer.from(JSON.stringify(frame))))
    send({ type: 'hello', token: await own.token('ada') })
    await raw.seen('"welcome"')
    for (let n = 0; n < 12; n++) send({ type: 'history.get', id: `h${n}`, session: 'waits' })
    const content = 'x'.repeat(60_000)
    for (let n = 0; n < 9; n++)
      send({ type: 'message.send', id: `w${n}`, session: 'waits', messageId: `w${n}`, content })
    await raw.seen('"ref":"w8"')
    expect(raw.received).toContain('too many requests are waiting')
    expect(raw.received).not.toContain('"ref":"w7"')
    raw.tcp.destroy()
  })
})

describe.each(testedTransports)('a client whose token is not verified yet, over %s', (transport) => {
  let keys: Server
  let gateway: TestGateway

  beforeAll(async () => {
    keys = createServer(() => undefined)
    await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve))
    const address = keys.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const env = {
      SLUICE_JWT_JWKS_URL: `http://127.0.0.1:${port}/keys`,
      SLUICE_JWT_ISSUER: '*',
      SLUICE_JWT_AUDIENCE: '*',
      SLUICE_HELLO_DEADLINE_MS: '1500',
    }
    gateway = await startTestGateway({ transport, env })
  })

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    keys.close()
  })

  const hello = { type: 'hello', token: unverifiable() }

  test('[CONN-120] it is closed with 4102 at the deadline of its hello, while the keys cannot be had', async () => {
    const client = new WireClient(gateway.url)
    await client.opened()
    client.send(hello)
    expect(await client.next('error')).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('1500 ms'),
    })
    expect((await client.closed).code).toBe(closeCodes.unavailable)
  })

  test('[BAD-124] what it sends meanwhile is bounded: a frame above 24 KiB, or 128 KiB in all, closes it', async () => {
    const large = new WireClient(gateway.url)
    await large.opened()
    large.send(hello)
    large.send({ type: 'ping', id: 'a', filler: 'x'.repeat(24 * 1024) })
    expect((await large.closed).code).toBe(closeCodes.protocol)
    const many = new WireClient(gateway.url)
    await many.opened()
    many.send(hello)
    for (let n = 0; n < 8; n++) many.send({ type: 'ping', id: `p${n}`, filler: 'x'.repeat(20 * 1024) })
    expect((await many.closed).code).toBe(closeCodes.protocol)
  })
})

/** Of a key that nobody knows. */
function unverifiable(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { sub: 'ada', exp: Math.floor(Date.now() / 1000) + 600 }
  return `${part({ alg: 'RS256', typ: 'JWT', kid: 'nobody' })}.${part(claims)}.${'A'.repeat(342)}`
}

/** A session whose pages are as large as they may be. */
async function makeLargeSession(log: SessionLog, session: string): Promise<void> {
  await log.create({ session, owner, attributes: {}, timeMs: 1 })
  for (let n = 0; n < 4; n++) {
    const turn = `turn-${n}`
    const message = { messageId: `m${n}`, content: 'x'.repeat(120_000) }
    const record = { type: 'message.added', timeMs: 1, turn, message } as const
    const claim = { session, messageId: `m${n}`, hash: 'h', turn, token: turn, leaseMs: 60_000, record }
    expect((await log.accept(claim)).kind).toBe('yours')
    const usage = { inputTokens: 0, outputTokens: 0, source: 'unknown' } as const
    const failed = { kind: 'internal', message: 'no', retryable: true } as const
    const ending = { type: 'turn.failed', timeMs: 1, turn, attempt: 0, finishReason: 'error', usage } as const
    const sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    const end = { ...ending, error: failed, bytes: 0, sha256 }
    expect((await log.end({ session, token: turn, turn, attempt: 0, record: end, parts: [] })).kind).toBe('ok')
  }
}
