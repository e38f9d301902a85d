/** IPv4 and IPv6 addresses. What looks like one is asked of `node:net`, so that times and hardware addresses are none. */
import { isIPv4, isIPv6 } from 'node:net'
import type { Identifier } from './identifier.ts'

const four = /(?<![A-Za-z0-9.]|\w_)\d{1,3}(?:[.·。]\d{1,3}){3}(?![A-Za-z0-9]|_\w|\.\d)/g
const six = /(?<![A-Za-z0-9:.]|\w_)(?=[0-9a-f]{0,4}:)[0-9a-f:.]{3,46}(?:%\w{1,15})?(?![A-Za-z0-9:]|_\w)/gi
/** Four numbers with dots after one of these count something else. */
const numbering =
  /(?:\b(?:version|release|build|firmware|revision|section|chapter|clause|kapitel|abschnitt)|§)\W{0,3}$/i
const numberingUnits = 16

export function findIps(plain: string): Identifier[] {
  const found: Identifier[] = []
  for (const { 0: text, index } of plain.matchAll(four)) {
    if (isIPv4(text.replace(/[·。]/g, '.')) && !isNumbering(plain, index)) found.push(ip(index, text))
  }
  if (plain.includes(':')) {
    for (const { 0: text, index } of plain.matchAll(six)) {
      const whole = trimmed(text)
      // The colon before an address, full-width and without a space in Chinese.
      const address = whole.startsWith(':') && !isIPv6(whole) ? whole.slice(1) : whole
      // Without a digit it is a name in a program, `dead::beef`.
      if (isIPv6(address) && /\d/.test(address)) found.push(ip(index + whole.length - address.length, address))
    }
  }
  return found
}

function ip(start: number, text: string): Identifier {
  return { kind: 'ip', label: 'IP', start, end: start + text.length }
}

function isNumbering(plain: string, start: number): boolean {
  const before = plain.slice(Math.max(0, start - numberingUnits), start)
  return /[a-z§]\W{0,3}$/i.test(before.slice(-4)) && numbering.test(before)
}

/** Without the sentence's own full stop or colon. */
function trimmed(text: string): string {
  return text.replace(/\.+$/, '').replace(/(?<!:):$/, '')
}
