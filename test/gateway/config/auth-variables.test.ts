import { describe, expect, it } from 'vitest'
import { type Config, type Environment, readConfig } from '../../../gateway/config.ts'

const SECRET = 'a-secret-of-at-least-32-bytes-000'
const jwt = { SLUICE_JWT_SECRET: SECRET, SLUICE_JWT_ISSUER: 'https://issuer.example', SLUICE_JWT_AUDIENCE: 'sluice' }

const configOf = (environment: Environment): Config => {
  const result = readConfig(environment)
  if (result.kind === 'invalid') throw new Error(`unexpected problems: ${result.problems.join(' | ')}`)
  return result.config
}

const problemsOf = (environment: Environment): readonly string[] => {
  const result = readConfig(environment)
  return result.kind === 'invalid' ? result.problems : []
}

describe('development mode', () => {
  it.each(['0.0.0.0', '::', '192.0.2.1', 'gateway.example', '127.0.0.1.example.com', '127.1', '::ffff:192.0.2.1'])(
    '[CONF-10] without a JWT key HOST=%s is refused, and the missing variables are named',
    (host) => {
      const problems = problemsOf({ HOST: host })
      expect(problems).toHaveLength(1)
      expect(problems[0]).toMatch(/^HOST .*SLUICE_JWT_SECRET, SLUICE_JWT_PUBLIC_KEY_FILE or SLUICE_JWT_JWKS_URL/)
      expect(problemsOf({ HOST: host, ...jwt })).toEqual([])
    },
  )

  it.each(['127.0.0.1', '127.8.9.10', '::1', 'localhost', 'LOCALHOST', '::ffff:127.0.0.1'])(
    '[CONF-10] without a JWT key HOST=%s is fine',
    (host) => {
      expect(problemsOf({ HOST: host })).toEqual([])
    },
  )

  it.each(['SLUICE_JWT_ISSUER', 'SLUICE_JWT_AUDIENCE', 'SLUICE_JWT_ALGORITHMS'])(
    '[CONF-11] %s without any key is a problem, not development mode',
    (name) => {
      const problems = problemsOf({ [name]: 'HS256' })
      expect(problems[0]).toMatch(new RegExp(`^${name} is set, but no key`))
    },
  )
})

