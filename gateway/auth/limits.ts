/** Every bound of authentication, with its unit and what happens at it. */

import { tokenBytes } from '../../protocol/limits.ts'

/** A longer token is refused as malformed before anything parses it. UTF-16 units, which for a JWT are bytes. */
export const TOKEN_MAX_BYTES = tokenBytes

/** How far two clocks may be apart, in seconds; added to `exp`, taken from `nbf`. */
export const CLOCK_TOLERANCE_SECONDS = 5

/** Subject, tenant and project: at least 1 and at most so many UTF-16 units, else the claims are refused. */
export const NAME_MAX_LENGTH = 256

/** A token without `kid` is tried with at most so many keys of a key set; a further one is not looked at. */
export const KEYS_TRIED_MAX_COUNT = 8

/** A PEM file above this is not a public key, and is refused at the start. */
export const KEY_FILE_MAX_BYTES = 64 * 1024

/** A key set's document above this is not read to its end, and counts as a failed fetch. */
export const JWKS_MAX_BYTES = 512 * 1024

/** RSA keys below this are not used (RFC 7518, section 3.3). */
export const RSA_MIN_BITS = 2048

/** Longest life of a development token, in seconds; a longer one is refused. */
export const DEVELOPMENT_TOKEN_MAX_SECONDS = 24 * 3600

/** Tokens of one key that are remembered as verified; a further one takes the oldest's place. About 150 bytes each. */
export const VERIFIED_TOKENS_MAX_COUNT = 20_000
