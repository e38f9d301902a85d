import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnswerText } from '../../orchestrator/answer-text.ts'
import { wellFormed } from '../../orchestrator/well-formed.ts'

const units = fc.constantFrom('a', 'é', '한', '\ud83d', '\ude42', '😀', '\ufeff', '')
const pieces = fc.array(
  fc.array(units, { maxLength: 4 }).map((parts) => parts.join('')),
  { maxLength: 30 },
)

function filtered(parts: readonly string[]): string {
  const filter = wellFormed()
  return parts.map((part) => filter.push(part)).join('') + filter.end()
}

describe('the filter for well-formed text', () => {
  it('[TURN-15] joins a pair that was split over two pieces', () => {
    const filter = wellFormed()
    expect([filter.push('ab\ud83d'), filter.push(''), filter.push('\ude42c'), filter.end()]).toEqual([
      'ab',
      '',
      '🙂c',
      '',
    ])
  })

  it('[TURN-15] replaces halves that stay alone', () => {
    expect(filtered(['a\ud83d', 'b'])).toBe('a\ufffdb')
    expect(filtered(['\ude42a'])).toBe('\ufffda')
    expect(filtered(['a\ud83d'])).toBe('a\ufffd')
    expect(filtered(['\ud83d', '\ud83d', '\ude42'])).toBe('\ufffd🙂')
  })

  it('[TURN-15] answers what the joined text would be, however it was cut', () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const filter = wellFormed()
        for (const part of parts) expect(filter.push(part).isWellFormed()).toBe(true)
        expect(filtered(parts)).toBe(parts.join('').toWellFormed())
      }),
    )
  })
})

describe('the text of an answer', () => {
  it('[TURN-16] has the bytes and hashes of the joined text, also beyond a stride', async () => {
    const { createHash } = await import('node:crypto')
    const text = new AnswerText(1024 * 1024)
    const parts = Array.from({ length: 30_000 }, (_, index) => `wörd ${index} `)
    for (const part of parts) expect(text.push(part)).toBe(true)
    const whole = Buffer.from(parts.join(''))
    const sums = (bytes: Buffer) => ({
      bytes: bytes.length,
      sha1: createHash('sha1').update(bytes).digest('hex'),
      sha256: createHash('sha256').update(bytes).digest('hex'),
    })
    expect(text.sums()).toEqual(sums(whole))
    expect(text.sums()).toEqual(sums(whole))
    text.cut(1_000)
    expect(text.sums()).toEqual(sums(whole.subarray(0, 1_000)))
  })

  it('[TURN-16] slices and overflows before a character, never in it', () => {
    const text = new AnswerText(10)
    expect(text.push('ab😀é')).toBe(true)
    expect(Buffer.from(text.slice(0, 4)).toString()).toBe('ab')
    expect(Buffer.from(text.slice(0, 6)).toString()).toBe('ab😀')
    expect(Buffer.from(text.slice(6, 100)).toString()).toBe('é')
    expect(text.push('한국')).toBe(false)
    expect(text.sizeBytes).toBe(8)
    expect(Buffer.from(text.slice(0, 100)).toString()).toBe('ab😀é')
  })

  it('[TURN-16] never changes bytes that a slice has shown', () => {
    const text = new AnswerText(1024 * 1024)
    text.push('first')
    const shown = text.slice(0, 5)
    for (let index = 0; index < 1_000; index++) text.push(' and more of it')
    text.cut(2)
    text.push('other')
    expect(Buffer.from(shown).toString()).toBe('first')
  })
})
