/** Key sets as they are found: behind a redirect, with nulls, and behind the tokens that name their newest key. */
import { describe, expect, it } from 'vitest'
import { createAuthenticator, type Verification } from '../../../gateway/auth/authenticator.ts'
import { UNKNOWN_KIDS_MAX_COUNT } from '../../../gateway/auth/limits.ts'
import { JwksServer, jwk } from './jwks-server.ts'
import { ecPair, goodClaims, jwtConfig, type KeyPair, NOW, rsaPair, signed } from './tokens.ts'

const first = ecPair()
const second = ecPair()
const esKey = (pair: KeyPair, kid: string) => jwk(pair, { kid, alg: 'ES256', use: 'sig' })
const tokenOf = (pair: KeyPair, kid: string) => signed(goodClaims, pair.privateKey, { alg: 'ES256', kid })

class Bench {
  nowMs = 1_000_000
  readonly troubles: string[] = []
  readonly #authenticator

  constructor(url: string) {
    this.#authenticator = createAuthenticator(jwtConfig({ jwksUrl: url }), {
      nowMs: () => NOW * 1000,
      monotonicMs: () => this.nowMs,
      reportKeyTrouble: (problem) => void this.troubles.push(problem),
      jwksTimes: { failureCooldownMs: 0 },
    })
  }

  verify(token: string): Promise<Verification> {
    return this.#authenticator.verify(token)
  }

  async outcome(token: string): Promise<string> {
    const verification = await this.verify(token)
    return verification.kind === 'ok' ? 'ok' : verification.reason
  }
}

const redirect = (location: string, status = 302) => ({ kind: 'raw', status, body: '', location }) as const

describe('a redirect', () => {
  it('[AUTH-305] of the key set to the same origin is followed', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    server.answers.set('/jwks.json', redirect('/v2/keys', 308)).set('/v2/keys', redirect('keys.json', 307))
    const by = new Bench(server.url)
    expect(await by.outcome(await tokenOf(first, 'a'))).toBe('ok')
    expect(server.requestCount).toBe(3)
    expect(by.troubles).toEqual([])
  })

  it('[AUTH-305] to another origin over http, to no URL, or with a password, is not followed', async () => {
    await using other = await JwksServer.start(esKey(first, 'a'))
    await using server = await JwksServer.start()
    const by = new Bench(server.url)
    const places = [other.url, 'http://[', 'ftp://127.0.0.1/keys', `http://a:b@${new URL(server.url).host}/keys`, '']
    for (const place of places) {
      server.answer = redirect(place)
      expect(await by.outcome(await tokenOf(first, 'a'))).toBe('unavailable')
      expect(by.troubles.pop()).toMatch(/redirects to a place that is not followed/)
    }
    expect(other.requestCount).toBe(0)
    expect(server.requestCount).toBe(places.length)
  })

  it('[AUTH-305] without end is given up after three', async () => {
    await using server = await JwksServer.start()
    server.answer = redirect('/again')
    const by = new Bench(server.url)
    expect(await by.outcome(await tokenOf(first, 'a'))).toBe('unavailable')
    expect(server.requestCount).toBe(4)
    expect(by.troubles[0]).toContain('more than 3 redirects')
  })
})

describe('nulls in a key set', () => {
  it('[AUTH-306] a member that is null is absent, in every member and also for the private ones', async () => {
    const rsa = rsaPair()
    const nulls = {
      alg: null,
      use: null,
      key_ops: null,
      ext: null,
      x5c: null,
      x5t: null,
      'x5t#S256': null,
      d: null,
      p: null,
      q: null,
      dp: null,
      dq: null,
      qi: null,
      oth: null,
    }
    const withNulls = { ...(jwk(rsa, { kid: 'r' }) as object), ...nulls }
    const ecWithNulls = { ...(jwk(first, { kid: 'e' }) as object), ...nulls, k: null }
    await using server = await JwksServer.start(null, withNulls, ecWithNulls, null)
    const by = new Bench(server.url)
    expect(await by.outcome(await signed(goodClaims, rsa.privateKey, { alg: 'RS256', kid: 'r' }))).toBe('ok')
    expect(await by.outcome(await tokenOf(first, 'e'))).toBe('ok')
    expect(by.troubles).toEqual(['SLUICE_JWT_JWKS_URL: the key set has 2 entries that are no keys, which are left out'])
  })
})

describe('a kid that the set does not name', () => {
  it('[AUTH-307] is unavailable within the pause, with the time until the next fetch, which brings its key', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = new Bench(server.url)
    expect(await by.outcome(await tokenOf(first, 'a'))).toBe('ok')
    server.answer = { kind: 'keys', keys: [esKey(first, 'a'), esKey(second, 'b')] }
    by.nowMs += 10_000
    const refused = { kind: 'refused', reason: 'unavailable', retryAfterMs: 20_000 }
    expect(await by.verify(await tokenOf(second, 'b'))).toMatchObject(refused)
    expect(server.requestCount).toBe(1)
    by.nowMs += 20_000
    expect(await by.outcome(await tokenOf(second, 'b'))).toBe('ok')
    expect(server.requestCount).toBe(2)
  })

  it('[AUTH-307] and that a fetch looked for in vain is refused, and looked for again after the pause', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = new Bench(server.url)
    // The very first fetch looked for it.
    for (let round = 0; round < 3; round += 1) expect(await by.outcome(await tokenOf(second, 'b'))).toBe('signature')
    expect(await by.outcome(await tokenOf(second, 'c'))).toBe('unavailable')
    by.nowMs += 30_000
    expect(await by.outcome(await tokenOf(second, 'c'))).toBe('signature')
    expect(await by.outcome(await tokenOf(second, 'c'))).toBe('signature')
    expect(server.requestCount).toBe(2)
    server.answer = { kind: 'keys', keys: [esKey(second, 'c')] }
    by.nowMs += 30_000
    expect(await by.outcome(await tokenOf(second, 'c'))).toBe('ok')
  })

  it('[AUTH-307] and that it named before is refused at once: its key was removed', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = new Bench(server.url)
    expect(await by.outcome(await tokenOf(first, 'a'))).toBe('ok')
    server.answer = { kind: 'keys', keys: [esKey(second, 'b')] }
    by.nowMs += 45_000
    expect(await by.outcome(await tokenOf(second, 'b'))).toBe('ok')
    expect(await by.outcome(await tokenOf(first, 'a'))).toBe('signature')
    expect(server.requestCount).toBe(2)
  })

  it('[AUTH-308] made up by the thousand costs no fetch, and a bounded number is remembered', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = new Bench(server.url)
    expect(await by.outcome(await tokenOf(first, 'a'))).toBe('ok')
    const [, payload, signature] = (await tokenOf(second, 'x')).split('.')
    const forged = (kid: string) => {
      const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid })).toString('base64url')
      return `${header}.${payload}.${signature}`
    }
    const count = UNKNOWN_KIDS_MAX_COUNT + 10
    const outcomes = new Set<string>()
    for (let index = 0; index < count; index += 1) outcomes.add(await by.outcome(forged(`forged-${index}`)))
    expect(outcomes).toEqual(new Set(['unavailable']))
    expect(server.requestCount).toBe(1)
    by.nowMs += 30_000
    expect(await by.outcome(forged('forged-0'))).toBe('signature')
    // Those beyond the bound were not remembered, so they may still come.
    expect(await by.outcome(forged(`forged-${count - 1}`))).toBe('unavailable')
    expect(server.requestCount).toBe(2)
    expect(await by.outcome(forged('x'.repeat(5_000)))).toBe('signature')
  })
})
