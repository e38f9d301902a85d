/**
 * Where a token's key may come from. Each source states the algorithms its keys are for, and a token's `alg` only
 * chooses among sources: a public key is never seen as an HMAC secret, which is how a token is forged from a key that
 * everybody may read.
 */
import type { CryptoKey, JWTHeaderParameters } from 'jose'
import type { Secret } from '../config/secret.ts'
import { type JwtAlgorithm, jwtAlgorithms } from '../config/variables.ts'
import type { KeyFiles } from './key-files.ts'
import type { PublicKey } from './public-keys.ts'
import type { FoundKey, TokenKey } from './token-key.ts'

export type FoundKeys =
  | { readonly kind: 'keys'; readonly keys: readonly FoundKey[] }
  /** The keys could not be had now, so nothing is known about the token. `retryAfterMs`: when they are looked for again. */
  | { readonly kind: 'unavailable'; readonly retryAfterMs?: number }
  /** No key of this source is for the token's algorithm. */
  | { readonly kind: 'other-algorithm' }

export type TokenHeader = JWTHeaderParameters & { readonly alg: JwtAlgorithm }

export type KeySource = {
  readonly algorithms: ReadonlySet<JwtAlgorithm>
  /** The keys to try on a token with this header, in order. Called only for one of `algorithms`; never rejects. */
  find(header: TokenHeader): Promise<FoundKeys>
  /** Begins to read the keys again if it is time to, for those who are served while no token comes. Never throws. */
  refresh(): void
}

export const isHmac = (algorithm: JwtAlgorithm): boolean => algorithm.startsWith('HS')

/** Shared secrets, all tried: the first may be the new one, the others those being rotated out. */
export const secretSource = (
  secrets: readonly Secret[],
  algorithms: readonly JwtAlgorithm[] | undefined,
): KeySource => {
  const bytes = secrets.map((secret) => new TextEncoder().encode(secret.reveal()))
  return hmacSource(bytes, hmacAlgorithms(algorithms))
}

export const hmacAlgorithms = (algorithms: readonly JwtAlgorithm[] | undefined): readonly JwtAlgorithm[] =>
  algorithms === undefined ? ['HS256'] : algorithms.filter(isHmac)

/** Secrets that stay for as long as the process runs. */
export const hmacSource = (secrets: readonly Uint8Array[], algorithms: readonly JwtAlgorithm[]): KeySource => {
  const keys = secrets.map((secret) => ({ key: { isRemoved: false }, value: new HmacSecret(secret) }))
  return { algorithms: new Set(algorithms), find: ({ alg }) => importedKeys(keys, alg), refresh: () => undefined }
}

/** Secrets in files, which may be rotated while the process runs. */
export const secretFileSource = (
  files: KeyFiles<HmacSecret>,
  algorithms: readonly JwtAlgorithm[] | undefined,
): KeySource => ({
  algorithms: new Set(hmacAlgorithms(algorithms)),
  find({ alg }) {
    files.refresh()
    return importedKeys(files.current, alg)
  },
  refresh: () => files.refresh(),
})

/** Becomes a key once for each algorithm: given as bytes, `jose` would import it for every token, which costs as much again as verifying. */
export class HmacSecret {
  readonly #bytes: Uint8Array<ArrayBuffer>
  readonly #imported = new Map<JwtAlgorithm, Promise<CryptoKey>>()

  constructor(secret: Uint8Array) {
    this.#bytes = Uint8Array.from(secret)
  }

  for(algorithm: JwtAlgorithm): Promise<CryptoKey> {
    const known = this.#imported.get(algorithm)
    if (known !== undefined) return known
    const hash = `SHA-${algorithm.slice(2)}`
    const made = crypto.subtle.importKey('raw', this.#bytes, { name: 'HMAC', hash }, false, ['verify'])
    this.#imported.set(algorithm, made)
    return made
  }
}

const importedKeys = async (
  secrets: readonly { readonly key: TokenKey; readonly value: HmacSecret }[],
  algorithm: JwtAlgorithm,
): Promise<FoundKeys> => ({
  kind: 'keys',
  keys: await Promise.all(secrets.map(async ({ key, value }) => ({ key, material: await value.for(algorithm) }))),
})

/** Public keys from files. They carry no `kid`, so each that is for the token's algorithm is tried. */
export const publicKeySource = (
  files: KeyFiles<PublicKey>,
  algorithms: readonly JwtAlgorithm[] | undefined,
): KeySource => ({
  // A rotated key may be of another type, so what the keys can do is looked at for each token.
  algorithms: new Set((algorithms ?? jwtAlgorithms).filter((algorithm) => !isHmac(algorithm))),
  async find({ alg }) {
    files.refresh()
    const keys = files.current
      .filter(({ value }) => value.algorithms.includes(alg))
      .map(({ key, value }) => ({ key, material: value.key }))
    return keys.length === 0 ? { kind: 'other-algorithm' } : { kind: 'keys', keys }
  },
  refresh: () => files.refresh(),
})
