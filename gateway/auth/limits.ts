/** Every bound of authentication, with its unit and what happens at it. */

import { tokenBytes } from '../../protocol/limits.ts'

/** A longer token is refused as malformed before anything parses it. UTF-16 units, which for a JWT are bytes. */
export const TOKEN_MAX_BYTES = tokenBytes

/** How far two clocks may be apart, in seconds; added to `exp`, taken from `nbf`. */
export const CLOCK_TOLERANCE_SECONDS = 5

/** Subject, tenant and project: at least 1 and at most so many UTF-16 units, else the claims are refused. */
export const NAME_MAX_LENGTH = 256

/** The name of a claim goes into at most so many objects; what lies deeper is absent. */
export const CLAIM_STEPS_MAX_COUNT = 8

/** A token without `kid` is tried with at most so many keys of a key set; a further one is not looked at. */
export const KEYS_TRIED_MAX_COUNT = 8

/** A PEM file above this is not a public key, and is refused at the start. */
export const KEY_FILE_MAX_BYTES = 64 * 1024

/** A key set's document above this is not read to its end, and counts as a failed fetch. */
export const JWKS_MAX_BYTES = 512 * 1024

/** Entries of a key set; those after them are left out, and the operator is told. */
export const JWKS_KEYS_MAX_COUNT = 256

/** Redirects of a key set that are followed, to the same origin or to https; one more counts as a failed fetch. */
export const JWKS_REDIRECTS_MAX_COUNT = 3

/**
 * Unknown `kid`s that a key set remembers between two fetches, and as many that a fetch looked for in vain. Above, new ones are not
 * remembered and the oldest are forgotten: they are answered `unavailable` until the next fetch. UTF-16 units for the length; a longer one is refused.
 */
export const UNKNOWN_KIDS_MAX_COUNT = 512
export const KID_MAX_LENGTH = 256

/**
 * The longest that a key counts after its source ceased to name it, in milliseconds: then its tokens are refused, and its
 * sockets and streams are closed. Longer only while a key set's endpoint does not answer. The times of the sources and
 * `TOKEN_LOOK_MS` are chosen to keep it.
 */
export const KEY_REMOVAL_MAX_MS = 60_000

/** How often key files are read again while tokens come or sockets are open, in milliseconds. */
export const KEY_FILE_LOOK_MS = 5_000

/** Looks at which a key file has to be missing before its key counts as removed: files may be replaced in two steps. */
export const KEY_FILE_GONE_LOOKS = 2

/** How often open streams look whether their token has ended, in milliseconds; sockets look at least as often. */
export const TOKEN_LOOK_MS = 1_000

/** RSA keys below this are not used (RFC 7518, section 3.3). */
export const RSA_MIN_BITS = 2048

/** Longest life of a development token, in seconds; a longer one is refused. */
export const DEVELOPMENT_TOKEN_MAX_SECONDS = 24 * 3600

/** Tokens of one key that are remembered as verified; a further one takes the oldest's place. About 150 bytes each. */
export const VERIFIED_TOKENS_MAX_COUNT = 20_000