describe('JWT keys', () => {
  it('[CONF-12] a key ends development mode', () => {
    expect(configOf(jwt).auth).toMatchObject({
      mode: 'jwt',
      publicKeyFiles: [],
      jwksUrl: undefined,
      issuers: ['https://issuer.example'],
      audiences: ['sluice'],
      algorithms: undefined,
    })
  })

  it.each([
    { SLUICE_JWT_SECRET: SECRET },
    { SLUICE_JWT_PUBLIC_KEY_FILE: 'key.pem' },
    { SLUICE_JWT_JWKS_URL: 'https://id.example/jwks.json' },
  ])('[CONF-13] %o without issuer and audience is refused, unless they are set to *', (key) => {
    const names = problemsOf(key).map((problem) => problem.split(' ', 1)[0])
    expect(names).toEqual(['SLUICE_JWT_ISSUER', 'SLUICE_JWT_AUDIENCE'])
    const { auth } = configOf({ ...key, SLUICE_JWT_ISSUER: '*', SLUICE_JWT_AUDIENCE: '*' })
    expect(auth).toMatchObject({ issuers: 'any', audiences: 'any' })
  })

  it('[CONF-13] * beside names is refused', () => {
    expect(problemsOf({ ...jwt, SLUICE_JWT_AUDIENCE: 'sluice,*' })[0]).toMatch(/^SLUICE_JWT_AUDIENCE has `\*`/)
  })

  it('[CONF-14] several secrets are read, for rotation', () => {
    const { auth } = configOf({ ...jwt, SLUICE_JWT_SECRET: `${SECRET}-new, ${SECRET}-old` })
    if (auth.mode !== 'jwt') throw new Error('unexpected development mode')
    expect(auth.secrets.map((secret) => secret.reveal())).toEqual([`${SECRET}-new`, `${SECRET}-old`])
  })

  it('[CONF-14] a secret has 32 bytes or more, counted as bytes, and the short one is told by its place', () => {
    expect(problemsOf({ ...jwt, SLUICE_JWT_SECRET: 'x'.repeat(31) })).toHaveLength(1)
    expect(problemsOf({ ...jwt, SLUICE_JWT_SECRET: 'x'.repeat(32) })).toEqual([])
    expect(problemsOf({ ...jwt, SLUICE_JWT_SECRET: 'ü'.repeat(16) })).toEqual([])
    expect(problemsOf({ ...jwt, SLUICE_JWT_SECRET: `${SECRET},short` })[0]).toMatch(/number 2; set secrets/)
    expect(problemsOf({ ...jwt, SLUICE_JWT_SECRET: Array.from({ length: 9 }, () => SECRET).join(',') })).toHaveLength(1)
  })

  it('[CONF-14] a PEM text is no secret', () => {
    const pem = `-----BEGIN PUBLIC KEY-----\n${'A'.repeat(64)}\n-----END PUBLIC KEY-----`
    expect(problemsOf({ ...jwt, SLUICE_JWT_SECRET: pem })[0]).toMatch(/^SLUICE_JWT_SECRET/)
  })

  const inCluster = 'http://keycloak.default.svc:8080/realms/acme/protocol/openid-connect/certs'

  it('[CONF-300] a key set over plain http is refused beyond loopback, with the switch that allows it', () => {
    const [problem, ...others] = problemsOf({ ...jwt, SLUICE_JWT_JWKS_URL: inCluster })
    expect(problem).toMatch(/^SLUICE_JWT_JWKS_URL is plain http.*; set an https URL, or SLUICE_JWT_JWKS_HTTP=allow/)
    expect(others).toEqual([])
    for (const url of ['http://10.0.0.1/jwks', 'http://127.0.0.1.nip.io/jwks', 'http://localhost.example/jwks']) {
      expect(problemsOf({ ...jwt, SLUICE_JWT_JWKS_URL: url })).toHaveLength(1)
    }
    const allowed = { ...jwt, SLUICE_JWT_JWKS_URL: inCluster, SLUICE_JWT_JWKS_HTTP: 'allow' }
    expect(configOf(allowed).auth).toMatchObject({ jwksUrl: inCluster })
    expect(problemsOf({ ...allowed, SLUICE_JWT_JWKS_URL: 'http://a:b@10.0.0.1/jwks' })).toHaveLength(1)
  })

  it('[CONF-301] the names of claims are read, with those of the standards as defaults', () => {
    const standard = { subject: 'sub', tenant: 'tenant', project: 'project', audience: 'aud', scopes: ['scope', 'scp'] }
    expect(configOf(jwt).auth).toMatchObject({ claims: { ...standard, defaultScopes: ['chat', 'history'] } })
    const named = {
      SLUICE_JWT_SUBJECT_CLAIM: 'oid',
      SLUICE_JWT_TENANT_CLAIM: 'https://example.com/tenant',
      SLUICE_JWT_PROJECT_CLAIM: 'a.b',
      SLUICE_JWT_AUDIENCE_CLAIM: 'client_id',
      SLUICE_JWT_SCOPES_CLAIM: 'realm_access.roles, cognito:groups',
      SLUICE_JWT_DEFAULT_SCOPES: 'none',
    }
    expect(configOf({ ...jwt, ...named }).auth).toMatchObject({
      claims: {
        subject: 'oid',
        tenant: 'https://example.com/tenant',
        project: 'a.b',
        audience: 'client_id',
        scopes: ['realm_access.roles', 'cognito:groups'],
        defaultScopes: [],
      },
    })
    for (const name of Object.keys(named)) {
      expect(problemsOf({ [name]: 'chat' })[0]).toMatch(new RegExp(`^${name} is set, but no key`))
    }
    for (const name of ['SLUICE_JWT_SUBJECT_CLAIM', 'SLUICE_JWT_SCOPES_CLAIM']) {
      expect(problemsOf({ ...jwt, [name]: 'x'.repeat(257) })).toHaveLength(1)
      expect(problemsOf({ ...jwt, [name]: 'a\u0000b' })).toHaveLength(1)
    }
  })

  it.each(['admin', 'chat admin', 'chat,history', 'openid'])(
    '[CONF-302] SLUICE_JWT_DEFAULT_SCOPES=%s is refused: admin is never a default',
    (words) => {
      expect(problemsOf({ ...jwt, SLUICE_JWT_DEFAULT_SCOPES: words })[0]).toMatch(/^SLUICE_JWT_DEFAULT_SCOPES /)
    },
  )

  it.each(['https://a:b@id.example/jwks', 'file:///etc/keys', 'id.example'])(
    '[CONF-15] SLUICE_JWT_JWKS_URL=%s is refused',
    (url) => {
      const problems = problemsOf({ ...jwt, SLUICE_JWT_JWKS_URL: url })
      expect(problems[0]).toMatch(/^SLUICE_JWT_JWKS_URL is not valid; set an https URL /)
    },
  )

  it.each(['https://id.example/jwks', 'http://127.0.0.1:9/jwks', 'http://localhost/jwks', 'http://[::1]:9/jwks'])(
    '[CONF-15] SLUICE_JWT_JWKS_URL=%s is read',
    (url) => {
      expect(configOf({ ...jwt, SLUICE_JWT_JWKS_URL: url }).auth).toMatchObject({ jwksUrl: url })
    },
  )

  const withPem = { ...jwt, SLUICE_JWT_SECRET: undefined, SLUICE_JWT_PUBLIC_KEY_FILE: 'a.pem' }
  it.each([
    ['none', jwt],
    ['none,HS256', jwt],
    ['hs256', jwt],
    ['RS256', jwt],
    ['HS256,RS256', jwt],
    ['HS256', withPem],
    ['HS256,ES256', withPem],
    ['ES256', { ...withPem, SLUICE_JWT_SECRET: SECRET }],
    ['HS256', { ...withPem, SLUICE_JWT_SECRET: SECRET }],
    ['HS384', jwt],
    ['HS256,HS512', jwt],
  ])('[CONF-16] SLUICE_JWT_ALGORITHMS=%s is refused when it is not for the keys', (algorithms, keys) => {
    const problems = problemsOf({ ...keys, SLUICE_JWT_ALGORITHMS: algorithms })
    expect(problems.length).toBeGreaterThan(0)
    expect(problems.join()).toContain('SLUICE_JWT_ALGORITHMS')
  })

  it('[CONF-16] an allow-list for the keys is read', () => {
    const read = (environment: Environment) => configOf(environment).auth
    expect(read({ ...withPem, SLUICE_JWT_ALGORITHMS: 'ES256, EdDSA' })).toMatchObject({
      algorithms: ['ES256', 'EdDSA'],
    })
    const long = { ...jwt, SLUICE_JWT_SECRET: 'x'.repeat(64), SLUICE_JWT_ALGORITHMS: 'HS256,HS512' }
    expect(read(long)).toMatchObject({ algorithms: ['HS256', 'HS512'] })
  })
})

