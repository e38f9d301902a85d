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
  const bytes = secrets.map((secret) => new TextEncoder().encode(secret.reveal()))
  return hmacSource(bytes, algorithms === undefined ? ['HS256'] : algorithms.filter(isHmac))
}

/** Each secret becomes a key once for each algorithm: given as bytes, `jose` would import it for every token, which costs as much again as verifying. */
export const hmacSource = (secrets: readonly Uint8Array[], algorithms: readonly JwtAlgorithm[]): KeySource => {
  const keys = new Map<JwtAlgorithm, Promise<readonly CryptoKey[]>>()
  const imported = (algorithm: JwtAlgorithm) => {
    const known = keys.get(algorithm)
    if (known !== undefined) return known
    const hash = `SHA-${algorithm.slice(2)}`
    const made = Promise.all(
      secrets.map((secret) =>
        crypto.subtle.importKey('raw', Uint8Array.from(secret), { name: 'HMAC', hash }, false, ['verify']),
      ),
    )
    keys.set(algorithm, made)
    return made
  }
  return {
    algorithms: new Set(algorithms),
    find: async ({ alg }) => ({ kind: 'keys', keys: await imported(alg) }),
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
