/**
 * The whole vocabulary of a refused token. Messages are constants: nothing of a token is ever repeated, since messages
 * reach logs and screens. The signature is checked before the claims, so every reason from `expired` on is true of a
 * token that somebody with the key has made.
 */
import { errors } from 'jose'

const messages = {
  malformed: 'the token is not a signed JWT; send the compact form, at most 16 KiB',
  algorithm: 'the token is signed with an algorithm that is not accepted here',
  signature: "the token's signature fits none of the keys; get a new token",
  expired: 'the token has expired; get a new one',
  'not-yet': 'the token is not valid yet (nbf, iat); check the clocks',
  audience: 'the token is for another audience, or names none; get one made for this service',
  issuer: 'the token is from an issuer (iss) that is not accepted here',
  claims: "the token's claims are not complete: subject and exp are required, names have 1 to 256 characters",
  unavailable: 'unable to verify the token: the signing keys cannot be fetched now; try again',
} as const

export type RefusalReason = keyof typeof messages

export interface Refusal {
  readonly kind: 'refused'
  readonly reason: RefusalReason
  readonly message: string
  /** Of `unavailable`: when the same token is worth showing again, in milliseconds. */
  readonly retryAfterMs?: number
}

export const refuse = (reason: RefusalReason): Refusal => ({ kind: 'refused', reason, message: messages[reason] })

/** The token's key is not known yet, and the keys are fetched again no sooner than this. */
export const refuseUntil = (retryAfterMs: number): Refusal => ({
  kind: 'refused',
  reason: 'unavailable',
  message: 'unable to verify the token: its key (kid) is not in the key set yet; try again later',
  retryAfterMs,
})

const reasonOfClaim = (error: errors.JWTClaimValidationFailed): RefusalReason => {
  switch (error.claim) {
    case 'aud':
      return 'audience'
    case 'iss':
      return 'issuer'
    case 'nbf':
      return error.reason === 'check_failed' ? 'not-yet' : 'claims'
    default:
      return 'claims'
  }
}

/** Why jose did not accept a token; undefined for an error that is no judgement on the token, but a bug. */
export const reasonOf = (error: unknown): RefusalReason | undefined => {
  if (error instanceof errors.JWTExpired) return 'expired'
  if (error instanceof errors.JWTClaimValidationFailed) return reasonOfClaim(error)
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature'
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm'
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return 'malformed'
  // A critical header that nobody here understands (RFC 7515, section 4.1.11).
  if (error instanceof errors.JOSENotSupported) return 'malformed'
  return undefined
}
