/** All identifiers of a text, of every kind that is asked for, in order and without overlaps. */
import { setImmediate } from 'node:timers/promises'
import type { IdentifierKind, TenantPrivacy } from '../policy.ts'
import { findCards } from './find-cards.ts'
import { createCustomFinder } from './find-custom.ts'
import { findEmails } from './find-emails.ts'
import { findIbans } from './find-ibans.ts'
import { findIps } from './find-ips.ts'
import { findPhones } from './find-phones.ts'
import type { Finder, Identifier, RedactedKind } from './identifier.ts'
import { findLongestPartUnits, findOverlapUnits, findPartUnits } from './limits.ts'
import { type PlainText, readingsOf } from './plain-text.ts'

const finders: Readonly<Record<IdentifierKind, Finder>> = {
  email: findEmails,
  phone: findPhones,
  card: findCards,
  iban: findIbans,
  ip: findIps,
}

/** Of two that are equally long the surer one names what both cover. */
const rank: Readonly<Record<RedactedKind, number>> = { custom: 0, iban: 1, card: 2, email: 3, ip: 4, phone: 5 }

export type Found = { readonly kind: 'ok'; readonly found: readonly Identifier[] } | { readonly kind: 'too-slow' }

/** `too-slow`: the operator's own patterns took longer than they may. Others have their turn between the parts of a text. */
export function createIdentifierFinder({ redact, custom }: TenantPrivacy): (text: string) => Promise<Found> {
  const kinds = [...new Set(redact)]
  const findCustom = createCustomFinder(custom)
  return async (text) => {
    const readings = await readingsOf(text)
    const own = findCustom([...new Set([text, ...readings.map((reading) => reading.text)])])
    if (own.kind === 'too-slow') return own
    const found = [...(own.found.get(text) ?? [])]
    for (const reading of readings) {
      const inReading = reading.text === text ? [] : (own.found.get(reading.text) ?? [])
      for (const one of inReading) found.push(inOriginal(one, reading, 0))
      for await (const one of findInParts(reading, kinds)) found.push(one)
    }
    return { kind: 'ok', found: merged(found) }
  }
}

async function* findInParts(reading: PlainText, kinds: readonly IdentifierKind[]): AsyncIterable<Identifier> {
  for (const { plain, offset } of partsOf(reading.text)) {
    if (offset > 0) await setImmediate()
    for (const kind of kinds) for (const one of finders[kind](plain)) yield inOriginal(one, reading, offset)
  }
}

/** An end of line that no identifier goes over, nor the word that announces one. */
const lineEnd = /\n(?=[^\s\d+(])/

function* partsOf(plain: string): Iterable<{ readonly plain: string; readonly offset: number }> {
  let offset = 0
  while (plain.length - offset > findPartUnits) {
    const longest = plain.slice(offset + findPartUnits, offset + findLongestPartUnits)
    const border = longest.search(lineEnd)
    const cut = offset + findPartUnits + (border === -1 ? longest.length : border)
    yield { plain: plain.slice(offset, cut), offset }
    // Without a border in reach the next part begins before the cut: what goes over it is whole there.
    offset = border === -1 && cut < plain.length ? cut - findOverlapUnits : cut
  }
  if (offset < plain.length) yield { plain: plain.slice(offset), offset }
}

function inOriginal({ kind, label, start, end }: Identifier, reading: PlainText, offset: number): Identifier {
  return { kind, label, start: reading.start(start + offset), end: reading.end(end + offset) }
}

/**
 * Where two overlap, what both cover becomes one, of the longer one's kind: were the shorter one let go, the part of it
 * that stands outside would be seen.
 */
function merged(found: readonly Identifier[]): Identifier[] {
  const result: Identifier[] = []
  let widest: Identifier | undefined
  for (const next of found.toSorted((a, b) => a.start - b.start || b.end - a.end || rank[a.kind] - rank[b.kind])) {
    const last = result.at(-1)
    if (last === undefined || widest === undefined || next.start >= last.end) {
      result.push(next)
      widest = next
      continue
    }
    widest = wider(widest, next)
    const end = Math.max(last.end, next.end)
    result[result.length - 1] = { kind: widest.kind, label: widest.label, start: last.start, end }
  }
  return result
}

function wider(a: Identifier, b: Identifier): Identifier {
  const difference = b.end - b.start - (a.end - a.start)
  return difference > 0 || (difference === 0 && rank[b.kind] < rank[a.kind]) ? b : a
}
