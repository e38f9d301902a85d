/**
 * Who a token says it is. Names are compared exactly, byte by byte, so whatever two systems could see differently
 * (control characters, half surrogates, which UTF-8 turns into one and the same replacement character) is refused here.
 */
import type { JWTPayload } from 'jose'
import type { ClaimsConfig } from '../config/shape.ts'
import { claimOf, wordsIn } from './claims.ts'
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

/** Whether a subject, tenant or project has a name that every part of the system sees the same. */
export const isName = (value: unknown): value is string =>
  typeof value === 'string' &&
  value.length >= 1 &&
  value.length <= NAME_MAX_LENGTH &&
  value.isWellFormed() &&
  !/\p{Cc}/u.test(value)

/**
 * Identity systems fill `scope` with words of their own (`openid profile`), so claims that hold none of ours are as none.
 * Undefined: a claim that can hold no words.
 */
const readScopes = (payload: JWTPayload, { scopes: claims, defaultScopes }: ClaimsConfig) => {
  const values = claims.map((name) => claimOf(payload, name)).filter((value) => value !== undefined)
  const words = values.map(wordsIn)
  if (words.includes(undefined)) return undefined
  const granted = scopes.filter((scope) => words.some((named) => named?.includes(scope)))
  return setOf(granted.length === 0 ? defaultScopes : granted)
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
export const readIdentity = (payload: JWTPayload, claims: ClaimsConfig): Identity | undefined => {
  const subject = claimOf(payload, claims.subject)
  const tenant = claimOf(payload, claims.tenant) ?? DEFAULT_TENANT
  const project = claimOf(payload, claims.project)
  const granted = readScopes(payload, claims)
  const expiresAtMs = readExpiry(payload.exp)
  if (!isName(subject) || !isName(tenant) || granted === undefined || expiresAtMs === undefined) return undefined
  const identity = { subject, tenant, scopes: granted, expiresAtMs }
  if (project === undefined) return identity
  return isName(project) ? { ...identity, project } : undefined
}
