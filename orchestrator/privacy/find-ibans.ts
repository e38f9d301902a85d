/** IBANs, compact or in groups, in either case: of a country that has them, of its length, with the right remainder. */
import { type Identifier, isAsciiDigit, isAsciiLetter, isWordCharacter } from './identifier.ts'

const beginning = /(?<![A-Za-z0-9_])[A-Za-z]{2}\d\d(?=[ -]?[A-Za-z0-9])/g

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
    const length = lengthOf.get(text.slice(0, 2).toUpperCase())
    if (length === undefined || index < from) continue
    const end = ibanEnd(plain, index, length)
    if (end === undefined) continue
    found.push({ kind: 'iban', label: 'IBAN', start: index, end })
    from = end
  }
  return found
}

function ibanEnd(plain: string, start: number, length: number): number | undefined {
  let iban = ''
  let index = start
  for (; iban.length < length; index++) {
    const code = plain.charCodeAt(index)
    if (isAsciiDigit(code) || isAsciiLetter(code)) iban += plain.charAt(index)
    else if (!isSeparator(plain, index)) return undefined
  }
  return isWordCharacter(plain.charCodeAt(index)) || !isChecked(iban.toUpperCase()) ? undefined : index
}

/** A single space or dash. */
function isSeparator(plain: string, index: number): boolean {
  const code = plain.charCodeAt(index)
  return (code === 0x20 || code === 0x2d) && isWordCharacter(plain.charCodeAt(index + 1))
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
