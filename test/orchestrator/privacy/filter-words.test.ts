import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createOutputFilter } from '../../../orchestrator/privacy/filter-words.ts'
import { WordList } from '../../../orchestrator/privacy/word-list.ts'

/** What a reader gets of an answer in pieces, and whether it was stopped. */
function read(words: readonly string[], pieces: readonly string[]): { text: string; isStopped: boolean } {
  const filter = createOutputFilter(new WordList(words))
  let text = ''
  for (const piece of pieces) {
    const filtered = filter.push(piece)
    text += filtered.text
    if (filtered.isStopped) return { text, isStopped: true }
  }
  const last = filter.end()
  return { text: text + last.text, isStopped: last.isStopped }
}

describe('forbidden words', () => {
  it.each([
    ['evil', 'This is evil.', 'This is '],
    ['evil', 'EVIL at the beginning', ''],
    ['evil', 'at the end: Evil', 'at the end: '],
    ['credit card fraud', 'how Credit\nCard fraud works', 'how '],
    ['straße', 'in der STRASSE 5', 'in der '],
    ['Café', 'Un cafe\u0301 noir', 'Un '],
    ['ΣΟΦΟΣ', 'ο σοφος λέει', 'ο '],
    ['война', 'Слово «Война»', 'Слово «'],
    ['毒品', '他们卖毒品。', '他们卖'],
    ['ばか', 'きみはばかだ', 'きみは'],
    ['나쁜말', '그것은 나쁜말은', '그것은 '],
    ['evil', '这是evil的', '这是'],
    ['c++', 'I like C++!', 'I like '],
    ['it', 'do it', 'do '],
  ])('[PRIVACY-12] %s stops: %s', (word, text, before) => {
    for (let at = 0; at <= text.length; at++) {
      expect(read([word], [text.slice(0, at), text.slice(at)])).toEqual({ text: before, isStopped: true })
    }
    expect(
      read(
        [word],
        [...Array(text.length).keys()].map((at) => text.charAt(at)),
      ),
    ).toEqual({ text: before, isStopped: true })
  })

  it.each([
    ['ass', 'class assassin brass passé ass_1 ass1'],
    ['evil', 'devil, evils and medieval'],
    ['credit card fraud', 'credit card, fraud'],
    ['ñ', 'n año'],
  ])('[PRIVACY-13] %s is no part of: %s', (word, text) => {
    expect(read([word], text.split(/(?<= )/))).toEqual({ text, isStopped: false })
  })

  it('[PRIVACY-12] of words inside each other the text before the longest stays', () => {
    expect(read(['b', 'a b c'], ['x a b'])).toEqual({ text: 'x a ', isStopped: true })
    expect(read(['c', 'a b c'], ['x a b c'])).toEqual({ text: 'x ', isStopped: true })
    expect(read(['b c', 'a b x'], ['a b c d'])).toEqual({ text: 'a ', isStopped: true })
  })

  it('[PRIVACY-14] nothing is held back but what may become a word', () => {
    const filter = createOutputFilter(new WordList(['forbidden fruit']))
    const pushed = ['The unforbidden', ' fo', 'x', ' forbid', 'den ', 'vegetable'].map(
      (piece) => filter.push(piece).text,
    )
    expect(pushed).toEqual(['The unforbidden', ' ', 'fox', ' ', '', 'forbidden vegetable'])
    expect(filter.end()).toEqual({ text: '', isStopped: false })
  })

  it('[PRIVACY-12] [PRIVACY-13] says the same as a search through the whole text, however it is cut', () => {
    const words = ['ab', 'abc', 'b a', 'ca', 'c', '毒', 'a毒']
    const units = fc.constantFrom('a', 'b', 'c', ' ', 'A', '毒', '.', '😀')
    const whole = new RegExp(
      words
        .map((word) => `${/^\w/.test(word) ? '(?<![a-z])' : ''}${word}${/\w$/.test(word) ? '(?![a-z])' : ''}`)
        .join('|'),
      'i',
    )
    fc.assert(
      fc.property(
        fc.array(
          fc.array(units, { maxLength: 5 }).map((some) => some.join('')),
          { maxLength: 8 },
        ),
        (pieces) => {
          const { text, isStopped } = read(words, pieces)
          expect(isStopped).toBe(whole.test(pieces.join('')))
          expect(pieces.join('').startsWith(text)).toBe(true)
          expect(whole.test(text)).toBe(false)
          if (!isStopped) expect(text).toBe(pieces.join(''))
        },
      ),
    )
  })

  it('[PRIVACY-14] a list of thousands finds each of its words', () => {
    const words = Array.from({ length: 5_000 }, (_, n) => `word${n.toString(36)} x${n}`)
    const list = new WordList(words)
    for (const word of words.slice(0, 100)) {
      const filter = createOutputFilter(list)
      expect(filter.push(`a ${word} b`)).toEqual({ text: 'a ', isStopped: true })
    }
  })

  it('[PRIVACY-14] an empty word and one that is too long are refused, and none let everything through', () => {
    expect(() => new WordList([' '])).toThrow(RangeError)
    expect(() => new WordList(['x'.repeat(201)])).toThrow(RangeError)
    expect(read([], ['any', 'thing'])).toEqual({ text: 'anything', isStopped: false })
  })
})
