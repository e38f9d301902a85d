/** Keys and tokens made with jose's or node's own hands, so that tests do not trust what they test. */
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type JWTPayload, SignJWT } from 'jose'
import { standardClaims } from '../../../gateway/config/claim-variables.ts'
import type { JwtConfig } from '../../../gateway/config.ts'
import { Secret } from '../../../gateway/config.ts'

export const ISSUER = 'https://issuer.example'
export const AUDIENCE = 'sluice'
/** The instant all these tests happen at, in seconds since 1970. */
export const NOW = 1_900_000_000
export const SECRET = 'a-secret-of-at-least-32-bytes-000'

export const goodClaims: JWTPayload = { sub: 'ada', iss: ISSUER, aud: AUDIENCE, exp: NOW + 600 }

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

type Header = { readonly alg: string; readonly kid?: string }

export const signed = (
  claims: JWTPayload,
  key: Uint8Array | KeyObject = bytes(SECRET),
  header: Header = { alg: 'HS256' },
): Promise<string> => new SignJWT(claims).setProtectedHeader(header).sign(key)

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A token no library would make: any header over any payload, with an HMAC over both. */
export const handSigned = (header: unknown, payload: unknown, secret: string = SECRET): string => {
  const body = `${part(header)}.${part(payload)}`
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`
}

export const unsigned = (header: unknown, payload: unknown): string => `${part(header)}.${part(payload)}.`

export const jwtConfig = (overrides: Partial<JwtConfig> = {}): JwtConfig => ({
  mode: 'jwt',
  secrets: [],
  secretFiles: [],
  publicKeyFiles: [],
  jwksUrl: undefined,
  issuers: [ISSUER],
  audiences: [AUDIENCE],
  claims: standardClaims,
  algorithms: undefined,
  maxAgeMs: 24 * 3_600_000,
  ...overrides,
})

export const secretConfig = (overrides: Partial<JwtConfig> = {}): JwtConfig =>
  jwtConfig({ secrets: [new Secret(SECRET)], ...overrides })

export type KeyPair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject }

export const rsaPair = (bits = 2048): KeyPair => generateKeyPairSync('rsa', { modulusLength: bits })
export const ecPair = (namedCurve = 'P-256'): KeyPair => generateKeyPairSync('ec', { namedCurve })
export const ed25519Pair = (): KeyPair => generateKeyPairSync('ed25519')

export const publicPem = (pair: KeyPair): string => pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()
