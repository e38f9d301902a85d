/**
 * Tokens as identity systems make them, under the settings that docs/OPERATIONS.md advises: the blocks are read from the
 * document, so that what it says is what was tried.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { JWTPayload } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAuthenticator } from '../../../gateway/auth/authenticator.ts'
import { type Environment, readConfig } from '../../../gateway/config.ts'
import { type IdentitySystem, identitySystems } from './identity-systems.ts'
import { JwksServer, jwk } from './jwks-server.ts'
import { bytes, ecPair, type KeyPair, NOW, rsaPair, SECRET, signed } from './tokens.ts'

const document = readFileSync(path.resolve(import.meta.dirname, '../../../docs/OPERATIONS.md'), 'utf8')
const title = '### Keycloak, Auth0, Cognito, Entra, Okta, Firebase, Supabase, Clerk, Zitadel'
const section = document.slice(document.indexOf(title), document.indexOf('\n## Origins'))

/** The block of settings behind each bold name. */
const blocks = new Map(
  [...section.matchAll(/\*\*([A-Z][\w ]+)\.\*\*[^`]*(?:`(?!``)[^`]*`[^`]*)*```sh\n([\s\S]*?)```/g)].map(
    ([, name = '', lines = '']): [string, Environment] => [
      name,
      Object.fromEntries(
        lines
          .trim()
          .split('\n')
          .map((line) => line.split(/=(.*)/s).slice(0, 2)),
      ),
    ],
  ),
)

const keys: Readonly<Record<IdentitySystem['alg'], KeyPair>> = { RS256: rsaPair(), ES256: ecPair() }
const encryption = rsaPair()
let server: JwksServer

beforeAll(async () => {
  // As Keycloak publishes it, a key for encryption lies beside those for signatures.
  server = await JwksServer.start(
    jwk(encryption, { kid: 'enc', alg: 'RSA-OAEP', use: 'enc' }),
    jwk(keys.RS256, { kid: 'RS256', use: 'sig' }),
    jwk(keys.ES256, { kid: 'ES256', use: 'sig' }),
  )
})
afterAll(() => server.stop())

const outcomeOf = async (environment: Environment, system: IdentitySystem, claims: JWTPayload) => {
  const result = readConfig({ ...environment, SLUICE_JWT_JWKS_URL: server.url })
  if (result.kind === 'invalid') throw new Error(result.problems.join('; '))
  const authenticator = createAuthenticator(result.config.auth, {
    nowMs: () => NOW * 1000,
    reportKeyTrouble: (problem) => expect.unreachable(problem),
  })
  const whole = { ...claims, iat: NOW - 10, exp: NOW + 50 }
  const { alg } = system
  const verification = await authenticator.verify(await signed(whole, keys[alg].privateKey, { alg, kid: alg }))
  if (verification.kind === 'refused') return verification.reason
  const { subject, tenant, scopes } = verification.identity
  return { subject, tenant, scopes: [...scopes] }
}

const settingsOf = ({ name }: IdentitySystem): Environment => {
  const settings = blocks.get(name)
  if (settings === undefined) throw new Error(`docs/OPERATIONS.md has no settings for ${name}`)
  return settings
}

describe('tokens of identity systems', () => {
  it('[AUTH-300] the section of OPERATIONS.md and the table have the same systems', () => {
    expect([...blocks.keys()]).toEqual(identitySystems.map(({ name }) => name))
  })

  it.each(identitySystems)('[AUTH-300] $name: without roles of ours, a user may chat and look back', async (system) => {
    const { SLUICE_JWT_ISSUER, SLUICE_JWT_AUDIENCE, SLUICE_JWT_AUDIENCE_CLAIM } = settingsOf(system)
    const plain = { SLUICE_JWT_ISSUER, SLUICE_JWT_AUDIENCE, SLUICE_JWT_AUDIENCE_CLAIM }
    const expected = { subject: system.plainSubject, tenant: 'default', scopes: ['chat', 'history'] }
    expect(await outcomeOf(plain, system, system.user)).toEqual(expected)
    expect(await outcomeOf(settingsOf(system), system, system.user)).toMatchObject({ scopes: ['chat', 'history'] })
  })

  it.each(identitySystems)('[AUTH-300] $name: the settings of OPERATIONS.md give the identity', async (system) => {
    expect(await outcomeOf(settingsOf(system), system, system.member)).toEqual(system.identity)
    const strict = { ...settingsOf(system), SLUICE_JWT_DEFAULT_SCOPES: 'none' }
    expect(await outcomeOf(strict, system, system.user)).toMatchObject({ scopes: [] })
    expect(await outcomeOf(strict, system, system.member)).toEqual(system.identity)
  })

  it.each(identitySystems)('[AUTH-300] $name: a token of another client or issuer is refused', async (system) => {
    const others = { aud: 'other', client_id: 'other', azp: 'other' }
    expect(await outcomeOf(settingsOf(system), system, { ...system.member, ...others })).toBe('audience')
    const other = { ...system.member, iss: 'https://other.example' }
    expect(await outcomeOf(settingsOf(system), system, other)).toBe('issuer')
  })
})

const withSecret = {
  SLUICE_JWT_SECRET: SECRET,
  SLUICE_JWT_ISSUER: '*',
  SLUICE_JWT_AUDIENCE: '*',
}

const verified = async (environment: Environment, claims: JWTPayload) => {
  const result = readConfig({ ...withSecret, ...environment })
  if (result.kind === 'invalid') throw new Error(result.problems.join('; '))
  const by = createAuthenticator(result.config.auth, { nowMs: () => NOW * 1000, reportKeyTrouble: () => undefined })
  const verification = await by.verify(await signed({ sub: 'ada', exp: NOW + 50, ...claims }, bytes(SECRET)))
  return verification.kind === 'refused' ? verification.reason : verification.identity
}
const scopesOf = async (environment: Environment, claims: JWTPayload) => {
  const identity = await verified(environment, claims)
  return typeof identity === 'string' ? identity : [...identity.scopes]
}

describe('names of claims', () => {
  it.each<[string, JWTPayload, readonly string[]]>([
    ['roles', { roles: ['chat'] }, ['chat']],
    ['roles', { roles: 'chat  editor' }, ['chat']],
    ['https://example.com/roles', { 'https://example.com/roles': ['history'] }, ['history']],
    ['realm_access.roles', { realm_access: { roles: ['chat'] } }, ['chat']],
    ['a.b.c', { 'a.b': { c: 'chat' } }, ['chat']],
    ['a.b.c', { a: { 'b.c': 'chat' } }, ['chat']],
    ['a.b', { 'a.b': ['chat'], a: { b: ['admin'] } }, ['chat']],
    ['a.b', { 'a.b': null, a: { b: ['history'] } }, ['history']],
    ['resource_access.my.client.roles', { resource_access: { 'my.client': { roles: ['chat'] } } }, ['chat']],
    ['scope,roles', { scope: 'openid chat', roles: ['history'] }, ['chat', 'history']],
    ['roles', { roles: { chat: { org: 'acme' }, admin: false, history: null } }, ['chat']],
    ['roles', { scope: 'admin' }, ['chat', 'history']],
    ['roles.0', { roles: ['admin'] }, ['chat', 'history']],
    ['constructor.name', { roles: ['admin'] }, ['chat', 'history']],
    ['__proto__.roles', { roles: ['admin'] }, ['chat', 'history']],
    ['a.a.a.a.a.a.a.a.a', { a: { a: { a: { a: { a: { a: { a: { a: { a: 'admin' } } } } } } } } }, ['chat', 'history']],
  ])('[AUTH-301] scopes in %s of %o are %o', async (claim, claims, scopes) => {
    expect(await scopesOf({ SLUICE_JWT_SCOPES_CLAIM: claim }, claims)).toEqual(scopes)
  })

  it('[AUTH-301] subject, tenant and project are in the claims that the operator names, and have to be names there', async () => {
    const environment = {
      SLUICE_JWT_SUBJECT_CLAIM: 'ids.user',
      SLUICE_JWT_TENANT_CLAIM: 'https://example.com/tenant',
      SLUICE_JWT_PROJECT_CLAIM: 'project_id',
    }
    const claims = { ids: { user: 'u1' }, 'https://example.com/tenant': 'acme', project_id: 'web', tenant: 'no' }
    expect(await verified(environment, claims)).toMatchObject({ subject: 'u1', tenant: 'acme', project: 'web' })
    expect(await verified(environment, {})).toBe('claims')
    expect(await verified(environment, { ...claims, ids: { user: 7 } })).toBe('claims')
    expect(await verified(environment, { ...claims, project_id: ['web'] })).toBe('claims')
  })

  it('[AUTH-302] null in an optional claim counts as absent, and in the subject as none', async () => {
    const claims = { tenant: null, project: null, scope: null, scp: null }
    const identity = await verified({}, claims)
    expect(identity).toMatchObject({ tenant: 'default', scopes: new Set(['chat', 'history']) })
    expect(identity).not.toHaveProperty('project')
    expect(await verified({ SLUICE_JWT_SUBJECT_CLAIM: 'user' }, { user: null })).toBe('claims')
  })

  it.each<[string, JWTPayload, readonly string[]]>([
    ['chat history', { scope: 'openid email' }, ['chat', 'history']],
    ['chat', { scope: '' }, ['chat']],
    ['history', { scp: [] }, ['history']],
    ['history', { scp: ['admin'] }, ['admin']],
    ['none', { scope: 'openid email' }, []],
    ['none', {}, []],
    ['none', { scp: 'chat' }, ['chat']],
  ])('[AUTH-303] with SLUICE_JWT_DEFAULT_SCOPES=%s the claims %o allow %o', async (standard, claims, scopes) => {
    expect(await scopesOf({ SLUICE_JWT_DEFAULT_SCOPES: standard }, claims)).toEqual(scopes)
  })

  it('[AUTH-304] without aud a token is refused, unless the operator names another claim or checks none', async () => {
    const named = { SLUICE_JWT_AUDIENCE: 'app1,app2' }
    const byClient = { ...named, SLUICE_JWT_AUDIENCE_CLAIM: 'client_id' }
    expect(await scopesOf(named, { client_id: 'app1' })).toBe('audience')
    expect(await scopesOf(byClient, { client_id: 'app2' })).toEqual(['chat', 'history'])
    expect(await scopesOf(byClient, { client_id: ['other', 'app1'] })).toEqual(['chat', 'history'])
    for (const client_id of ['app', ['other'], [], null, { app1: true }, 5]) {
      expect(await scopesOf(byClient, { client_id })).toBe('audience')
    }
    expect(await scopesOf(byClient, { aud: 'app1' })).toBe('audience')
    expect(await scopesOf({ SLUICE_JWT_AUDIENCE_CLAIM: 'client_id' }, {})).toEqual(['chat', 'history'])
  })
})
