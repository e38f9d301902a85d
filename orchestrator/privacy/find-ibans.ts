/**
 * IBANs, compact or in groups, in either case: of a country that has them, of its length, with the right remainder. With single
 * spaces or dashes the groups may have any size; with anything else between them, they are of four.
 */
import { gapAt, gapKey, isPlainGap } from './groups.ts'
import { type Identifier, isAsciiDigit, isAsciiLetter } from './identifier.ts'

/** Latin letters, with accents too, and the scripts that have look-alikes of them. */
const letter = 'A-Za-z\\u00c0-\\u024f\\u0370-\\u04ff\\u1e00-\\u1eff'
const gap = `[^${letter}0-9]{0,5}`
const beginning = new RegExp(`(?<![${letter}0-9])[${letter}]{2}${gap}\\d\\d(?=${gap}[${letter}0-9])`, 'g')

/** From the registry of ISO 13616: length, then the countries that have it. */
const countries: readonly (readonly [length: number, codes: string])[] = [
  [15, 'NO'],
  [16, 'BE'],
  [18, 'DK FI FO GL NL SD FK'],
  [19, 'MK SI'],
  [20, 'AT BA EE KZ LT LU XK MN'],
  [21, 'CH HR LI LV'],
  [22, 'BG BH CR DE GB GE IE ME RS VA'],
  [23, 'AE GI IL IQ OM SO TL'],
  [24, 'AD CZ ES MD PK RO SA SE SK TN VG'],
  [25, 'LY PT ST'],
  [26, 'IS TR'],
  [27, 'BI DJ FR GR IT MC MR SM'],
  [28, 'AL AZ BY CY DO GT HN HU LB NI PL SV'],
  [29, 'BR EG PS QA UA'],
  [30, 'JO KW MU YE'],
  [31, 'MT SC'],
  [32, 'LC'],
  [33, 'RU'],
]
const lengthOf = new Map(countries.flatMap(([length, codes]) => codes.split(' ').map((code) => [code, length])))

export function findIbans(plain: string): Identifier[] {
  const found: Identifier[] = []
  let from = 0
  for (const { 0: text, index } of plain.matchAll(beginning)) {
    const length = lengthOf.get(latinOf(text.charAt(0)) + latinOf(text.charAt(1)))
    if (length === undefined || index < from) continue
    const end = ibanEnd(plain, index, length)
    if (end === undefined) continue
    found.push({ kind: 'iban', label: 'IBAN', start: index, end })
    from = end
  }
  return found
}

/** Cyrillic and Greek capitals that look like Latin ones: the remainder says whether they are meant so. */
const cyrillicAndGreek = 'АВСЕНІЈКМОРЅТХУΑΒΕΗΙΚΜΝΟΡΤΥΖΧ'
const latin = 'ABCEHIJKMOPSTXYABEHIKMNOPTYZX'

/** A digit, or a capital letter without its accents; empty for what is neither nor looks like it. */
function latinOf(character: string): string {
  const code = character.charCodeAt(0)
  if (character === '' || code < 0x80) return isAsciiDigit(code) || isAsciiLetter(code) ? character.toUpperCase() : ''
  const upper = character.toUpperCase()
  const at = cyrillicAndGreek.indexOf(upper)
  if (at !== -1) return latin.charAt(at)
  const base = upper.normalize('NFD').charAt(0)
  return /^[A-Z]$/.test(base) ? base : ''
}

function ibanEnd(plain: string, start: number, length: number): number | undefined {
  const shape = new Shape()
  let iban = ''
  let index = start
  while (iban.length < length) {
    const character = latinOf(plain.charAt(index))
    if (character !== '') {
      iban += character
      index++
      continue
    }
    const separators = gapAt(plain, index)
    if (separators === '' || !shape.allows(iban.length, separators)) return undefined
    index += separators.length
  }
  const goesOn = latinOf(plain.charAt(index)) !== ''
  return goesOn || !shape.isWhole || !isChecked(iban) ? undefined : index
}

/** What was between the groups so far. */
class Shape {
  #isPlain = true
  #isRegular = true
  #isCountryApart = false
  #gapCount = 0
  #key: string | undefined

  /** `No. 123456789…` is a number: where the country stands apart, the rest is in groups too. */
  get isWhole(): boolean {
    return !this.#isCountryApart || this.#gapCount > 2
  }

  /** Whether a gap may follow so many characters. */
  allows(before: number, separators: string): boolean {
    this.#key ??= gapKey(separators)
    this.#gapCount++
    this.#isCountryApart ||= before === 2
    this.#isPlain &&= isPlainGap(separators) && before >= 4
    this.#isRegular &&= gapKey(separators) === this.#key && (before === 2 || before % 4 === 0)
    return this.#isPlain || this.#isRegular
  }
}

/** ISO 7064: the number, its first four characters at the end and A to Z as 10 to 35, leaves 1 when divided by 97. */
function isChecked(iban: string): boolean {
  let remainder = 0
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36)
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97
  }
  return remainder === 1
}
