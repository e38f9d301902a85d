import type { IdentifierKind } from '../policy.ts'

/** What is redacted is of one of the kinds that are known, or of a pattern of the operator's own. */
export type RedactedKind = IdentifierKind | 'custom'

/** Where an identifier stands in a text, in UTF-16 units. `label` names it in its placeholder. */
export interface Identifier {
  readonly kind: RedactedKind
  readonly label: string
  readonly start: number
  readonly end: number
}

/** Finds in a text as `plain-text.ts` reads it; in order, without overlaps among its own. */
export type Finder = (plain: string) => Identifier[]

export function isWordCharacter(code: number): boolean {
  return isAsciiDigit(code) || isAsciiLetter(code) || code === 0x5f
}

/** Whether a letter or digit stands there. `_` does not count: Markdown writes emphasis with it. */
export function touchesAlphanumeric(plain: string, index: number): boolean {
  const code = plain.charCodeAt(index)
  return isAsciiDigit(code) || isAsciiLetter(code)
}

/** The same for what has no check digit: `_` counts where it joins words, as in `id_123`, and not in `_123_`. */
export function touchesWord(plain: string, index: number, step: 1 | -1): boolean {
  let at = index
  while (plain.charCodeAt(at) === 0x5f && Math.abs(at - index) < emphasisUnits) at += step
  return isWordCharacter(plain.charCodeAt(at))
}

/** Signs of emphasis in a row. */
const emphasisUnits = 3

export function isAsciiDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

export function isAsciiLetter(code: number): boolean {
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x7a
}
