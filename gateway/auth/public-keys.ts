/** A public key in PEM form, and everything that can be wrong with it. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { JwtAlgorithm } from '../config/variables.ts'
import type { ParsedKey } from './key-files.ts'
import { RSA_MIN_BITS } from './limits.ts'

export type PublicKey = {
  readonly key: KeyObject
  /** What a key of this type can have signed. */
  readonly algorithms: readonly JwtAlgorithm[]
}

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

const wrong = (problem: string): ParsedKey<PublicKey> => ({ kind: 'wrong', problem })

/**
 * One public key (SPKI, PKCS#1 or an X.509 certificate). With `algorithms`, a key that is for none of them is wrong too.
 * A problem goes on after the file's name.
 */
export const parsePublicKey = (pem: string, algorithms: readonly JwtAlgorithm[] | undefined): ParsedKey<PublicKey> => {
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
    const own = algorithmsOf(key)
    if (own.length === 0) {
      return wrong(`holds a key that is not usable; take RSA of ${RSA_MIN_BITS} bits or more, P-256/384/521 or Ed25519`)
    }
    if (algorithms !== undefined && !own.some((algorithm) => algorithms.includes(algorithm))) {
      return wrong('is for none of SLUICE_JWT_ALGORITHMS; add its algorithm or remove the file')
    }
    return {
      kind: 'ok',
      id: key.export({ type: 'spki', format: 'der' }).toString('base64'),
      value: { key, algorithms: own },
    }
  } catch {
    return wrong('holds a public key that cannot be read; write it anew')
  }
}
