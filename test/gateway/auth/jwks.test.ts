import { sign } from 'node:crypto'
import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { type Authenticator, createAuthenticator } from '../../../gateway/auth/authenticator.ts'
import type { JwksTimes } from '../../../gateway/auth/jwks.ts'
import { type JwtConfig, Secret } from '../../../gateway/config.ts'
import { JwksServer, jwk } from './jwks-server.ts'
import {
  ecPair,
  ed25519Pair,
  goodClaims,
  handSigned,
  jwtConfig,
  type KeyPair,
  NOW,
  publicPem,
  rsaPair,
  SECRET,
  signed,
} from './tokens.ts'

const first = ecPair()
const second = ecPair()

type Bench = { readonly authenticator: Authenticator; readonly troubles: string[] }

const bench = (url: string, jwksTimes: Partial<JwksTimes> = {}, config: Partial<JwtConfig> = {}): Bench => {
  const troubles: string[] = []
  const reportKeyTrouble = (problem: string) => void troubles.push(problem)
  const dependencies = { nowMs: () => NOW * 1000, reportKeyTrouble, jwksTimes }
  return { authenticator: createAuthenticator(jwtConfig({ jwksUrl: url, ...config }), dependencies), troubles }
}

const outcome = async ({ authenticator }: Bench, token: string): Promise<string> => {
  const verification = await authenticator.verify(token)
  return verification.kind === 'ok' ? 'ok' : verification.reason
}

const tokenOf = (pair: KeyPair, kid?: string, alg = 'ES256'): Promise<string> =>
  signed(goodClaims, pair.privateKey, kid === undefined ? { alg } : { alg, kid })

const esKey = (pair: KeyPair, kid: string) => jwk(pair, { kid, alg: 'ES256', use: 'sig' })

