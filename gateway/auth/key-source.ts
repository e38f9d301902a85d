/**
 * Where a token's key may come from. Each source states the algorithms its keys are for, and a token's `alg` only
 * chooses among sources: a public key is never seen as an HMAC secret, which is how a token is forged from a key that
 * everybody may read.
 */
import type { CryptoKey, JWTHeaderParameters, KeyObject } from 'jose'
import type { Secret } from '../config/secret.ts'
import type { JwtAlgorithm } from '../config/variables.ts'
import type { PublicKey } from './public-keys.ts'

export type VerificationKey = Uint8Array | KeyObject | CryptoKey

/** `unavailable`: the keys could not be had now, so nothing is known about the token. */
export type FoundKeys =
  | { readonly kind: 'keys'; readonly keys: readonly VerificationKey[] }
  | { readonly kind: 'unavailable' }

export type TokenHeader = JWTHeaderParameters & { readonly alg: JwtAlgorithm }

export type KeySource = {
  readonly algorithms: ReadonlySet<JwtAlgorithm>
  /** The keys to try on a token with this header, in order. Called only for one of `algorithms`; never rejects. */
  find(header: TokenHeader): Promise<FoundKeys>
}

const isHmac = (algorithm: JwtAlgorithm): boolean => algorithm.startsWith('HS')

/** Shared secrets, all tried: the first may be the new one, the others those being rotated out. */
export const secretSource = (
  secrets: readonly Secret[],
  algorithms: readonly JwtAlgorithm[] | undefined,
): KeySource => {
  const keys = secrets.map((secret) => new TextEncoder().encode(secret.reveal()))
  return {
    algorithms: new Set(algorithms === undefined ? ['HS256'] : algorithms.filter(isHmac)),
    find: async () => ({ kind: 'keys', keys }),
  }
}

/** Public keys from files. They carry no `kid`, so each that is for the token's algorithm is tried. */
export const publicKeySource = (
  publicKeys: readonly PublicKey[],
  algorithms: readonly JwtAlgorithm[] | undefined,
): KeySource => {
  const usable = publicKeys.flatMap((key) => key.algorithms)
  return {
    algorithms: new Set(usable.filter((algorithm) => algorithms === undefined || algorithms.includes(algorithm))),
    find: async ({ alg }) => ({
      kind: 'keys',
      keys: publicKeys.filter((key) => key.algorithms.includes(alg)).map(({ key }) => key),
    }),
  }
}
