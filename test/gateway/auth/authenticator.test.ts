import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Authenticator,
  createAuthenticator,
  type DevelopmentAuthenticator,
  type Verification,
} from '../../../gateway/auth/authenticator.ts'
import type { Identity } from '../../../gateway/auth/identity.ts'
import { VERIFIED_TOKENS_MAX_COUNT } from '../../../gateway/auth/limits.ts'
import { VerifiedTokens } from '../../../gateway/auth/verified-tokens.ts'
import { type AuthConfig, Secret } from '../../../gateway/config.ts'
import {
  AUDIENCE,
  bytes,
  goodClaims,
  handSigned,
  ISSUER,
  NOW,
  SECRET,
  secretConfig,
  signed,
  unsigned,
} from './tokens.ts'

const silent = { nowMs: () => NOW * 1000, reportKeyTrouble: () => undefined }
const authenticator = (config: AuthConfig = secretConfig(), nowMs = NOW * 1000): Authenticator =>
  createAuthenticator(config, { ...silent, nowMs: () => nowMs })

const identityOf = async (token: string, by: Authenticator = authenticator()): Promise<Identity> => {
  const verification = await by.verify(token)
  if (verification.kind === 'refused') throw new Error(`unexpected refusal: ${verification.reason}`)
  return verification.identity
}

const outcome = (verification: Verification): string => (verification.kind === 'ok' ? 'ok' : verification.reason)

const outcomeOf = async (token: string, by: Authenticator = authenticator()): Promise<string> =>
  outcome(await by.verify(token))

describe('identity', () => {
  it('[AUTH-1] a good token gives subject, tenant, project, scopes and expiry', async () => {
    const token = await signed({ ...goodClaims, tenant: 'acme', project: 'web', scope: 'chat admin' })
    expect(await identityOf(token)).toEqual({
      subject: 'ada',
      tenant: 'acme',
      project: 'web',
      scopes: new Set(['chat', 'admin']),
      expiresAtMs: (NOW + 600) * 1000,
      signedBy: { isRemoved: false },
    })
  })

  it('[AUTH-2] without tenant, project and scope it is tenant default, no project, chat and history', async () => {
    expect(await identityOf(await signed(goodClaims))).toEqual({
      subject: 'ada',
      tenant: 'default',
      scopes: new Set(['chat', 'history']),
      expiresAtMs: (NOW + 600) * 1000,
      signedBy: { isRemoved: false },
    })
  })

  it.each([
    ['chat', ['chat']],
    ['history  chat', ['chat', 'history']],
    ['openid profile chat', ['chat']],
    ['chat CHAT Admin', ['chat']],
    [['admin', 'openid'], ['admin']],
    [{ chat: true, admin: false }, ['chat']],
  ])('[AUTH-3] scope %o grants %o: separated by blanks or an array, unknown ones ignored', async (scope, granted) => {
    const { scopes } = await identityOf(await signed({ ...goodClaims, scope }))
    expect([...scopes]).toEqual(granted)
  })

  it.each(['CHAT Admin', '', [], ['chat history'], {}])('[AUTH-303] scope %o has none of our words', async (scope) => {
    const { scopes } = await identityOf(await signed({ ...goodClaims, scope }))
    expect([...scopes]).toEqual(['chat', 'history'])
  })

  it.each([5, true, ['chat', 5]])('[AUTH-3] scope %o is refused', async (scope) => {
    expect(await outcomeOf(await signed({ ...goodClaims, scope }))).toBe('claims')
  })

  const bad = ['', 'x'.repeat(257), 'a\nb', 'a\u0000', '\u007f', 'a\u0085', '\ud800', 'a\udc00b', 7, ['ada']]
  it.each(['sub', 'tenant', 'project'])('[AUTH-4] %s has 1 to 256 characters, no control characters', async (claim) => {
    for (const value of bad) {
      expect(await outcomeOf(handSigned({ alg: 'HS256' }, { ...goodClaims, [claim]: value }))).toBe('claims')
    }
    for (const value of ['x', 'x'.repeat(256), 'Ада Лавлейс', 'a b', 'auth0|5', '🦊']) {
      expect(await outcomeOf(await signed({ ...goodClaims, [claim]: value }))).toBe('ok')
    }
  })

  it('[AUTH-4] names are taken exactly: neither trimmed, folded nor normalised', async () => {
    for (const sub of ['Ada', ' ada', 'ada ', 'e\u0301', '\u00e9']) {
      expect((await identityOf(await signed({ ...goodClaims, sub }))).subject).toBe(sub)
    }
  })
})

