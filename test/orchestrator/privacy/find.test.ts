import { type CountryCode, getExampleNumber } from 'libphonenumber-js/max'
import examples from 'libphonenumber-js/mobile/examples'
import { describe, expect, it } from 'vitest'
import { createIdentifierFinder } from '../../../orchestrator/privacy/find-identifiers.ts'
import { allKinds, negatives, positives } from './corpus.ts'

const find = createIdentifierFinder({ redact: allKinds, custom: [], filter: { words: [] } })

async function foundIn(text: string): Promise<string[]> {
  const reply = await find(text)
  if (reply.kind !== 'ok') throw new Error('too slow')
  return reply.found.map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`)
}

describe('finding identifiers', () => {
  it('[PRIVACY-1] the corpus is large enough to show something', () => {
    expect(positives.length).toBeGreaterThanOrEqual(150)
    expect(negatives.length).toBeGreaterThanOrEqual(100)
    for (const kind of allKinds) expect(positives.filter((sample) => sample.kind === kind).length).toBeGreaterThan(14)
  })

  it.each(positives)('[PRIVACY-1] $kind in: $text', async ({ kind, text, values }) => {
    expect(values.length).toBeGreaterThan(0)
    expect(await foundIn(text)).toEqual(values.map((value) => `${kind} ${value}`))
  })

  it('[PRIVACY-1] all samples in one text are found as each alone', async () => {
    // Between them what neither continues one nor announces the next.
    const text = positives.map((sample) => sample.text).join('\n\n—\n\n')
    const alone = await Promise.all(positives.map((sample) => foundIn(sample.text)))
    expect(await foundIn(text)).toEqual(alone.flat())
  })

  it.each(negatives)('[PRIVACY-2] nothing in: %s', async (text) => {
    expect(await foundIn(text)).toEqual([])
  })

  it('[PRIVACY-1] a number of every country with its code is found, in each way of writing it', async () => {
    const missing: string[] = []
    const countries = Object.keys(examples)
    for (const country of countries) {
      // The examples' keys are the package's own country codes.
      const number = getExampleNumber(country as CountryCode, examples)
      for (const written of [number?.formatInternational() ?? '', number?.number ?? '']) {
        if (!(await foundIn(`Ruf ${written} an.`)).includes(`phone ${written}`)) missing.push(`${country} ${written}`)
      }
    }
    expect(countries.length).toBeGreaterThan(200)
    expect(missing).toEqual([])
  })

  it('[PRIVACY-3] what overlaps becomes one, of the longer kind, and no part of it is left out', async () => {
    const custom = [
      { name: 'case', pattern: /CASE-\d{6}/u },
      { name: 'tail', pattern: /456 anna/u },
    ]
    const withCustom = createIdentifierFinder({ redact: allKinds, custom, filter: { words: [] } })
    const text = 'CASE-123456 anna@example.com'
    const reply = await withCustom(text)
    expect(reply).toEqual({ kind: 'ok', found: [{ kind: 'email', label: 'EMAIL', start: 0, end: text.length }] })
  })

  it('[PRIVACY-3] a long text is searched in parts, and what is found does not depend on it', async () => {
    const lines = Array.from({ length: 3_000 }, (_, n) => `Row ${n}: u${n}@example.com\nPhone:\n5550${1000 + n}\n`)
    const found = await foundIn(lines.join(''))
    expect(found).toEqual(lines.flatMap((_, n) => [`email u${n}@example.com`, `phone 5550${1000 + n}`]))
  })
})
