/** What certificates and private keys of a target must be to be used. Says what is wrong without their text. */
import { createPrivateKey, X509Certificate } from 'node:crypto'

/** Undefined: nothing is wrong with it, or it is not there. */
export function certificateWords(pem: string | undefined): string | undefined {
  if (pem === undefined) return undefined
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  const areGood = certificates.every((certificate) => !fails(() => new X509Certificate(certificate)))
  return certificates.length > 0 && areGood ? undefined : 'names a file without a certificate in PEM; put one into it'
}

/** Undefined: the key belongs to the certificate, or one of them is not there. */
export function keyPairWords(certificate: string | undefined, key: string | undefined): string | undefined {
  if (certificate === undefined || key === undefined) return undefined
  if (fails(() => createPrivateKey(key)))
    return 'names a file without a private key in PEM, or with a passphrase; put the key alone into it'
  if (fails(() => new X509Certificate(certificate)))
    return 'has a certFile without a certificate in PEM; put one into it'
  const fits = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
  return fits ? undefined : 'names a key that is not of the certificate in certFile; set the two that belong together'
}

function fails(make: () => unknown): boolean {
  try {
    make()
    return false
  } catch {
    return true
  }
}
