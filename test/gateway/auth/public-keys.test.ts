import { createPrivateKey, createPublicKey } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AuthenticatorSetupError, createAuthenticator } from '../../../gateway/auth/authenticator.ts'
import { type JwtAlgorithm, type JwtConfig, Secret } from '../../../gateway/config.ts'
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

const dependencies = { nowMs: () => NOW * 1000, reportKeyTrouble: () => undefined }

let folder = ''
let fileCount = 0
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const file = (text: string): string => {
  fileCount += 1
  const path = join(folder, `${fileCount}.pem`)
  writeFileSync(path, text)
  return path
}

const rsa = rsaPair()
const ed25519 = ed25519Pair()
const p256 = ecPair()

// Made for this test and for nothing else; node can read certificates but not make them.
const certificateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg+9SDUegCB45ex/f3
GCAAJlUZVSpfB5DHrw/7PuYy0rihRANCAASXmPh6OB2Aueque9WlqFnYgYCey+Y5
ClosZuQNbYsLnIZojMWPTl+nhFugAirRv6d8xuZIYDAXJ6JfN0iIRpv6
-----END PRIVATE KEY-----`
const certificate = `-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIUHav2TbinX6J9Q1MazzR7anphSfwwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLc2x1aWNlLXRlc3QwHhcNMjYxMTIyMTA0NjE4WhcNMjYxMTIz
MTA0NjE4WjAWMRQwEgYDVQQDDAtzbHVpY2UtdGVzdDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABJeY+Ho4HYC56q571aWoWdiBgJ7L5jkKWixm5A1tiwuchmiMxY9O
X6eEW6ACKtG/p3zG5khgMBcnol83SIhGm/qjUzBRMB0GA1UdDgQWBBTZUFqv7FI9
Sf0fDPKdp/GmXGZw+TAfBgNVHSMEGDAWgBTZUFqv7FI9Sf0fDPKdp/GmXGZw+TAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIHEhVN08V5zfOp4sg+Xb
kUncUq3d2OGm0Cq0Ki+HC2FMAiEApf+hINLF/5eZX8Rn+gyT4PnzpJQwX98QhJYK
1k9ZTNc=
-----END CERTIFICATE-----`

const outcome = async (config: Partial<JwtConfig>, token: string): Promise<string> => {
  const verification = await createAuthenticator(jwtConfig(config), dependencies).verify(token)
  return verification.kind === 'ok' ? 'ok' : verification.reason
}

const withKeys = (...pairs: readonly KeyPair[]) => ({ publicKeyFiles: pairs.map((pair) => file(publicPem(pair))) })

const problemsOf = (config: Partial<JwtConfig>): readonly string[] => {
  try {
    createAuthenticator(jwtConfig(config), dependencies)
  } catch (error) {
    if (error instanceof AuthenticatorSetupError) return error.problems
    throw error
  }
  return []
}

describe('public keys from files', () => {
  it.each([
    ['RS256', rsa],
    ['RS512', rsa],
    ['PS256', rsa],
    ['ES256', p256],
    ['ES384', ecPair('P-384')],
    ['ES512', ecPair('P-521')],
    ['EdDSA', ed25519],
    ['Ed25519', ed25519],
  ] satisfies (readonly [JwtAlgorithm, KeyPair])[])('[AUTH-16] %s is verified with a PEM key', async (alg, pair) => {
    const token = await signed(goodClaims, pair.privateKey, { alg })
    expect(await outcome(withKeys(pair), token)).toBe('ok')
    expect(await outcome(withKeys(pair), await signed({ ...goodClaims, exp: 1 }, pair.privateKey, { alg }))).toBe(
      'expired',
    )
    const ofAnother = pair === rsa ? rsaPair() : ecPair(pair.publicKey.asymmetricKeyDetails?.namedCurve ?? 'P-256')
    if (pair !== ed25519) expect(await outcome(withKeys(ofAnother), token)).toBe('signature')
    else expect(await outcome(withKeys(ed25519Pair()), token)).toBe('signature')
  })

  it('[AUTH-16] several keys serve together, of one type and of different ones, whatever kid a token names', async () => {
    const another = ecPair()
    const config = withKeys(rsa, p256, another)
    expect(await outcome(config, await signed(goodClaims, rsa.privateKey, { alg: 'RS256', kid: 'k' }))).toBe('ok')
    expect(await outcome(config, await signed(goodClaims, p256.privateKey, { alg: 'ES256' }))).toBe('ok')
    expect(await outcome(config, await signed(goodClaims, another.privateKey, { alg: 'ES256' }))).toBe('ok')
    expect(await outcome(config, await signed(goodClaims, ed25519.privateKey, { alg: 'EdDSA' }))).toBe('algorithm')
  })

  it('[AUTH-16] an allow-list narrows what a key may be used for', async () => {
    const config = { ...withKeys(rsa), algorithms: ['PS256'] as const }
    expect(await outcome(config, await signed(goodClaims, rsa.privateKey, { alg: 'PS256' }))).toBe('ok')
    expect(await outcome(config, await signed(goodClaims, rsa.privateKey, { alg: 'RS256' }))).toBe('algorithm')
  })

  it.each(['spki', 'pkcs1'] as const)('[AUTH-17] the public key in %s form is no HMAC secret', async (type) => {
    const pem = rsa.publicKey.export({ type, format: 'pem' }).toString()
    const config = { publicKeyFiles: [file(pem)] }
    for (const secret of [pem, pem.trim(), pem.replaceAll('\n', '')]) {
      const forged = handSigned({ alg: 'HS256', typ: 'JWT' }, goodClaims, secret)
      expect(await outcome(config, forged)).toBe('algorithm')
      expect(await outcome({ ...config, secrets: [new Secret(SECRET)] }, forged)).toBe('signature')
    }
  })

  it('[AUTH-17] secrets and public keys side by side each verify their own algorithms', async () => {
    const config = { ...withKeys(p256), secrets: [new Secret(SECRET)] }
    expect(await outcome(config, await signed(goodClaims))).toBe('ok')
    expect(await outcome(config, await signed(goodClaims, p256.privateKey, { alg: 'ES256' }))).toBe('ok')
  })

  it('[AUTH-18] a certificate and a PKCS#1 key are read', async () => {
    const pkcs1 = rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString()
    const token = await signed(goodClaims, rsa.privateKey, { alg: 'RS256' })
    const certified = await signed(goodClaims, createPrivateKey(certificateKey), { alg: 'ES256' })
    expect(await outcome({ publicKeyFiles: [file(certificate)] }, certified)).toBe('ok')
    expect(await outcome({ publicKeyFiles: [file(pkcs1)] }, token)).toBe('ok')
  })

  const spki = publicPem(rsa)
  it.each([
    ['a private key', p256.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'holds a private key'],
    ['an old private key', rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(), 'holds a private key'],
    ['two keys', `${spki}${publicPem(p256)}`, 'exactly one public key'],
    ['nothing', '', 'exactly one public key'],
    ['a text', 'hello', 'exactly one public key'],
    ['a cut key', spki.replace(/\n[^\n]+\n[^\n]+\n-----END/, '\n-----END'), 'cannot be read'],
    ['a short RSA key', publicPem(rsaPair(1024)), 'not usable'],
    ['a curve nobody signs tokens with', publicPem(ecPair('secp256k1')), 'not usable'],
    ['a megabyte', spki.padEnd(1_000_000, '\n'), 'larger than'],
  ])('[AUTH-18] %s is refused at the start', (_what, text, problem) => {
    const path = file(text)
    const problems = problemsOf({ publicKeyFiles: [path] })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(`SLUICE_JWT_PUBLIC_KEY_FILE: ${path} `)
    expect(problems[0]).toContain(problem)
  })

  it('[AUTH-18] all files that are wrong are told, also a missing one and one no algorithm is listed for', () => {
    const missing = join(folder, 'missing.pem')
    const problems = problemsOf({ publicKeyFiles: [missing, folder, file(publicPem(p256))], algorithms: ['RS256'] })
    expect(problems).toHaveLength(3)
    expect(problems[0]).toContain('ENOENT')
    expect(problems[1]).toContain('EISDIR')
    expect(problems[2]).toContain('none of SLUICE_JWT_ALGORITHMS')
  })

  it('[AUTH-18] what the refused files would have been is a key, so the refusals are ours', () => {
    expect(createPublicKey(p256.privateKey.export({ type: 'pkcs8', format: 'pem' })).type).toBe('public')
    expect(createPublicKey(publicPem(rsaPair(1024))).type).toBe('public')
  })
})
