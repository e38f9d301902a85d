/**
 * Payment cards: 13 to 19 digits, compact or in groups, of a known brand's numbers and length, with the right check digit.
 */
import { type Identifier, isWordCharacter } from './identifier.ts'

const run = /\d{2,}(?:[ .-]\d+)*/g
const digitsMin = 13
const digitsMax = 19

/** First digits, as a range of four, and the lengths. */
const brands: readonly { readonly from: number; readonly to: number; readonly lengths: readonly number[] }[] = [
  { from: 2200, to: 2204, lengths: [16, 17, 18, 19] }, // Mir
  { from: 2221, to: 2720, lengths: [16] }, // Mastercard
  { from: 3000, to: 3059, lengths: [14, 16, 17, 18, 19] }, // Diners
  { from: 3400, to: 3499, lengths: [15] }, // American Express
  { from: 3528, to: 3589, lengths: [16, 17, 18, 19] }, // JCB
  { from: 3600, to: 3699, lengths: [14, 16] }, // Diners
  { from: 3700, to: 3799, lengths: [15] }, // American Express
  { from: 3800, to: 3999, lengths: [14, 16, 17, 18, 19] }, // Diners
  { from: 4000, to: 4999, lengths: [13, 16, 19] }, // Visa
  { from: 5000, to: 5099, lengths: [16, 17, 18, 19] }, // Maestro, Elo
  { from: 5100, to: 5599, lengths: [16] }, // Mastercard
  { from: 5600, to: 6999, lengths: [16, 17, 18, 19] }, // Maestro, Discover, UnionPay, RuPay, Hipercard
  { from: 9792, to: 9792, lengths: [16] }, // Troy
]

interface Group {
  readonly start: number
  readonly end: number
}

export function findCards(plain: string): Identifier[] {
  const found: Identifier[] = []
  for (const { 0: text, index } of plain.matchAll(run)) {
    if (text.length < digitsMin || touchesWord(plain, index - 1)) continue
    const groups = groupsOf(text, index)
    for (let first = 0; first < groups.length; first++) {
      const last = cardFrom(plain, groups, first)
      const start = groups[first]?.start
      const end = last === undefined ? undefined : groups[last]?.end
      if (last === undefined || start === undefined || end === undefined) continue
      found.push({ kind: 'card', label: 'CARD', start, end })
      first = last
    }
  }
  return found
}

function groupsOf(text: string, offset: number): Group[] {
  const groups: Group[] = []
  for (const { 0: digits, index } of text.matchAll(/\d+/g)) {
    groups.push({ start: offset + index, end: offset + index + digits.length })
  }
  return groups
}

/** The last group of the longest card that begins with a group; a card in groups begins with four digits. */
function cardFrom(plain: string, groups: readonly Group[], first: number): number | undefined {
  const lengths = groups[first] === undefined ? [] : lengthsFrom(plain, groups[first])
  let card: number | undefined
  let digits = ''
  for (let last = first; lengths.length > 0 && last < groups.length && digits.length < digitsMax; last++) {
    const group = groups[last]
    if (group === undefined) break
    if (last === first + 1 && digits.length !== 4) break
    digits += plain.slice(group.start, group.end)
    if (lengths.includes(digits.length) && !touchesWord(plain, group.end) && isChecked(digits)) card = last
  }
  return card
}

function lengthsFrom(plain: string, { start, end }: Group): readonly number[] {
  if (end - start < 4) return []
  const prefix = Number(plain.slice(start, start + 4))
  return brands.find(({ from, to }) => prefix >= from && prefix <= to)?.lengths ?? []
}

function touchesWord(plain: string, index: number): boolean {
  return isWordCharacter(plain.charCodeAt(index))
}

/** Luhn's check digit; the same digit throughout is nobody's card. */
function isChecked(digits: string): boolean {
  let sum = 0
  for (let index = 0; index < digits.length; index++) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 0x30
    const doubled = index % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0 && !/^(\d)\1*$/.test(digits)
}
