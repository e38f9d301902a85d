import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Authenticator, createAuthenticator } from '../../../gateway/auth/authenticator.ts'
import { defaultJwksTimes, type JwksTimes } from '../../../gateway/auth/jwks.ts'
import { KEY_FILE_LOOK_MS, KEY_REMOVAL_MAX_MS } from '../../../gateway/auth/limits.ts'
import type { JwtConfig } from '../../../gateway/config.ts'
import { JwksServer, jwk } from './jwks-server.ts'
import { bytes, ecPair, goodClaims, jwtConfig, type KeyPair, NOW, publicPem, SECRET, signed } from './tokens.ts'

const first = ecPair()
const second = ecPair()
const keyA = jwk(first, { kid: 'a', alg: 'ES256', use: 'sig' })
const keyB = jwk(second, { kid: 'b', alg: 'ES256', use: 'sig' })
const tokenA = await signed(goodClaims, first.privateKey, { alg: 'ES256', kid: 'a' })
const tokenB = await signed(goodClaims, second.privateKey, { alg: 'ES256', kid: 'b' })

/** An authenticator whose clock a test moves by hand. */
class Bench {
  readonly authenticator: Authenticator
  readonly troubles: string[] = []
  #sinceStartMs = 0

  constructor(config: Partial<JwtConfig>, jwksTimes: Partial<JwksTimes> = {}) {
    this.authenticator = createAuthenticator(jwtConfig(config), {
      nowMs: () => NOW * 1000,
      monotonicMs: () => this.#sinceStartMs,
      reportKeyTrouble: (problem) => void this.troubles.push(problem),
      jwksTimes,
    })
  }

  pass(ms: number): void {
    this.#sinceStartMs += ms
  }

  async outcome(token: string): Promise<string> {
    const verification = await this.authenticator.verify(token)
    return verification.kind === 'ok' ? 'ok' : verification.reason
  }

  /** What the identity in this token says of its key, as an open socket asks for it. */
  async holder(token: string): Promise<() => boolean | undefined> {
    const verification = await this.authenticator.verify(token)
    if (verification.kind === 'refused') throw new Error(`unexpected refusal: ${verification.reason}`)
    return () => verification.identity.signedBy?.isRemoved
  }
}

describe('a key that left its key set', () => {
  test('[AUTH-180] is refused at its first use past the refresh age, also on a gateway that was idle', async () => {
    await using server = await JwksServer.start(keyA, keyB)
    const bench = new Bench({ jwksUrl: server.url })
    expect([await bench.outcome(tokenA), await bench.outcome(tokenB)]).toEqual(['ok', 'ok'])
    server.answer = { kind: 'keys', keys: [keyB] }
    bench.pass(defaultJwksTimes.refreshAfterMs)
    expect([await bench.outcome(tokenA), await bench.outcome(tokenB)]).toEqual(['signature', 'ok'])
    expect(server.requestCount).toBe(2)
  })

  test('[AUTH-180] a key set is fetched again early enough for one fetch that fails and one that is slow', () => {
    const { refreshAfterMs, timeoutMs, failureCooldownMs } = defaultJwksTimes
    expect(refreshAfterMs + 2 * timeoutMs + failureCooldownMs + 2_000).toBeLessThanOrEqual(KEY_REMOVAL_MAX_MS)
  })

  test('[AUTH-181] an endpoint that hangs is waited for at most a second, then the known key counts', async () => {
    await using server = await JwksServer.start(keyA)
    const bench = new Bench({ jwksUrl: server.url }, { refreshWaitMs: 20 })
    expect(await bench.outcome(tokenA)).toBe('ok')
    server.answer = { kind: 'silence' }
    bench.pass(defaultJwksTimes.refreshAfterMs)
    expect(await bench.outcome(tokenA)).toBe('ok')
    await server.requests(2)
    expect(defaultJwksTimes.refreshWaitMs).toBe(1_000)
  })

  test('[AUTH-181] an endpoint that is down costs no token of a known key for an hour, and no socket', async () => {
    const server = await JwksServer.start(keyA)
    const bench = new Bench({ jwksUrl: server.url })
    const isRemoved = await bench.holder(tokenA)
    await server.stop()
    for (let minute = 1; minute < 60; minute += 1) {
      bench.pass(60_000)
      expect(await bench.outcome(tokenA)).toBe('ok')
    }
    bench.pass(60_000)
    expect(await bench.outcome(tokenA)).toBe('unavailable')
    expect(isRemoved()).toBe(false)
    expect(bench.troubles.length).toBeGreaterThan(50)
  })

  test('[AUTH-182] is noticed without any token, by one fetch an interval, and its holders are told', async () => {
    await using server = await JwksServer.start(keyA, keyB)
    const bench = new Bench({ jwksUrl: server.url })
    const { authenticator } = bench
    authenticator.checkKeys()
    expect(server.requestCount).toBe(0)
    const ofA = await bench.holder(tokenA)
    const ofB = await bench.holder(tokenB)
    for (let n = 0; n < 100; n += 1) authenticator.checkKeys()
    expect(server.requestCount).toBe(1)
    server.answer = { kind: 'keys', keys: [keyB] }
    bench.pass(defaultJwksTimes.refreshAfterMs)
    for (let n = 0; n < 100; n += 1) authenticator.checkKeys()
    await server.requests(2)
    expect(await bench.outcome(tokenB)).toBe('ok')
    expect([ofA(), ofB(), server.requestCount]).toEqual([true, false, 2])
  })

  test('[AUTH-182] a key that only gets a certificate or another place in the set stays the same key', async () => {
    await using server = await JwksServer.start(keyA, keyB)
    const bench = new Bench({ jwksUrl: server.url })
    const isRemoved = await bench.holder(tokenA)
    server.answer = { kind: 'keys', keys: [keyB, { ...(keyA as object), x5c: ['MII'], x5t: 'abc' }] }
    bench.pass(defaultJwksTimes.refreshAfterMs)
    expect(await bench.outcome(tokenA)).toBe('ok')
    expect(isRemoved()).toBe(false)
  })

  test.each([
    ['its use', { ...(keyA as object), use: 'enc' }],
    ['its name', { ...(keyA as object), kid: 'z' }],
    ['its material', jwk(ecPair(), { kid: 'a', alg: 'ES256', use: 'sig' })],
  ])('[AUTH-182] a key with %s changed is another key', async (_what, changed) => {
    await using server = await JwksServer.start(keyA)
    const bench = new Bench({ jwksUrl: server.url })
    const isRemoved = await bench.holder(tokenA)
    server.answer = { kind: 'keys', keys: [changed] }
    bench.pass(defaultJwksTimes.refreshAfterMs)
    expect(await bench.outcome(tokenA)).toBe('signature')
    expect(isRemoved()).toBe(true)
  })
})

