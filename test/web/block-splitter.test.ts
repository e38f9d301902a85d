import fc from 'fast-check'
import { Lexer, type Token } from 'marked'
import { describe, expect, it } from 'vitest'
import { BlockSplitter, type FinishedBlock } from '../../web/markdown/block-splitter.ts'

/** Lines that Markdown is made of, in any order: most of the awkward borders come up. */
const line = fc.constantFrom(
  '',
  '',
  'text',
  '**bold',
  '# heading',
  'setext',
  '===',
  '---',
  '- item',
  '* other',
  '1. first',
  '2) second',
  '  inside',
  '    deeper',
  '\ttab',
  '> quote',
  '```js',
  '```',
  '~~~',
  '| a | b |',
  '| - | - |',
  '<div>',
)
const lines = fc.array(line, { maxLength: 30 }).map((all) => all.join('\n'))

function splitInSteps(text: string, steps: readonly number[]): readonly FinishedBlock[] {
  const splitter = new BlockSplitter()
  const finished: FinishedBlock[] = []
  let at = 0
  for (const step of steps) {
    at = Math.min(text.length, at + step)
    finished.push(...splitter.advance(text.slice(0, at), false).finished)
  }
  return [...finished, ...splitter.advance(text, true).finished]
}

/** What the tokens say, without how lists and blank lines are cut. */
function meaning(tokens: readonly Token[]): readonly string[] {
  return tokens.flatMap((token) => {
    if (token.type === 'space') return []
    if (token.type === 'list') return token.items.map((item: Token) => `item ${item.raw.trim()}`)
    return [`${token.type} ${token.raw.trim()}`]
  })
}

describe('blocks of a growing answer', () => {
  it('[WEB-21] are the same however the text arrives', () => {
    fc.assert(
      fc.property(lines, fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 80 }), (text, steps) => {
        expect(splitInSteps(text, steps)).toEqual(splitInSteps(text, []))
      }),
      { numRuns: 500 },
    )
  })

  it('[WEB-21] hold the whole text, in order', () => {
    fc.assert(
      fc.property(lines, (text) => {
        const joined = splitInSteps(text, []).map(({ source }) => source)
        expect(joined.join('').replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''))
      }),
      { numRuns: 500 },
    )
  })

  it('[WEB-21] mean what the whole text means', () => {
    const text = [
      '# Title\nA paragraph\nof two lines\n- one\n- two\n\n  still two\n- three\n\nAfter it.',
      'Heading by line\n---\n> quote\nlazy\n\n1. first\n\n   more\n2. second\n\n***\n\n    code\n\n    more code\n',
      '| a | b |\n| - | - |\n| 1 | 2 |\n\n```js\nlet a = 1\n\n# no heading\n```\n~~~\n```\n~~~\nlast',
    ].join('\n\n')
    const parts = splitInSteps(text, []).flatMap(({ source }) => meaning(new Lexer({ gfm: true }).lex(source)))
    expect(parts).toEqual(meaning(new Lexer({ gfm: true }).lex(text)))
    expect(splitInSteps(text, []).length).toBeGreaterThan(12)
  })

  it('[WEB-21] cut a paragraph of many pages where nothing is open', () => {
    const text = Array.from({ length: 900 }, (_, index) => `Sentence ${index} is **bold and. long** here.`).join(' ')
    const steps = Array.from({ length: Math.ceil(text.length / 50) }, () => 50)
    const blocks = splitInSteps(text, steps)
    expect(splitInSteps(text, [])).toEqual(blocks)
    expect(
      splitInSteps(`${text}\n\nEnd.`, [])
        .slice(0, -1)
        .map(({ source }) => source.trim()),
    ).toEqual(blocks.map(({ source }) => source.trim()))
    expect(blocks.map(({ source }) => source).join('')).toBe(text)
    expect(blocks.length).toBeGreaterThan(5)
    expect(blocks.every(({ source }) => source.length <= 4_100 && source.split('**').length % 2 === 1)).toBe(true)
    expect(blocks.map(({ continues }) => continues)).toEqual(blocks.map((_, index) => index > 0))
  })

  it('[WEB-21] show an open code block without what may become its end', () => {
    const splitter = new BlockSplitter()
    const open = (text: string) => splitter.advance(text, false).open
    expect(open('```js\nlet a')).toEqual({ kind: 'code', text: 'let a', info: 'js' })
    expect(open('```js\nlet a\n``')).toEqual({ kind: 'code', text: 'let a', info: 'js' })
    expect(open('```js\nlet a\n``x')).toEqual({ kind: 'code', text: 'let a\n``x', info: 'js' })
    expect(open('```js\nlet a\n``x\n```')).toEqual({ kind: 'code', text: 'let a\n``x', info: 'js' })
    const { finished } = splitter.advance('```js\nlet a\n``x\n```\n', false)
    expect(finished.map(({ code }) => code?.text)).toEqual(['let a\n``x'])
  })
})
