import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../client/sha256.ts'
import { cut, encodeUtf8, type Tape, utf8Bytes } from '../../client/tape.ts'

const tapeOf = (text: string): Tape => ({ text, bytes: utf8Bytes(text) })

const text = fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '\ud800', '\udc00', '\u0000', '\ufeff') })

describe('text and its bytes', () => {
  it('[CLIENT-4] counts and encodes UTF-8 as everybody does', () => {
    fc.assert(
      fc.property(text, (value) => {
        const bytes = Buffer.from(value, 'utf8')
        expect(utf8Bytes(value)).toBe(bytes.length)
        expect(Buffer.from(encodeUtf8(value)).equals(bytes)).toBe(true)
      }),
    )
  })

  it('[CLIENT-4] cuts on character boundaries alone', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀') }), fc.nat({ max: 40 }), (value, at) => {
        const bytes = Buffer.from(value, 'utf8')
        const isBoundary = at <= bytes.length && ((bytes[at] ?? 0) & 0xc0) !== 0x80
        const expected = isBoundary ? bytes.subarray(0, at).toString() : undefined
        expect(cut(tapeOf(value), at)?.text).toBe(expected)
      }),
    )
  })

  it('[CLIENT-5] hashes as SHA-256 does, over every length of the last block', () => {
    for (let length = 0; length < 200; length++) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 37 + length) & 255)
      expect(sha256Hex(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'))
    }
    const large = new Uint8Array(1 << 20).fill(7)
    expect(sha256Hex(large)).toBe(createHash('sha256').update(large).digest('hex'))
  })
})