describe('a key set', () => {
  it('[AUTH-19] is fetched with the first token and kept', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = bench(server.url)
    expect(server.requestCount).toBe(0)
    for (let round = 0; round < 5; round += 1) expect(await outcome(by, await tokenOf(first, 'a'))).toBe('ok')
    expect(server.requestCount).toBe(1)
    expect(await outcome(by, await tokenOf(second, 'a'))).toBe('signature')
    expect(
      await outcome(by, await signed({ ...goodClaims, exp: 1 }, first.privateKey, { alg: 'ES256', kid: 'a' })),
    ).toBe('expired')
    expect(by.troubles).toEqual([])
  })

  it('[AUTH-19] is fetched once for tokens that come at the same time', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = bench(server.url)
    const token = await tokenOf(first, 'a')
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcome(by, token)))
    expect(new Set(outcomes)).toEqual(new Set(['ok']))
    expect(server.requestCount).toBe(1)
  })

  it('[AUTH-20] is fetched again for an unknown kid, so a rotated key is good at once', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = bench(server.url, { cooldownMs: 0 })
    expect(await outcome(by, await tokenOf(first, 'a'))).toBe('ok')
    server.answer = { kind: 'keys', keys: [esKey(first, 'a'), esKey(second, 'b')] }
    expect(await outcome(by, await tokenOf(second, 'b'))).toBe('ok')
    expect(await outcome(by, await tokenOf(first, 'a'))).toBe('ok')
    expect(server.requestCount).toBe(2)
    server.answer = { kind: 'keys', keys: [esKey(second, 'b')] }
    expect(await outcome(by, await tokenOf(first, 'c'))).toBe('signature')
    expect(server.requestCount).toBe(3)
    expect(await outcome(by, await tokenOf(first, 'a'))).toBe('signature')
  })

  it('[AUTH-20] is not fetched again for unknown kids within the cooldown', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = bench(server.url)
    expect(await outcome(by, await tokenOf(second, 'made-up'))).toBe('signature')
    for (let round = 0; round < 20; round += 1) {
      expect(await outcome(by, await tokenOf(second, `made-up-${round}`))).toBe('unavailable')
    }
    expect(server.requestCount).toBe(1)
  })

  it('[AUTH-21] without kid all keys that fit are tried, at most eight', async () => {
    const others = Array.from({ length: 7 }, () => ecPair())
    await using server = await JwksServer.start(
      ...others.map((pair, index) => esKey(pair, `${index}`)),
      esKey(first, 'eighth'),
      esKey(second, 'ninth'),
    )
    const by = bench(server.url)
    expect(await outcome(by, await tokenOf(first))).toBe('ok')
    expect(await outcome(by, await tokenOf(second))).toBe('signature')
    expect(await outcome(by, await tokenOf(second, 'ninth'))).toBe('ok')
  })

  it('[AUTH-21] keys of every type serve, those not for signatures or too short do not', async () => {
    const [rsa, short, ed25519, foreign] = [rsaPair(), rsaPair(1024), ed25519Pair(), ecPair()]
    await using server = await JwksServer.start(
      jwk(rsa, { kid: 'rsa' }),
      jwk(short, { kid: 'short' }),
      jwk(ed25519, { kid: 'ed' }),
      jwk(foreign, { kid: 'enc', use: 'enc' }),
    )
    const by = bench(server.url)
    for (const alg of ['RS256', 'PS512']) expect(await outcome(by, await tokenOf(rsa, 'rsa', alg))).toBe('ok')
    expect(await outcome(by, await tokenOf(ed25519, 'ed', 'EdDSA'))).toBe('ok')
    expect(await outcome(by, await tokenOf(foreign, 'enc'))).toBe('signature')
    // jose signs with no such key, so the signature is node's own.
    const body = (await tokenOf(rsa, 'short', 'RS256')).split('.').slice(0, 2).join('.')
    const signature = sign('sha256', Buffer.from(body), short.privateKey).toString('base64url')
    expect(await outcome(by, `${body}.${signature}`)).toBe('signature')
  })

  it('[AUTH-17] no key of a set is an HMAC secret, also where it says that it is one', async () => {
    const oct = { kty: 'oct', kid: 'a', alg: 'HS256', k: Buffer.from(SECRET).toString('base64url') }
    await using server = await JwksServer.start(oct, esKey(first, 'b'))
    const forged = handSigned({ alg: 'HS256', kid: 'a' }, goodClaims)
    expect(await outcome(bench(server.url), forged)).toBe('algorithm')
    const asPem = handSigned({ alg: 'HS256', kid: 'b' }, goodClaims, publicPem(first))
    const withSecret = bench(server.url, {}, { secrets: [new Secret(`another-${SECRET}`)] })
    expect(await outcome(withSecret, asPem)).toBe('signature')
    expect(server.requestCount).toBe(0)
  })

  it('[AUTH-17] keys that a token brings along or points to are not looked at', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    await using stranger = await JwksServer.start(esKey(second, 'a'))
    const own = second.publicKey.export({ format: 'jwk' })
    const header = { alg: 'ES256', kid: 'a', jwk: own, jku: stranger.url, x5u: stranger.url }
    const token = await new SignJWT(goodClaims).setProtectedHeader(header).sign(second.privateKey)
    expect(await outcome(bench(server.url), token)).toBe('signature')
    expect(stranger.requestCount).toBe(0)
  })
})