describe('claims', () => {
  const without = (claim: string) => {
    const { [claim]: _, ...rest } = goodClaims
    return signed(rest)
  }

  it.each([
    ['exp', 'claims'],
    ['sub', 'claims'],
    ['iss', 'issuer'],
    ['aud', 'audience'],
  ])('[AUTH-5] without %s it is refused: %s', async (claim, reason) => {
    expect(await outcomeOf(await without(claim))).toBe(reason)
  })

  it.each([
    ['exp', 'soon', 'claims'],
    ['exp', null, 'claims'],
    ['exp', 1e300, 'claims'],
    ['nbf', 'now', 'claims'],
    ['iss', `${ISSUER}/`, 'issuer'],
    ['iss', [ISSUER], 'issuer'],
    ['aud', 'sluice2', 'audience'],
    ['aud', 'Sluice', 'audience'],
    ['aud', ['other'], 'audience'],
    ['aud', [], 'audience'],
    ['aud', { sluice: 1 }, 'audience'],
  ])('[AUTH-5] %s=%o is refused: %s', async (claim, value, reason) => {
    expect(await outcomeOf(handSigned({ alg: 'HS256' }, { ...goodClaims, [claim]: value }))).toBe(reason)
  })

  it('[AUTH-5] one of several audiences is enough, on either side', async () => {
    expect(await outcomeOf(await signed({ ...goodClaims, aud: ['other', AUDIENCE] }))).toBe('ok')
    const two = authenticator(secretConfig({ audiences: ['other', AUDIENCE], issuers: ['x', ISSUER] }))
    expect(await outcomeOf(await signed(goodClaims), two)).toBe('ok')
  })

  it('[AUTH-5] issuer and audience are unchecked where the operator said any; sub and exp never', async () => {
    const any = authenticator(secretConfig({ audiences: 'any', issuers: 'any' }))
    expect(await outcomeOf(await signed({ sub: 'ada', exp: NOW + 1 }), any)).toBe('ok')
    expect(await outcomeOf(await signed({ exp: NOW + 1 }), any)).toBe('claims')
    expect(await outcomeOf(await signed({ sub: 'ada' }), any)).toBe('claims')
  })

  it.each([
    ['exp', -4, 'ok'],
    ['exp', -5, 'expired'],
    ['exp', -600, 'expired'],
    ['exp', 1, 'ok'],
    ['nbf', 5, 'ok'],
    ['nbf', 6, 'not-yet'],
    ['nbf', 600, 'not-yet'],
    ['nbf', -600, 'ok'],
    ['iat', 5, 'ok'],
    ['iat', 6, 'not-yet'],
    ['iat', -600, 'ok'],
  ])('[AUTH-6] %s at now %i s: %s (5 s of tolerance)', async (claim, seconds, expected) => {
    expect(await outcomeOf(await signed({ ...goodClaims, [claim]: NOW + seconds }))).toBe(expected)
  })

  it('[AUTH-6] time is the one given, and the expiry told is without the tolerance', async () => {
    const token = await signed({ ...goodClaims, exp: NOW + 600.5 })
    expect((await identityOf(token)).expiresAtMs).toBe(NOW * 1000 + 600_500)
    expect(await outcomeOf(token, authenticator(secretConfig(), (NOW + 604) * 1000))).toBe('ok')
    expect(await outcomeOf(token, authenticator(secretConfig(), (NOW + 606) * 1000))).toBe('expired')
  })
})

describe('the longest life of a token', () => {
  const hour = 3600
  const year2100 = 4_102_444_800
  const day = 24 * hour

  it.each([
    ['an exp in the year 2100', { exp: year2100 }, day],
    ['an iat long ago', { exp: year2100, iat: NOW - 400 * day }, day],
    ['a life of exactly the longest', { exp: NOW + day }, day],
    ['a life of a second more', { exp: NOW + day + 1 }, day],
    ['a shorter life', { exp: NOW + hour, iat: NOW - 30 * day }, hour],
  ])('[AUTH-186] %s is accepted, and counts for no longer than SLUICE_JWT_MAX_AGE', async (_what, claims, seconds) => {
    const { expiresAtMs } = await identityOf(await signed({ ...goodClaims, ...claims }))
    expect(expiresAtMs).toBe((NOW + seconds) * 1000)
  })

  it('[AUTH-186] a token that is shown again counts anew, also when it is remembered, until its own exp', async () => {
    let nowMs = NOW * 1000
    const by = createAuthenticator(secretConfig({ maxAgeMs: hour * 1000 }), { ...silent, nowMs: () => nowMs })
    const token = await signed({ ...goodClaims, exp: NOW + 2 * hour })
    expect((await identityOf(token, by)).expiresAtMs).toBe((NOW + hour) * 1000)
    nowMs += 1_800_000
    expect((await identityOf(token, by)).expiresAtMs).toBe((NOW + 1.5 * hour) * 1000)
    nowMs += 3_600_000
    expect((await identityOf(token, by)).expiresAtMs).toBe((NOW + 2 * hour) * 1000)
    nowMs += 3_600_000
    expect(await outcomeOf(token, by)).toBe('expired')
  })
})