describe('a key set with entries that are no public keys', () => {
  test.each([
    ['text', 'text'],
    ['null', null],
    ['a number', 5],
    ['a private key', first.privateKey.export({ format: 'jwk' })],
    ['a private key that says it is for signatures', { ...second.privateKey.export({ format: 'jwk' }), kid: 'b' }],
    ['a broken key', { kty: 'EC', crv: 'P-256', x: '!', y: '?', kid: 'broken', alg: 'ES256' }],
    ['a shared secret', { kty: 'oct', kid: 'o', k: 'c2VjcmV0' }],
  ])('[AUTH-183] %s in it is left out, and the other keys count', async (_what, entry) => {
    await using server = await JwksServer.start(entry, keyA)
    const bench = new Bench({ jwksUrl: server.url })
    expect(await bench.outcome(tokenA)).toBe('ok')
    // Its key may be in the next set, unless this one names it.
    const isNamed = JSON.stringify(entry).includes('"kid":"b"')
    expect(await bench.outcome(tokenB)).toBe(isNamed ? 'signature' : 'unavailable')
    expect(server.requestCount).toBe(1)
  })

  test('[AUTH-183] the operator is told of a private key once for the same set, and not shown it', async () => {
    const jwkOfPrivate = { ...second.privateKey.export({ format: 'jwk' }), kid: 'b' }
    await using server = await JwksServer.start(jwkOfPrivate, 'text', keyA)
    const bench = new Bench({ jwksUrl: server.url })
    for (let n = 0; n < 3; n += 1) {
      expect(await bench.outcome(tokenA)).toBe('ok')
      bench.pass(defaultJwksTimes.refreshAfterMs)
    }
    expect(bench.troubles).toHaveLength(1)
    expect(bench.troubles[0]).toMatch(/private/)
    expect(bench.troubles[0]).not.toContain(String(jwkOfPrivate.d))
  })
})