describe('a key set that cannot be had', () => {
  const closedUrl = async (): Promise<string> => {
    const server = await JwksServer.start()
    const { url } = server
    await server.stop()
    return url
  }

  it('[AUTH-22] with the endpoint down nothing is known: unavailable, and the operator is told why', async () => {
    const by = bench(await closedUrl())
    expect(await outcome(by, await tokenOf(first, 'a'))).toBe('unavailable')
    expect(by.troubles).toHaveLength(1)
    expect(by.troubles[0]).toMatch(/^unable to use the keys of SLUICE_JWT_JWKS_URL: .*ECONNREFUSED/)
  })

  it.each([
    ['an error', { kind: 'raw', status: 500, body: 'oops' }, 'answered 500'],
    ['HTML', { kind: 'raw', status: 200, body: '<html>' }, 'not a key set'],
    ['another document', { kind: 'raw', status: 200, body: '{"keys":{}}' }, 'not a key set'],
    ['null', { kind: 'raw', status: 200, body: 'null' }, 'not a key set'],
    ['a flood', { kind: 'raw', status: 200, body: `{"keys":[${' '.repeat(600_000)}]}` }, 'larger than'],
    ['a redirect to nowhere', { kind: 'raw', status: 302, body: '' }, 'redirects to a place'],
  ] as const)('[AUTH-22] %s instead of keys is unavailable', async (_what, answer, trouble) => {
    await using server = await JwksServer.start()
    server.answer = answer
    const by = bench(server.url, { failureCooldownMs: 0 })
    expect(await outcome(by, await tokenOf(first, 'a'))).toBe('unavailable')
    expect(by.troubles.join()).toContain(trouble)
    server.answer = { kind: 'keys', keys: [esKey(first, 'a')] }
    expect(await outcome(by, await tokenOf(first, 'a'))).toBe('ok')
    expect(server.requestCount).toBe(2)
  })

  it('[AUTH-22] an endpoint that does not answer is given up at the deadline', async () => {
    await using server = await JwksServer.start()
    server.answer = { kind: 'silence' }
    const by = bench(server.url, { timeoutMs: 50 })
    expect(await outcome(by, await tokenOf(first, 'a'))).toBe('unavailable')
    expect(server.requestCount).toBe(1)
    expect(by.troubles).toHaveLength(1)
  })

  it('[AUTH-23] after a failed fetch strangers cannot make it fetch at their pace', async () => {
    await using server = await JwksServer.start()
    server.answer = { kind: 'raw', status: 503, body: '' }
    const by = bench(server.url, { failureCooldownMs: 600_000 })
    const token = await tokenOf(first, 'a')
    await Promise.all(Array.from({ length: 20 }, () => outcome(by, token)))
    for (let round = 0; round < 20; round += 1) expect(await outcome(by, token)).toBe('unavailable')
    expect(server.requestCount).toBe(1)
    expect(by.troubles).toHaveLength(1)
  })

  it('[AUTH-24] tokens of known keys outlive an outage of the endpoint, unknown ones are unavailable', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = bench(server.url, { cooldownMs: 0, refreshAfterMs: 0, failureCooldownMs: 0 })
    expect(await outcome(by, await tokenOf(first, 'a'))).toBe('ok')
    await server.stop()
    for (let round = 0; round < 5; round += 1) expect(await outcome(by, await tokenOf(first, 'a'))).toBe('ok')
    expect(await outcome(by, await tokenOf(second, 'b'))).toBe('unavailable')
  })

  it('[AUTH-24] keys above their highest age are not believed while the endpoint is down', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = bench(server.url, { maxAgeMs: 0 })
    expect(await outcome(by, await tokenOf(first, 'a'))).toBe('ok')
    await server.stop()
    expect(await outcome(by, await tokenOf(first, 'a'))).toBe('unavailable')
  })

  it('[AUTH-25] a key that the endpoint names no longer is refused at its next use past the refresh age', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = bench(server.url, { refreshAfterMs: 0, cooldownMs: 600_000 })
    const token = await tokenOf(first, 'a')
    expect(await outcome(by, token)).toBe('ok')
    server.answer = { kind: 'keys', keys: [esKey(second, 'b')] }
    expect(await outcome(by, token)).toBe('signature')
    expect(await outcome(by, await tokenOf(second, 'b'))).toBe('ok')
  })

  it('[AUTH-25] while a refresh hangs, known keys count after a bounded wait that all tokens share', async () => {
    await using server = await JwksServer.start(esKey(first, 'a'))
    const by = bench(server.url, { refreshAfterMs: 0, refreshWaitMs: 20 })
    const token = await tokenOf(first, 'a')
    expect(await outcome(by, token)).toBe('ok')
    server.answer = { kind: 'silence' }
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcome(by, token)))
    expect(new Set(outcomes)).toEqual(new Set(['ok']))
    await server.requests(2)
    expect(server.requestCount).toBe(2)
  })

  it('[AUTH-24] secrets and files serve while the key set is away', async () => {
    const by = bench(await closedUrl(), {}, { secrets: [new Secret(SECRET)] })
    expect(await outcome(by, await signed(goodClaims))).toBe('ok')
    expect(by.troubles).toEqual([])
  })
})
