/**
 * E-mail addresses, found from their @ in both directions, so that a text without one costs a single search. Letters of
 * every script are taken; what a language without spaces writes right beside an address is left out of it.
 */
import { type Identifier, isAsciiDigit, isAsciiLetter } from './identifier.ts'
import { emailDomainUnits, emailLocalUnits } from './limits.ts'

const letterOrDigit = /[\p{L}\p{M}\p{N}]/u
/** Scripts that are written without spaces, and the one whose particles cling to the word. */
const clinging =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const label = '[\\p{L}\\p{M}\\p{N}-]+'
/** With the full stops of Chinese and Japanese only where all are such: after an address one ends the sentence. */
const domain = new RegExp(`${label}(?:(?:\\.${label})+|(?:。(?!${clinging.source})${label})+)`, 'uy')
const topLevel = /^(?:xn--[a-z0-9-]+|[\p{L}\p{M}]{2,})/iu

export function findEmails(plain: string): Identifier[] {
  const found: Identifier[] = []
  let from = 0
  for (let at = plain.indexOf('@'); at !== -1; at = plain.indexOf('@', at + 1)) {
    const start = localStart(plain, at, from)
    if (start === at) continue
    const end = domainEnd(plain, at + 1)
    if (end === undefined || isRepository(plain, start, at, end)) continue
    found.push({ kind: 'email', label: 'EMAIL', start, end })
    from = end
  }
  return found
}

/** Where the local part begins; `at` when there is none. */
function localStart(plain: string, at: number, from: number): number {
  let start = at
  let isClinging: boolean | undefined
  const first = Math.max(from, at - emailLocalUnits)
  for (let index = at - 1; index >= first; index--) {
    const code = plain.charCodeAt(index)
    if (isAsciiLetter(code) || (code > 0x7f && letterOrDigit.test(plain.charAt(index)))) {
      const clings = code > 0x7f && clinging.test(plain.charAt(index))
      isClinging ??= clings
      if (clings && !isClinging) break
      start = index
    } else if (isAsciiDigit(code)) start = index
    else if (!isLocalSymbol(code)) break
  }
  return start
}

/** What stands in local parts in practice, in between; at its beginning it is Markdown's or a quote. */
function isLocalSymbol(code: number): boolean {
  return code === 0x2e || code === 0x5f || code === 0x2d || code === 0x2b || code === 0x25 || code === 0x27
}

/** The end of the longest domain whose last label may be a top-level one. */
function domainEnd(plain: string, start: number): number | undefined {
  domain.lastIndex = start
  const labels = domain.exec(plain)?.[0].slice(0, emailDomainUnits).split(/[.。]/) ?? []
  for (let last = labels.length - 1; last >= 1; last--) {
    const top = topLevel.exec(withoutClinging(labels[last] ?? ''))?.[0]
    if (top !== undefined) return start + labels.slice(0, last).join('.').length + 1 + top.length
  }
  return undefined
}

/** `cn谢谢` is `cn`; `公司` stays. */
function withoutClinging(last: string): string {
  if (clinging.test(last.charAt(0))) return last
  const at = last.search(clinging)
  return at === -1 ? last : last.slice(0, at)
}

/** `git@github.com:owner/name` names no person. */
function isRepository(plain: string, start: number, at: number, end: number): boolean {
  return plain.charAt(end) === ':' && plain.slice(start, at) === 'git'
}