describe('the longest life of a token', () => {
  const maxAgeMs = (environment: Environment) => {
    const { auth } = configOf({ ...jwt, ...environment })
    return auth.mode === 'jwt' ? auth.maxAgeMs : undefined
  }

  it('[CONF-180] SLUICE_JWT_MAX_AGE is in seconds, 24 hours unless it is set', () => {
    expect(maxAgeMs({})).toBe(24 * 3_600_000)
    expect(maxAgeMs({ SLUICE_JWT_MAX_AGE: '900' })).toBe(900_000)
    for (const wrong of ['0', '119', '1h', '24.5']) {
      expect(problemsOf({ ...jwt, SLUICE_JWT_MAX_AGE: wrong })[0]).toMatch(/^SLUICE_JWT_MAX_AGE /)
    }
  })
})

describe('secrets in files', () => {
  const { SLUICE_JWT_SECRET: _, ...rest } = jwt

  it('[CONF-181] SLUICE_JWT_SECRET_FILE is a JWT key like the others, and a secret for HS* algorithms', () => {
    const withFiles = { ...rest, SLUICE_JWT_SECRET_FILE: '/run/one, /run/two', HOST: '0.0.0.0' }
    expect(configOf(withFiles).auth).toMatchObject({ mode: 'jwt', secrets: [], secretFiles: ['/run/one', '/run/two'] })
    expect(problemsOf({ ...withFiles, SLUICE_JWT_ALGORITHMS: 'HS512' })).toEqual([])
    expect(problemsOf({ ...withFiles, SLUICE_JWT_ALGORITHMS: 'RS256' }).join()).toContain('SLUICE_JWT_ALGORITHMS')
  })
})
