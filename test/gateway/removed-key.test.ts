import { type JWTPayload, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { defaultJwksTimes } from '../../gateway/auth/jwks.ts'
import { closeCodes } from '../../protocol/close-code.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient } from '../support/wire.ts'
import { JwksServer, jwk } from './auth/jwks-server.ts'
import { ecPair, type KeyPair } from './auth/tokens.ts'
import { EventsClient } from './http/events-client.ts'
import { newSession as newSessionOf, startStation } from './http/station.ts'

const first = ecPair()
const second = ecPair()
const keyA = jwk(first, { kid: 'a', alg: 'ES256' })
const keyB = jwk(second, { kid: 'b', alg: 'ES256' })

const tokenOf = (pair: KeyPair, kid: string, claims: JWTPayload = {}) =>
  new SignJWT({ sub: 'ada', ...claims })
    .setProtectedHeader({ alg: 'ES256', kid })
    .setIssuedAt()
    .setExpirationTime(claims.exp ?? '1h')
    .sign(pair.privateKey)

/** A gateway with a real key set, whose keys age only when a test says so. */
async function startWithKeys(transport: 'ws' | 'uws', server: JwksServer, env: Readonly<Record<string, string>> = {}) {
  let sinceStartMs = 0
  const test = await startTestGateway({
    transport,
    env: {
      SLUICE_JWT_JWKS_URL: server.url,
      SLUICE_JWT_ISSUER: '*',
      SLUICE_JWT_AUDIENCE: '*',
      SLUICE_TRANSPORT: transport,
      ...env,
    },
    model: { tokensPerSecond: 20 },
    monotonicMs: () => sinceStartMs,
  })
  return {
    test,
    pass: (ms: number) => {
      sinceStartMs += ms
    },
    [Symbol.asyncDispose]: () => test[Symbol.asyncDispose](),
  }
}

describe.each(testedTransports)('a removed key on %s', (transport) => {
  test('[CONN-180] closes the open sockets whose token it signed, on a gateway where nobody sends anything', async () => {
    await using server = await JwksServer.start(keyA, keyB)
    await using gateway = await startWithKeys(transport, server)
    const { url } = gateway.test
    const ended = await WireClient.connect(url, await tokenOf(first, 'a'))
    const stays = await WireClient.connect(url, await tokenOf(second, 'b'))
    const refreshed = await WireClient.connect(url, await tokenOf(first, 'a'))
    await refreshed.ask({ type: 'token.refresh', token: await tokenOf(second, 'b') }, 'token.refreshed')
    server.answer = { kind: 'keys', keys: [keyB] }
    const before = server.requestCount
    gateway.pass(defaultJwksTimes.refreshAfterMs)
    const message = 'the key that signed this token was removed: connect with a new token'
    expect(await ended.next('error')).toMatchObject({ kind: 'unauthenticated', message })
    expect(await ended.closed).toEqual({ code: closeCodes.tokenExpired, reason: message })
    await stays.ask({ type: 'ping' }, 'pong')
    await refreshed.ask({ type: 'ping' }, 'pong')
    expect(server.requestCount).toBe(before + 1)
    stays.close()
    refreshed.close()
  })

  test('[CONN-181] an endpoint that is away closes no socket', async () => {
    const server = await JwksServer.start(keyA)
    await using gateway = await startWithKeys(transport, server)
    const client = await WireClient.connect(gateway.test.url, await tokenOf(first, 'a'))
    await server.stop()
    for (let round = 1; round <= 3; round += 1) {
      gateway.pass(defaultJwksTimes.refreshAfterMs)
      const late = await WireClient.connect(gateway.test.url, await tokenOf(first, 'a'))
      late.close()
    }
    await client.ask({ type: 'ping' }, 'pong')
    client.close()
  })

  test('[CONN-182] a socket is told the end that SLUICE_JWT_MAX_AGE allows, whatever exp says', async () => {
    await using server = await JwksServer.start(keyA)
    await using gateway = await startWithKeys(transport, server, { SLUICE_JWT_MAX_AGE: '600' })
    const client = new WireClient(gateway.test.url)
    await client.opened()
    const beforeMs = Date.now()
    client.send({ type: 'hello', token: await tokenOf(first, 'a', { exp: 4_102_444_800 }) })
    const { tokenExpiresAt } = await client.next('welcome')
    expect(tokenExpiresAt).toBeGreaterThanOrEqual(beforeMs + 600_000)
    expect(tokenExpiresAt).toBeLessThanOrEqual(Date.now() + 600_000)
    client.close()
  })

  test('[HTTP-180] ends the streams and waiting answers of its tokens; the turn goes on', async () => {
    await using server = await JwksServer.start(keyA, keyB)
    await using gateway = await startWithKeys(transport, server)
    const { test } = gateway
    const old = await tokenOf(first, 'a')
    const [streamed, waited] = [await newSession(test, old), await newSession(test, old)]
    const events = new EventsClient()
    const stream = await post(test, old, `/v1/sessions/${streamed}/messages`, slow, { accept: 'text/event-stream' })
    const reading = events.read(stream)
    const waiting = post(test, old, `/v1/sessions/${waited}/messages`, slow)
    await until(() => test.gateway.state().runningTurns === 2)
    server.answer = { kind: 'keys', keys: [keyB] }
    gateway.pass(defaultJwksTimes.refreshAfterMs)
    await reading
    expect(events.last).toMatchObject({ type: 'error', session: streamed, kind: 'unauthenticated' })
    expect(String(events.last?.message)).toContain('was removed')
    const refused = await waiting
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="sluice"'])
    expect(test.gateway.state().runningTurns).toBe(2)
    const goOn = await fetch(`${test.httpUrl}${turnPath(events)}`, {
      headers: { authorization: `Bearer ${await tokenOf(second, 'b')}`, 'last-event-id': events.lastEventId ?? '' },
    })
    await events.read(goOn, ({ types }) => types.at(-1) === 'turn.delta')
  })
})

describe.each(testedTransports)('a token that ends on %s', (transport) => {
  test('[HTTP-181] ends its stream and its waiting answer, which go on with another token', async () => {
    let nowMs = Date.now()
    await using station = await startStation({ transport, auth: { nowMs: () => nowMs } })
    const [streamed, waited] = [await newSessionOf(station), await newSessionOf(station)]
    const events = new EventsClient()
    const content = '[[tokens=100000 tps=20]]'
    const headers = { accept: 'text/event-stream' }
    const stream = await station.call(`/v1/sessions/${streamed}/messages`, { body: { content }, headers })
    const reading = events.read(stream)
    const waiting = station.call(`/v1/sessions/${waited}/messages`, { body: { content } })
    await until(() => station.answered.length >= 3 && events.types.includes('turn.delta'))
    nowMs += 3_600_000 + 5_000
    await reading
    expect(events.last).toMatchObject({ type: 'error', session: streamed, kind: 'unauthenticated', retryable: false })
    expect((await waiting).status).toBe(401)
    const turn = /turns\/([^/]+)\//.exec(turnPath(events))?.[1]
    const goOn = await station.call(`/v1/sessions/${streamed}/turns/${turn}/events`, {
      headers: { 'last-event-id': events.lastEventId ?? '' },
    })
    await events.read(goOn, ({ types }) => types.at(-1) === 'turn.delta')
    for (const session of [streamed, waited]) await station.call(`/v1/sessions/${session}`, { method: 'DELETE' })
  })
})

const slow = { content: '[[tokens=100000 tps=20]]' }

function post(test: TestGateway, token: string, path: string, body: object, headers: Record<string, string> = {}) {
  return fetch(test.httpUrl + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

async function newSession(test: TestGateway, token: string): Promise<string> {
  const made: unknown = await (await post(test, token, '/v1/sessions', {})).json()
  if (typeof made !== 'object' || made === null || !('session' in made)) throw new Error(JSON.stringify(made))
  return String(made.session)
}

function turnPath({ events }: EventsClient): string {
  const accepted = events[0]?.frame
  return `/v1/sessions/${accepted?.session}/turns/${accepted?.turn}/events`
}

/** Asks each turn of the event loop; the deadline is the test's own. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}