describe('a key file that changes', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-key-files-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const path = (name: string) => join(folder, name)
  /** As a deployment does it: whole, by a rename. */
  const write = (name: string, text: string) => {
    writeFileSync(path(`${name}.new`), text)
    renameSync(path(`${name}.new`), path(name))
    return path(name)
  }
  const filesOf = (...pairs: readonly KeyPair[]) =>
    pairs.map((pair, n) => write(`${n}-${Math.random()}.pem`, publicPem(pair)))
  const es256 = (pair: KeyPair) => signed(goodClaims, pair.privateKey, { alg: 'ES256' })

  test('[AUTH-184] a rotated key counts, and the one before ends, without a restart', async () => {
    const [file = ''] = filesOf(first)
    const bench = new Bench({ publicKeyFiles: [file] })
    const isRemoved = await bench.holder(await es256(first))
    writeFileSync(file, publicPem(second))
    expect(await bench.outcome(await es256(first))).toBe('ok')
    bench.pass(KEY_FILE_LOOK_MS)
    expect([await bench.outcome(await es256(second)), await bench.outcome(await es256(first))]).toEqual([
      'ok',
      'signature',
    ])
    expect(isRemoved()).toBe(true)
    expect(KEY_FILE_LOOK_MS * 2).toBeLessThan(KEY_REMOVAL_MAX_MS)
  })

  test('[AUTH-184] is noticed without any token', async () => {
    const [file = ''] = filesOf(first)
    const bench = new Bench({ publicKeyFiles: [file] })
    const isRemoved = await bench.holder(await es256(first))
    writeFileSync(file, publicPem(second))
    bench.pass(KEY_FILE_LOOK_MS)
    bench.authenticator.checkKeys()
    expect(isRemoved()).toBe(true)
  })

  test('[AUTH-184] the same key in another file, or written otherwise, is the same key', async () => {
    const [one = '', two = ''] = filesOf(first, second)
    const bench = new Bench({ publicKeyFiles: [one, two] })
    const isRemoved = await bench.holder(await es256(second))
    writeFileSync(one, `\n${publicPem(second)}\n`)
    bench.pass(KEY_FILE_LOOK_MS)
    bench.authenticator.checkKeys()
    rmSync(two)
    for (let n = 0; n < 3; n += 1) {
      bench.pass(KEY_FILE_LOOK_MS)
      bench.authenticator.checkKeys()
    }
    expect(await bench.outcome(await es256(second))).toBe('ok')
    expect(await bench.outcome(await es256(first))).toBe('signature')
    expect(isRemoved()).toBe(false)
  })

  test('[AUTH-185] a file that turns bad leaves the key that was there, and is told of once', async () => {
    const [file = ''] = filesOf(first)
    const bench = new Bench({ publicKeyFiles: [file] })
    const isRemoved = await bench.holder(await es256(first))
    for (const bad of ['', 'no key', first.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()]) {
      writeFileSync(file, bad)
      for (let n = 0; n < 3; n += 1) {
        bench.pass(KEY_FILE_LOOK_MS)
        expect(await bench.outcome(await es256(first))).toBe('ok')
      }
    }
    expect(isRemoved()).toBe(false)
    expect(bench.troubles).toHaveLength(2)
    expect(bench.troubles.join()).toContain(file)
  })

  test('[AUTH-185] a file that is gone takes its key with it while there is another one', async () => {
    const [one = '', two = ''] = filesOf(first, second)
    const bench = new Bench({ publicKeyFiles: [one, two] })
    rmSync(one)
    bench.pass(KEY_FILE_LOOK_MS)
    expect(await bench.outcome(await es256(first))).toBe('ok')
    bench.pass(KEY_FILE_LOOK_MS)
    expect(await bench.outcome(await es256(first))).toBe('signature')
    rmSync(two)
    for (let n = 0; n < 3; n += 1) {
      bench.pass(KEY_FILE_LOOK_MS)
      expect(await bench.outcome(await es256(second))).toBe('ok')
    }
    expect(bench.troubles).toHaveLength(2)
  })

  test('[AUTH-187] a secret in a file is rotated without a restart, and ends its tokens', async () => {
    const secretOf = (word: string) => `${word}-${SECRET}`
    const tokenFor = (word: string) => signed(goodClaims, bytes(secretOf(word)))
    const file = write('secret', `${secretOf('old')}\n`)
    const bench = new Bench({ secretFiles: [file] })
    const isRemoved = await bench.holder(await tokenFor('old'))
    for (const bad of ['', 'short', publicPem(first)]) {
      writeFileSync(file, bad)
      bench.pass(KEY_FILE_LOOK_MS)
      expect(await bench.outcome(await tokenFor('old'))).toBe('ok')
    }
    writeFileSync(file, secretOf('new'))
    bench.pass(KEY_FILE_LOOK_MS)
    expect([await bench.outcome(await tokenFor('new')), await bench.outcome(await tokenFor('old'))]).toEqual([
      'ok',
      'signature',
    ])
    expect(isRemoved()).toBe(true)
    expect(bench.troubles.join()).not.toContain(SECRET)
  })

  test('[AUTH-187] a file without a fit secret is refused at the start, and a missing one', () => {
    const unfit = write('unfit', 'x'.repeat(47))
    const problemsOf = (config: Partial<JwtConfig>) => () => new Bench(config)
    expect(problemsOf({ secretFiles: [unfit], algorithms: ['HS384'] })).toThrow('at least 48 bytes')
    expect(problemsOf({ secretFiles: [write('pem', publicPem(first))] })).toThrow('not PEM')
    expect(problemsOf({ secretFiles: [path('missing')] })).toThrow('ENOENT')
  })
})