describe('signatures', () => {
  it('[AUTH-7] a token of another secret is refused, and one whose claims were changed', async () => {
    expect(await outcomeOf(await signed(goodClaims, bytes('another-secret-of-32-bytes-000000')))).toBe('signature')
    const [header, , signature] = (await signed(goodClaims)).split('.')
    const payload = Buffer.from(JSON.stringify({ ...goodClaims, sub: 'eve' })).toString('base64url')
    expect(await outcomeOf(`${header}.${payload}.${signature}`)).toBe('signature')
    expect(await outcomeOf(`${header}.${payload}.`)).toBe('signature')
  })

  it('[AUTH-7] nothing is told of the claims of a forged token', async () => {
    const forged = await signed({ ...goodClaims, exp: 1, aud: 'x' }, bytes('another-secret-of-32-bytes-000000'))
    expect(await outcomeOf(forged)).toBe('signature')
  })

  it.each(['none', 'None', 'NONE', 'nOnE', ''])(
    '[AUTH-8] alg %o is refused, with and without signature',
    async (alg) => {
      const any = authenticator(secretConfig({ audiences: 'any', issuers: 'any' }))
      expect(await outcomeOf(unsigned({ alg }, goodClaims), any)).toBe('algorithm')
      expect(await outcomeOf(handSigned({ alg }, goodClaims), any)).toBe('algorithm')
    },
  )

  it('[AUTH-9] an algorithm that is not on the list is refused, also a stronger one', async () => {
    const long = 'x'.repeat(64)
    const token = await signed(goodClaims, bytes(long), { alg: 'HS512' })
    expect(await outcomeOf(token, authenticator(secretConfig({ secrets: [new Secret(long)] })))).toBe('algorithm')
    const allowed = secretConfig({ secrets: [new Secret(long)], algorithms: ['HS512'] })
    expect(await outcomeOf(token, authenticator(allowed))).toBe('ok')
    expect(await outcomeOf(await signed(goodClaims, bytes(long)), authenticator(allowed))).toBe('algorithm')
  })

  it('[AUTH-10] while secrets rotate, tokens of the old and the new one are good', async () => {
    const [older, newer] = [`${SECRET}-old`, `${SECRET}-new`]
    const both = authenticator(secretConfig({ secrets: [new Secret(newer), new Secret(older)] }))
    expect(await outcomeOf(await signed(goodClaims, bytes(newer)), both)).toBe('ok')
    expect(await outcomeOf(await signed(goodClaims, bytes(older)), both)).toBe('ok')
    expect(await outcomeOf(await signed({ ...goodClaims, exp: 1 }, bytes(older)), both)).toBe('expired')
    const rotated = authenticator(secretConfig({ secrets: [new Secret(newer)] }))
    expect(await outcomeOf(await signed(goodClaims, bytes(older)), rotated)).toBe('signature')
  })
})

