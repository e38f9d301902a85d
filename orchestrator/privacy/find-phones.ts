/**
 * Telephone numbers. With a country code they are taken by their plan alone; without, by their form (see
 * `phone-formats.ts`). One pass over the runs of digits, and from each group of digits few attempts, so that the time is
 * that of the text's length, whatever it holds.
 */
import { type Identifier, isAsciiDigit, touchesWord } from './identifier.ts'
import {
  compactTrunk,
  cue,
  cueUnits,
  dateLike,
  type Format,
  formats,
  trunkCountries,
  zeroCountries,
} from './phone-formats.ts'
import { internationalVerdict, isValidIn, type Verdict } from './phone-plans.ts'

/** Six digits are the shortest that anything here takes. */
const run = /[+(]{0,2}\d(?:[ ()./·_-]{0,3}\d){5,}/g
const internationalMin = 7
const digitsMax = 15
/** Groups of one number, and how many are left off at its end to find it. */
const groupsMax = 8
const trimsMax = 3

/** Digits in a row, with the `+` or `(` before them. */
interface Group {
  readonly start: number
  readonly digitsAt: number
  readonly end: number
}

export function findPhones(plain: string): Identifier[] {
  const found: Identifier[] = []
  for (const { 0: text, index } of plain.matchAll(run)) {
    const groups = groupsOf(plain, index, index + text.length)
    let from = index
    for (let first = 0; first < groups.length; first++) {
      const group = groups[first]
      if (group === undefined || !mayBegin(plain, group, from)) continue
      const end = phoneEnd(plain, groups, first)
      if (end === undefined) continue
      found.push({ kind: 'phone', label: 'PHONE', start: group.start, end })
      from = end + 1
      while ((groups[first + 1]?.start ?? end) < end) first++
    }
  }
  return found
}

function groupsOf(plain: string, start: number, end: number): Group[] {
  const groups: Group[] = []
  let at = start
  while (at < end) {
    const groupStart = at
    while (at < end && isSign(plain.charCodeAt(at))) at++
    const digitsAt = at
    while (at < end && isAsciiDigit(plain.charCodeAt(at))) at++
    if (at > digitsAt) groups.push({ start: groupStart, digitsAt, end: at })
    else at = Math.max(at, groupStart + 1)
  }
  return groups
}

function isSign(code: number): boolean {
  return code === 0x2b || code === 0x28
}

/** Not in the middle of a word, a decimal, a path or a longer number. `from`: where its run began, or another ended. */
function mayBegin(plain: string, { start, digitsAt }: Group, from: number): boolean {
  if (touchesWord(plain, start - 1, -1)) return false
  if (digitsAt > start && plain.charAt(start) === '+') return true
  if (start > from) return plain.charAt(start - 1) === ' ' && !isAsciiDigit(plain.charCodeAt(start - 2))
  return !('.,:-/'.includes(plain.charAt(start - 1)) && start > 0 && isAsciiDigit(plain.charCodeAt(start - 2)))
}

function phoneEnd(plain: string, groups: readonly Group[], first: number): number | undefined {
  const group = groups[first]
  if (group === undefined) return undefined
  if (plain.slice(group.start, group.digitsAt).includes('+')) return internationalEnd(plain, groups, first, 0)
  const two = plain.slice(group.digitsAt, group.digitsAt + 2)
  if (two === '00') return internationalEnd(plain, groups, first, 2) ?? cuedEnd(plain, groups, first)
  const isPriced = '#$€£¥=&/@'.includes(plain.charAt(group.start - 1)) && group.start > 0
  const national = isPriced ? undefined : two.startsWith('0') ? trunkEnd(plain, groups, first) : formatEnd(plain, group)
  return national ?? cuedEnd(plain, groups, first)
}

/** The longest that is valid; else the longest that has a possible length and is written in groups. */
function internationalEnd(plain: string, groups: readonly Group[], first: number, prefix: number): number | undefined {
  let possible: number | undefined
  for (const { end, digits, isGrouped } of attempts(plain, groups, first, internationalMin + prefix)) {
    const verdict = internationalOf(digits.slice(prefix), plain.slice(groups[first]?.start, end))
    if (verdict === 'valid') return end
    if (verdict === 'possible' && isGrouped && prefix === 0) possible ??= end
  }
  return possible
}

/** `+44 (0)20 …`: the 0 is written for those who dial from inside. */
function internationalOf(digits: string, written: string): Verdict {
  const optional = written.indexOf('(0)')
  if (optional === -1) return internationalVerdict(digits)
  const before = written.slice(0, optional).replace(/\D/g, '').length
  return internationalVerdict(digits.slice(0, before) + digits.slice(before + 1))
}

function trunkEnd(plain: string, groups: readonly Group[], first: number): number | undefined {
  const start = groups[first]?.start ?? 0
  if (dateLike.test(plain.slice(start, start + 11))) return undefined
  for (const { end, digits, isGrouped, shortest, count } of attempts(plain, groups, first, 9)) {
    if (digits.length > 12 || shortest < 2) continue
    // Two groups with a dot are a decimal, or the number of a section.
    if (count < 4 && plain.slice(start, end).includes('.')) continue
    if (!isGrouped && !compactTrunk.test(digits)) continue
    if (isValidIn(trunkCountries, digits.slice(1)) || isValidIn(zeroCountries, digits)) return end
  }
  return undefined
}

function formatEnd(plain: string, { start }: Group): number | undefined {
  for (const format of formats) {
    const end = endIn(format, plain, start)
    if (end !== undefined) return end
  }
  return undefined
}

function endIn({ pattern, countries, prefix }: Format, plain: string, start: number): number | undefined {
  pattern.lastIndex = start
  const written = pattern.exec(plain)?.[0]
  if (written === undefined || !mayEnd(plain, start + written.length)) return undefined
  const digits = written.replace(/\D/g, '')
  const national = prefix !== '' && digits.length === 11 ? digits.slice(prefix.length) : digits
  return isValidIn(countries, national) ? start + written.length : undefined
}

/** A word for a telephone right before it: any digits of a telephone number's length. */
function cuedEnd(plain: string, groups: readonly Group[], first: number): number | undefined {
  const start = groups[first]?.start ?? 0
  if (first > 0 || !/[^\d\s]\W{0,4}$/.test(plain.slice(Math.max(0, start - 5), start))) return undefined
  if (!cue.test(plain.slice(Math.max(0, start - cueUnits), start))) return undefined
  if (dateLike.test(plain.slice(start, start + 11))) return undefined
  for (const { end } of attempts(plain, groups, first, 6)) return end
  return undefined
}

interface Attempt {
  readonly end: number
  readonly digits: string
  readonly isGrouped: boolean
  /** The fewest digits in a group after the first. */
  readonly shortest: number
  readonly count: number
}

/** From a group on: the longest number first, then without its last groups. */
function attempts(plain: string, groups: readonly Group[], first: number, digitsMin: number): Attempt[] {
  const found: Attempt[] = []
  let digits = ''
  let shortest = Number.POSITIVE_INFINITY
  for (let last = first; last < groups.length && last < first + groupsMax; last++) {
    const group = groups[last]
    if (group === undefined || (last > first && plain.charAt(group.start) === '+')) break
    digits += plain.slice(group.digitsAt, group.end)
    if (digits.length > digitsMax + 2) break
    if (last > first && !isOptional(plain, group)) shortest = Math.min(shortest, group.end - group.digitsAt)
    if (digits.length < digitsMin || !mayEnd(plain, group.end)) continue
    found.push({ end: group.end, digits, isGrouped: last > first, shortest, count: last - first + 1 })
  }
  return found.slice(-trimsMax).reverse()
}

function isOptional(plain: string, { start, end }: Group): boolean {
  return plain.slice(start, end + 1) === '(0)'
}

/** Not in the middle of a word or of a longer number. */
function mayEnd(plain: string, end: number): boolean {
  if (touchesWord(plain, end, 1)) return false
  const after = plain.charCodeAt(end)
  const isJoined = after === 0x2e || after === 0x2d || after === 0x2f || after === 0x3a || after === 0x2c
  return !(isJoined && isAsciiDigit(plain.charCodeAt(end + 1)))
}
