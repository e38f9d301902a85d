/** How a `hello` that is refused ends, over real sockets: at once, with a code that says what can help. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { closeCodes, closeReasonBytes } from '../../protocol/close-code.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient, type WireOptions } from '../support/wire.ts'
import { JwksServer, jwk } from './auth/jwks-server.ts'
import { ecPair, goodClaims, signed } from './auth/tokens.ts'

const large = 'x'.repeat(17_000)
const hello = (token: unknown) => JSON.stringify({ type: 'hello', token })

describe.each(testedTransports)('a refused hello over %s', (transport) => {
  let gateway: TestGateway

  beforeAll(async () => {
    gateway = await startTestGateway({ transport, env: { SLUICE_HELLO_DEADLINE_MS: '600000' } })
  })

  afterAll(async () => {
    expect(gateway.telemetry.troubles).toEqual([])
    await gateway[Symbol.asyncDispose]()
  })

  const dialed = async (options: WireOptions = {}, url = gateway.url) => {
    const client = new WireClient(url, options)
    await client.opened()
    return client
  }

  test.each<[string, string | Buffer, number, string, RegExp]>([
    ['a token of 17,000 characters', hello(large), 4400, 'unauthenticated', /16384 bytes: get one with fewer claims/],
    ['a token of 30,000 characters', hello('x'.repeat(30_000)), 4400, 'unauthenticated', /fewer claims/],
    ['a token of 100,000 characters', hello('x'.repeat(100_000)), 4400, 'unauthenticated', /fewer claims/],
    ['an empty token', hello(''), 4400, 'unauthenticated', /token must be a text/],
    ['a token that is null', hello(null), 4400, 'unauthenticated', /token must be a text/],
    ['a token that is an object', hello({ token: 'a.b.c' }), 4400, 'unauthenticated', /token must be a text/],
    ['a token that is a number', hello(7), 4400, 'unauthenticated', /token must be a text/],
    ['no token', hello(undefined), 4400, 'unauthenticated', /no token/],
    ['text that is not JSON', '{"type":"hello"', 4500, 'invalid', /first frame must be hello/],
    ['an array', '[]', 4500, 'invalid', /first frame must be hello/],
    ['another type', '{"type":"Hello","token":""}', 4500, 'invalid', /first frame must be hello: type/],
    ['a client that is null', '{"type":"hello","token":"t","client":null}', 4500, 'invalid', /hello: client/],
    ['a wrong token and a wrong client', '{"type":"hello","token":7,"client":7}', 4500, 'invalid', /first frame must/],
    ['a binary frame', Buffer.from(hello('t')), 4500, 'invalid', /text frame/],
  ])('[SOCKET-300] %s ends the socket at once', async (_what, frame, code, kind, message) => {
    const client = await dialed()
    client.socket.send(frame)
    expect(await client.next('error')).toMatchObject({ kind, message: expect.stringMatching(message) })
    const closed = await client.closed
    expect(closed.code).toBe(code)
    expect(closed.reason).toMatch(message)
    expect(Buffer.byteLength(closed.reason)).toBeLessThan(closeReasonBytes)
  })

  test('[SOCKET-300] a hello behind too many pings ends the socket with 4100, and does not wait for its deadline', async () => {
    await using slow = await startTestGateway({
      transport,
      env: { SLUICE_HELLO_DEADLINE_MS: '600000', SLUICE_FRAMES_PER_SECOND: '1' },
    })
    const client = await dialed({}, slow.url)
    client.socket.ping()
    client.socket.ping()
    client.socket.send(hello(await slow.token('ada')))
    expect(await client.next('error')).toMatchObject({ kind: 'rate-limited', retryable: true })
    expect((await client.closed).code).toBe(closeCodes.tooFast)
  })

  test('[SOCKET-304] a first frame that is not read counts against its address like misbehavior, a token that is read does not', async () => {
    await using few = await startTestGateway({ transport, env: { SLUICE_STRANGER_REQUESTS_PER_ADDRESS: '10' } })
    const ended = async (from: string, length: number) => {
      const client = await dialed({ from }, few.url)
      client.socket.send(hello('x'.repeat(length)))
      await client.closed
    }
    const opens = (from: string) => dialed({ from }, few.url).then(() => 'open', String)
    const fourFrom = (from: string, length: number) => Array.from({ length: 4 }, () => ended(from, length))
    await Promise.all([...fourFrom('127.0.0.2', 17_000), ...fourFrom('127.0.0.3', 30_000)])
    expect(await opens('127.0.0.3')).toContain('429')
    expect(await opens('127.0.0.2')).toBe('open')
  })

  test.each([
    ['of 17,000 characters', `Bearer ${large}`, /fewer claims/],
    ['that is two', 'Bearer a b', /one token/],
    ['that is empty', 'Bearer', /one token/],
  ])(
    '[SOCKET-301] a token in the Authorization header %s ends the socket with 4400',
    async (_what, authorization, reason) => {
      const client = await dialed({ headers: { authorization } })
      const closed = await client.closed
      expect(closed.code).toBe(closeCodes.unauthenticated)
      expect(closed.reason).toMatch(reason)
    },
  )

  test('[SOCKET-302] over HTTP a token of 16 KiB is read, a larger one is 401 with a body, and a head above 20 KiB is 431', async () => {
    const url = `http://127.0.0.1:${new URL(gateway.url).port}/v1/usage`
    const answer = async (length: number) => {
      const response = await fetch(url, { headers: { authorization: `Bearer ${'x'.repeat(length)}` } })
      return { status: response.status, text: await response.text() }
    }
    const read = await answer(16 * 1024)
    expect(read.status).toBe(401)
    expect(JSON.parse(read.text)).toMatchObject({ error: { message: expect.stringContaining('not a signed JWT') } })
    const over = await answer(17_000)
    expect(over.status).toBe(401)
    expect(JSON.parse(over.text)).toMatchObject({
      error: { kind: 'unauthenticated', message: expect.stringContaining('fewer claims'), retryable: false },
    })
    expect((await answer(21 * 1024)).status).toBe(431)
  })

  test('[SOCKET-303] a token.refresh whose token is none is unauthenticated, and the socket goes on', async () => {
    const client = await WireClient.connect(gateway.url, await gateway.token('ada'))
    for (const token of [large, '', null, 7]) {
      const error = await client.ask({ type: 'token.refresh', token }, 'error')
      expect(error).toMatchObject({ kind: 'unauthenticated', message: expect.stringContaining('still stands') })
    }
    await client.ask({ type: 'ping' }, 'pong')
    client.close()
  })

  test('[AUTH-307] a token of a key that the set has not yet is unavailable with a delay, over the socket and over HTTP', async () => {
    const [first, second] = [ecPair(), ecPair()]
    await using server = await JwksServer.start(jwk(first, { kid: 'a' }))
    const env = { SLUICE_JWT_JWKS_URL: server.url, SLUICE_JWT_ISSUER: '*', SLUICE_JWT_AUDIENCE: '*' }
    await using keyed = await startTestGateway({ transport, env })
    const claims = { ...goodClaims, exp: Math.floor(Date.now() / 1000) + 600 }
    const tokenOf = (pair: typeof first, kid: string) => signed(claims, pair.privateKey, { alg: 'ES256', kid })
    const known = await WireClient.connect(keyed.url, await tokenOf(first, 'a'))
    const token = await tokenOf(second, 'b')
    const client = await dialed({}, keyed.url)
    client.send({ type: 'hello', token })
    const error = await client.next('error')
    expect(error).toMatchObject({ kind: 'unavailable', retryable: true })
    expect(error.retryAfterMs).toBeGreaterThan(1_000)
    expect((await client.closed).code).toBe(closeCodes.unavailable)
    expect(await known.ask({ type: 'token.refresh', token }, 'error')).toMatchObject({
      kind: 'unavailable',
      retryAfterMs: expect.any(Number),
    })
    known.close()
    const url = `http://127.0.0.1:${new URL(keyed.url).port}/v1/usage`
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    expect(response.status).toBe(503)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(1)
  })
})
