/** Public keys from PEM files, read once at the start, and everything that can be wrong with them told then. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { JwtAlgorithm } from '../config/variables.ts'
import { KEY_FILE_MAX_BYTES, RSA_MIN_BITS } from './limits.ts'

export type PublicKey = {
  readonly key: KeyObject
  /** What a key of this type can have signed. */
  readonly algorithms: readonly JwtAlgorithm[]
}

type Loaded = { readonly kind: 'ok'; readonly key: PublicKey } | { readonly kind: 'wrong'; readonly problem: string }

const VARIABLE = 'SLUICE_JWT_PUBLIC_KEY_FILE'
const begins = /-----BEGIN ([A-Z0-9 ]+)-----/g
const publicLabels = new Set(['PUBLIC KEY', 'RSA PUBLIC KEY', 'CERTIFICATE'])
const rsaAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const

const algorithmsOf = (key: KeyObject): readonly JwtAlgorithm[] => {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return modulusLength >= RSA_MIN_BITS ? rsaAlgorithms : []
    case 'ed25519':
      return ['EdDSA', 'Ed25519']
    case 'ec':
      if (namedCurve === 'prime256v1') return ['ES256']
      if (namedCurve === 'secp384r1') return ['ES384']
      return namedCurve === 'secp521r1' ? ['ES512'] : []
    default:
      return []
  }
}

const parsePem = (pem: string, file: string): Loaded => {
  const wrong = (problem: string): Loaded => ({ kind: 'wrong', problem: `${VARIABLE}: ${file} ${problem}` })
  const labels = [...pem.matchAll(begins)].map(([, label = '']) => label)
  // Node would derive the public key from a private one, and the secret would stay lying where it does not belong.
  if (labels.some((label) => label.includes('PRIVATE'))) {
    return wrong('holds a private key; give the gateway the public key alone')
  }
  if (labels.length !== 1 || !publicLabels.has(labels[0] ?? '')) {
    return wrong('does not hold exactly one public key in PEM form; write each key into a file of its own')
  }
  try {
    const key = createPublicKey(pem)
    const algorithms = algorithmsOf(key)
    if (algorithms.length > 0) return { kind: 'ok', key: { key, algorithms } }
    return wrong(`holds a key that is not usable; take RSA of ${RSA_MIN_BITS} bits or more, P-256/384/521 or Ed25519`)
  } catch {
    return wrong('holds a public key that cannot be read; write it anew')
  }
}

const load = (file: string): Loaded => {
  try {
    // A device or a pipe has no size, and would be read for ever.
    const { size } = statSync(file)
    if (size > KEY_FILE_MAX_BYTES) {
      return { kind: 'wrong', problem: `${VARIABLE}: ${file} is larger than ${KEY_FILE_MAX_BYTES} bytes; it is no key` }
    }
    return parsePem(readFileSync(file, 'utf8'), file)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    return { kind: 'wrong', problem: `${VARIABLE}: unable to read ${file}: ${code}; name a readable PEM file` }
  }
}

export type PublicKeysResult =
  | { readonly kind: 'ok'; readonly keys: readonly PublicKey[] }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] }

/**
 * Reads one public key (SPKI, PKCS#1 or an X.509 certificate) from each file. With `algorithms`, a key that is for
 * none of them is a problem too. Synchronous: for the start of the process alone.
 */
export const loadPublicKeys = (
  files: readonly string[],
  algorithms: readonly JwtAlgorithm[] | undefined,
): PublicKeysResult => {
  const keys: PublicKey[] = []
  const problems: string[] = []
  for (const file of files) {
    const loaded = load(file)
    if (loaded.kind === 'wrong') {
      problems.push(loaded.problem)
    } else if (algorithms !== undefined && !loaded.key.algorithms.some((algorithm) => algorithms.includes(algorithm))) {
      problems.push(`${VARIABLE}: ${file} is for none of SLUICE_JWT_ALGORITHMS; add its algorithm or remove the file`)
    } else {
      keys.push(loaded.key)
    }
  }
  return problems.length === 0 ? { kind: 'ok', keys } : { kind: 'invalid', problems }
}