describe('what is no token', () => {
  it('[AUTH-11] garbage is malformed', async () => {
    const good = await signed(goodClaims)
    const [header = '', payload = '', signature = ''] = good.split('.')
    const notOurs = handSigned({ alg: 'HS256', crit: ['exotic'], exotic: 1 }, goodClaims)
    for (const token of [
      '',
      '.',
      '..',
      '...',
      'x',
      'a.b.c',
      good.replaceAll('.', ' '),
      `${header}.${payload}`,
      notOurs,
    ]) {
      expect(await outcomeOf(token)).toBe('malformed')
    }
    for (const token of [` ${good}`, `${good} `, `${good}.`, `${good}.x.y`, `${header}.${payload}.${signature}!`]) {
      expect(await outcomeOf(token)).toBe('malformed')
    }
    for (let at = 0; at < good.length; at += 1) {
      expect(await outcomeOf(`${good.slice(0, at)}\n${good.slice(at)}`)).toBe('malformed')
    }
  })

  it('[AUTH-11] a header or payload that is no object is malformed, and a header without alg', async () => {
    for (const value of [[], 'text', 5, null, '{', '\ud800']) {
      expect(await outcomeOf(handSigned(value, goodClaims))).toBe('malformed')
      expect(await outcomeOf(handSigned({ alg: 'HS256' }, value))).toBe('malformed')
    }
    for (const header of [{}, { alg: 5 }, { alg: null }, { alg: ['HS256'] }]) {
      expect(await outcomeOf(handSigned(header, goodClaims))).toBe('malformed')
    }
  })

  it('[AUTH-11] any text at all is answered with a reason, never with an exception', async () => {
    const by = authenticator()
    const segment = fc.oneof(
      fc.string(),
      fc.json().map((json) => Buffer.from(json).toString('base64url')),
    )
    const header = fc.record({
      alg: fc.oneof(fc.constant('HS256'), fc.string()),
      kid: fc.anything(),
      crit: fc.anything(),
    })
    const token = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(segment, { maxLength: 5 }).map((segments) => segments.join('.')),
      fc
        .tuple(header, fc.anything())
        .map(([head, body]) => handSigned(JSON.stringify(head), JSON.stringify(body) ?? '')),
    )
    await fc.assert(
      fc.asyncProperty(token, async (text) => {
        expect((await by.verify(text)).kind).toBe('refused')
      }),
      { numRuns: 300 },
    )
  })

  it('[AUTH-12] a token of 16 KiB is read, one byte more is malformed', async () => {
    const sized = (length: number): string => {
      const make = (filler: number) => handSigned({ alg: 'HS256' }, { ...goodClaims, filler: 'x'.repeat(filler) })
      // Base64 carries three bytes in four characters, so not each length can be had by the payload alone.
      for (let filler = Math.floor((length * 3) / 4) - 400; ; filler += 1) {
        const token = make(filler)
        if (token.length >= length) return token
      }
    }
    const fitting = sized(16 * 1024 - 1)
    expect(fitting.length).toBeLessThanOrEqual(16 * 1024)
    expect(await outcomeOf(fitting)).toBe('ok')
    expect(await outcomeOf(sized(16 * 1024 + 1))).toBe('malformed')
    expect(await outcomeOf('x'.repeat(10_000_000))).toBe('malformed')
  })

  it('[AUTH-13] no message repeats anything of a token', async () => {
    const marker = 'marker-xyzzy'
    const tokens = [
      marker,
      `${marker}.${marker}.${marker}`,
      handSigned({ alg: marker, kid: marker }, { sub: marker }),
      handSigned({ alg: 'HS256', crit: [marker] }, { sub: marker }),
      handSigned({ alg: 'HS256' }, marker),
      ...['sub', 'iss', 'aud', 'exp', 'nbf', 'tenant'].map((claim) =>
        handSigned({ alg: 'HS256' }, { ...goodClaims, [claim]: { [marker]: marker } }),
      ),
      handSigned({ alg: 'HS256' }, { ...goodClaims, scope: [{ [marker]: marker }] }),
    ]
    for (const token of tokens) {
      const verification = await authenticator().verify(token)
      expect(verification.kind).toBe('refused')
      expect(JSON.stringify(verification)).not.toContain(marker)
      expect(JSON.stringify(verification)).not.toContain(Buffer.from(marker).toString('base64url'))
    }
  })
})

