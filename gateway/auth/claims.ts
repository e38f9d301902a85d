/**
 * Where identity systems put what a token says. A name may itself have dots (`https://example.com/roles`), and may be a
 * way into objects (`realm_access.roles`); so the whole name is looked for first, then ever shorter beginnings of it.
 */
import type { JWTPayload } from 'jose'
import { CLAIM_STEPS_MAX_COUNT } from './limits.ts'

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The claim's value; undefined when it is absent or `null`, which some systems send for "none". */
export const claimOf = (payload: JWTPayload, name: string): unknown =>
  valueIn(payload, name.split('.'), CLAIM_STEPS_MAX_COUNT)

const valueIn = (holder: unknown, parts: readonly string[], stepsLeft: number): unknown => {
  if (!isObject(holder) || stepsLeft === 0) return undefined
  for (let count = parts.length; count > 0; count -= 1) {
    const name = parts.slice(0, count).join('.')
    if (!Object.hasOwn(holder, name)) continue
    const value = count === parts.length ? holder[name] : valueIn(holder[name], parts.slice(count), stepsLeft - 1)
    if (value !== undefined && value !== null) return value
  }
  return undefined
}

/**
 * The words in a claim of scopes or roles: a string with blanks between them, an array, or an object whose keys they are
 * (Zitadel's roles). A key that is `false`, `null`, 0 or empty is no word. Undefined: the claim is of no such form.
 */
export const wordsIn = (claim: unknown): readonly string[] | undefined => {
  if (typeof claim === 'string') return claim.split(' ')
  if (Array.isArray(claim)) return claim.every((word) => typeof word === 'string') ? claim : undefined
  if (!isObject(claim)) return undefined
  return Object.keys(claim).filter((key) => Boolean(claim[key]))
}

/** Whether the claim is one of `names`, or an array that has one of them. */
export const namesAny = (claim: unknown, names: readonly string[]): boolean =>
  Array.isArray(claim)
    ? claim.some((entry) => names.includes(entry))
    : typeof claim === 'string' && names.includes(claim)
