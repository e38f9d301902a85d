import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createOutputFilter } from '../../../orchestrator/privacy/filter-words.ts'
import { filterHeldUnits } from '../../../orchestrator/privacy/limits.ts'
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
        // Any number of blanks is one.
        .map((word) => ({ word, spaced: word.replaceAll(' ', ' +') }))
        .map(
          ({ word, spaced }) =>
            `${/^\w/.test(word) ? '(?<![a-z])' : ''}${spaced}${/\w$/.test(word) ? '(?![a-z])' : ''}`,
        )
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

  it.each([
    ['evil', 'so e\u200bv\u00adi\u2060l it is', 'so '],
    ['evil', 'so \ufeffevi\0l', 'so \ufeff'],
    ['evil', 'ｅｖｉｌ', ''],
    ['evil', 'an 𝐞𝐯𝐢𝐥 plan', 'an '],
    ['evil', 'ⓔⓥⓘⓛ', ''],
    ['evil', 'e\u0336v\u0336i\u0336l\u0336!', ''],
    ['evil', 'e\u{e0061}v\u{e0061}i\u{e0061}l', ''],
    ['credit card fraud', 'how credit \u00a0 card\n\nfraud works', 'how '],
    ['room 101', 'in room １０１', 'in '],
    ['Café', 'Un ca\u00adfe\u200b\u0301 noir', 'Un '],
    ['ﬁsh', 'no fish', 'no '],
    ['fish', 'no ﬁsh', 'no '],
    ['バカ', 'きみはﾊﾞｶだ', 'きみは'],
    ['毒品', '他们卖毒\u200b品。', '他们卖'],
    ['나쁜말', '그것은 나쁜\u200d말은', '그것은 '],
  ])('[PRIVACY-203] %s stops: %j', (word, text, before) => {
    for (let at = 0; at <= text.length; at++) {
      expect(read([word], [text.slice(0, at), text.slice(at)])).toEqual({ text: before, isStopped: true })
    }
    expect(read([word], text.split(''))).toEqual({ text: before, isStopped: true })
  })

  it.each([
    ['evil', 'de\u00advil and evi\u0301l'],
    ['schon', 'scho\u0308n schön'],
    ['か', 'がる'],
    ['ass', 'class\u200bic ²ass²x'],
  ])('[PRIVACY-203] %s is no part of: %j', (word, text) => {
    expect(read([word], [...text])).toEqual({ text, isStopped: false })
  })

  it('[PRIVACY-203] what is invisible inside a word is held back up to a bound, and then the word is let go', () => {
    const filter = createOutputFilter(new WordList(['evil']))
    let held = 0
    let out = filter.push('ev').text
    for (let count = 1; count <= 100_000; count++) {
      out += filter.push('\u200b').text
      held = Math.max(held, count + 2 - out.length)
    }
    expect(held).toBeLessThanOrEqual(filterHeldUnits)
    const rest = filter.push('il, but evil')
    expect(out + rest.text + filter.end().text).toBe(`ev${'\u200b'.repeat(100_000)}il, but `)
  })

  it('[PRIVACY-203] an answer without the word is let out as it is, whatever it holds', () => {
    const units = fc.constantFrom(
      'e',
      'v',
      'i',
      ' ',
      '\u200b',
      '\u0301',
      '\u0336',
      '𝐞',
      '\ud835',
      '\udc1e',
      'é',
      '①',
      '毒',
    )
    fc.assert(
      fc.property(fc.array(fc.array(units, { maxLength: 4 }), { maxLength: 8 }), (pieces) => {
        const texts = pieces.map((some) => some.join(''))
        expect(read(['evil', 'é e', '毒é'], texts)).toMatchObject(read(['evil', 'é e', '毒é'], [texts.join('')]))
        expect(read(['evil'], texts)).toEqual({ text: texts.join(''), isStopped: false })
      }),
    )
  })
})
