/**
 * Payment cards: 13 to 19 digits, compact or in groups, of a known brand's numbers and length, with the right check digit.
 * With single spaces, dots or dashes the groups may have any size after a first one of four digits. With anything else
 * between them they are taken only where they are regular, since one number in ten has the right check digit.
 */
import { type Group, gapKey, groupsOf, isPlainGap, isRegular, sizeOf } from './groups.ts'
import { type Identifier, touchesAlphanumeric } from './identifier.ts'

const digitRun = /\d+/g
/** Groups as they stand on cards, by size; read out in pairs; and digit by digit. */
const cardShape = /^(?:4{3,4}[1-4]?|465|464|2{6,9}1?|1{13,19})$/
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

/** Longest first, so that a card of 19 digits is not taken for one of 16. */
export function findCards(plain: string): Identifier[] {
  const found: Identifier[] = []
  const groups = groupsOf(plain, digitRun)
  for (let first = 0; first < groups.length; first++) {
    const group = groups[first]
    if (group === undefined || !mayBegin(groups, first)) continue
    if (touchesAlphanumeric(plain, group.start - 1) || isFraction(plain, group)) continue
    const last = cardFrom(plain, groups, first)
    const end = last === undefined ? undefined : groups[last]?.end
    if (last === undefined || end === undefined) continue
    found.push({ kind: 'card', label: 'CARD', start: group.start, end })
    first = last
  }
  return found
}

/** By the sizes alone, which rules out most of a text full of figures. */
function mayBegin(groups: readonly Group[], first: number): boolean {
  const size = sizeOf(groups[first])
  if (size >= digitsMin || size === 4) return true
  const next = groups[first + 1]
  const isRun = size <= 2 && next?.gap !== undefined && sizeOf(next) === size
  // In the middle of a run it is no beginning.
  const before = groups[first]?.gap
  return isRun && (before === undefined || sizeOf(groups[first - 1]) !== size || gapKey(before) !== gapKey(next.gap))
}

/** `0.4111111111111111` is a number. */
function isFraction(plain: string, { start, end }: Group): boolean {
  return end - start >= digitsMin && /\d[.,]/.test(plain.slice(Math.max(0, start - 2), start))
}

/** The last group of the longest card that begins with a group. */
function cardFrom(plain: string, groups: readonly Group[], first: number): number | undefined {
  let card: number | undefined
  let lengths: readonly number[] | undefined
  let digits = ''
  let isPlain = true
  for (let last = first; last < groups.length && digits.length < digitsMax; last++) {
    const group = groups[last]
    if (group === undefined || (last > first && group.gap === undefined)) break
    isPlain &&= last === first || isPlainGap(group.gap)
    digits += plain.slice(group.start, group.end)
    if (digits.length < digitsMin) continue
    lengths ??= lengthsOf(digits)
    if (!lengths.includes(digits.length)) continue
    if (touchesAlphanumeric(plain, group.end) || !isChecked(digits)) continue
    const isUsual = isPlain && (last === first || sizeOf(groups[first]) === 4)
    if (isUsual || isRegular(groups, first, last, cardShape)) card = last
  }
  return card
}

function lengthsOf(digits: string): readonly number[] {
  const prefix = Number(digits.slice(0, 4))
  return brands.find(({ from, to }) => prefix >= from && prefix <= to)?.lengths ?? []
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
