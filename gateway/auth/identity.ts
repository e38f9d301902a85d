/**
 * Who a token says it is. Names are compared exactly, byte by byte, so whatever two systems could see differently
 * (control characters, half surrogates, which UTF-8 turns into one and the same replacement character) is refused here.
 */
import type { JWTPayload } from 'jose'
import { NAME_MAX_LENGTH } from './limits.ts'
import type { TokenKey } from './token-key.ts'

export const scopes = ['chat', 'history', 'admin'] as const
export type Scope = (typeof scopes)[number]

export type Identity = {
  readonly subject: string
  /** `default` when the token names none. */
  readonly tenant: string
  readonly project?: string
  readonly scopes: ReadonlySet<Scope>
  /**
   * When it ends, in milliseconds since 1970, without the clock tolerance: the token's `exp`, or the longest that one
   * verification counts (`SLUICE_JWT_MAX_AGE`), whichever comes first.
   */
  readonly expiresAtMs: number
  /** Once this key is removed from its source, the identity ends too. Absent: a key that stays while the process runs. */
  readonly signedBy?: TokenKey
}

const DEFAULT_TENANT = 'default'
const defaultScopes: ReadonlySet<Scope> = new Set(['chat', 'history'])

/** Whether a subject, tenant or project has a name that every part of the system sees the same. */
export const isName = (value: unknown): value is string =>
  typeof value === 'string' &&
  value.length >= 1 &&
  value.length <= NAME_MAX_LENGTH &&
  value.isWellFormed() &&
  !/\p{Cc}/u.test(value)

const readScopes = (claim: unknown): ReadonlySet<Scope> | undefined => {
  if (claim === undefined) return defaultScopes
  const named = typeof claim === 'string' ? claim.split(' ') : claim
  if (!Array.isArray(named) || named.some((name) => typeof name !== 'string')) return undefined
  return setOf(scopes.filter((scope) => named.includes(scope)))
}

/** One set for all tokens with the same scopes: each identity has one for as long as its socket. */
const setOf = (granted: readonly Scope[]): ReadonlySet<Scope> => {
  const name = granted.join(' ')
  const known = sets.get(name) ?? new Set(granted)
  sets.set(name, known)
  return known
}

/** By their scopes, in the order of `scopes`: at most as many as these can be combined. */
const sets = new Map<string, ReadonlySet<Scope>>()

const readExpiry = (claim: unknown): number | undefined => {
  if (typeof claim !== 'number') return undefined
  const expiresAtMs = Math.floor(claim * 1000)
  return Number.isSafeInteger(expiresAtMs) && expiresAtMs > 0 ? expiresAtMs : undefined
}

/** The identity in verified claims; undefined when a claim is missing or not what it has to be. */
export const readIdentity = (payload: JWTPayload): Identity | undefined => {
  const { sub: subject, tenant = DEFAULT_TENANT, project } = payload
  const granted = readScopes(payload.scope)
  const expiresAtMs = readExpiry(payload.exp)
  if (!isName(subject) || !isName(tenant) || granted === undefined || expiresAtMs === undefined) return undefined
  const identity = { subject, tenant, scopes: granted, expiresAtMs }
  if (project === undefined) return identity
  return isName(project) ? { ...identity, project } : undefined
}