describe('development mode', () => {
  const development = (secret?: Uint8Array, nowMs = NOW * 1000): DevelopmentAuthenticator => {
    const dependencies = {
      ...silent,
      nowMs: () => nowMs,
      ...(secret === undefined ? {} : { developmentSecret: secret }),
    }
    const made = createAuthenticator({ mode: 'development' }, dependencies)
    if (made.mode !== 'development') throw new Error('unexpected mode')
    return made
  }

  const issue = async (
    by: DevelopmentAuthenticator,
    ...args: Parameters<DevelopmentAuthenticator['issueDevelopmentToken']>
  ) => {
    const issued = await by.issueDevelopmentToken(...args)
    if (issued.kind === 'invalid') throw new Error(issued.message)
    return issued
  }

  it('[AUTH-14] a development token is good for an hour and carries what was asked for', async () => {
    const by = development()
    const { token, expiresAtMs } = await issue(by, 'ada')
    expect(expiresAtMs).toBe((NOW + 3600) * 1000)
    expect(await identityOf(token, by)).toMatchObject({ subject: 'ada', tenant: 'default', expiresAtMs })
    const full = await issue(by, 'bob', { tenant: 't', project: 'p', scope: 'admin', ttlSeconds: 60 })
    expect(await identityOf(full.token, by)).toEqual({
      subject: 'bob',
      tenant: 't',
      project: 'p',
      scopes: new Set(['admin']),
      expiresAtMs: (NOW + 60) * 1000,
      signedBy: { isRemoved: false },
    })
  })

  it('[AUTH-14] another run does not accept it, unless it has the same secret', async () => {
    const { token } = await issue(development(), 'ada')
    expect(await outcomeOf(token, development())).toBe('signature')
    const shared = bytes(SECRET)
    const { token: sharedToken } = await issue(development(shared), 'ada')
    expect(await outcomeOf(sharedToken, development(shared))).toBe('ok')
    expect(await outcomeOf(sharedToken, development(shared, (NOW + 3700) * 1000))).toBe('expired')
  })

  it('[AUTH-14] only its own tokens are accepted, not any token of the same secret', async () => {
    const by = development(bytes(SECRET))
    expect(await outcomeOf(await signed(goodClaims), by)).toBe('issuer')
    expect(await outcomeOf(unsigned({ alg: 'none' }, goodClaims), by)).toBe('algorithm')
  })

  it.each([
    ['', {}],
    ['a\nb', {}],
    ['x'.repeat(257), {}],
    ['ada', { tenant: '' }],
    ['ada', { project: '\u0000' }],
    ['ada', { scope: 'x'.repeat(257) }],
    ['ada', { ttlSeconds: 0 }],
    ['ada', { ttlSeconds: 1.5 }],
    ['ada', { ttlSeconds: Number.NaN }],
    ['ada', { ttlSeconds: 86_401 }],
  ])('[AUTH-15] no token is made that would be refused: %o %o', async (subject, options) => {
    expect((await development().issueDevelopmentToken(subject, options)).kind).toBe('invalid')
  })

  it('[AUTH-15] with a key there is nothing that makes tokens', () => {
    expect('issueDevelopmentToken' in authenticator()).toBe(false)
  })
})

describe('a token that was verified before', () => {
  it('[AUTH-30] is verified anew from its exp on, and when a single character is another', async () => {
    let nowMs = NOW * 1000
    const by = createAuthenticator(secretConfig(), { ...silent, nowMs: () => nowMs })
    const token = await signed({ ...goodClaims, scope: 'admin' })
    const identity = await identityOf(token, by)
    expect(await identityOf(token, by)).toEqual(identity)
    const [header, payload, signature = ''] = token.split('.')
    const others = ['A', 'B', ''].map((first) => `${header}.${payload}.${first}${signature.slice(1)}`)
    const altered = others.filter((other) => other !== token)
    for (const other of altered) expect(await outcomeOf(other, by)).not.toBe('ok')
    expect(await outcomeOf(token, by)).toBe('ok')
    nowMs = (NOW + 604) * 1000
    expect(await outcomeOf(token, by)).toBe('ok')
    nowMs = (NOW + 606) * 1000
    expect(await outcomeOf(token, by)).toBe('expired')
  })

  it('[AUTH-30] is nobody’s for another gateway’s keys, and more tokens than are remembered are all right', async () => {
    const by = authenticator()
    const token = await signed(goodClaims)
    expect(await outcomeOf(token, by)).toBe('ok')
    const others = authenticator(secretConfig({ secrets: [new Secret('another-secret-of-at-least-32-bytes')] }))
    expect(await outcomeOf(token, others)).toBe('signature')
    const known = new VerifiedTokens()
    const key = { isRemoved: false }
    const found = { key }
    const other = { key: { isRemoved: false } }
    const identity = await identityOf(token, by)
    for (let n = 0; n <= VERIFIED_TOKENS_MAX_COUNT; n++) known.keep(key, `digest-${n}`, identity)
    expect(known.find([found], 'digest-0', 0)).toBeUndefined()
    expect(known.find([found], 'digest-1', 0)).toBe(identity)
    expect(known.find([found], `digest-${VERIFIED_TOKENS_MAX_COUNT}`, 0)).toBe(identity)
    expect(known.find([other], 'digest-1', 0)).toBeUndefined()
    expect(known.find([other, found], 'digest-1', 0)).toBe(identity)
  })
})
