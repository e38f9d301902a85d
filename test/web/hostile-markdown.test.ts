import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseBlocks } from '../../web/markdown/parse-blocks.ts'
import { safeLink } from '../../web/markdown/safe-url.ts'

const block = 16 * 1024

function filled(piece: string): string {
  return piece.repeat(Math.floor(block / piece.length))
}

function nestedList(depth: number): string {
  return Array.from({ length: depth }, (_, level) => `${'  '.repeat(level)}- level ${level}`).join('\n')
}

describe('Markdown that a parser cannot take', () => {
  it.each([
    ['quotes inside each other', '>'.repeat(3_000)],
    ['quotes with spaces', filled('> ')],
    ['lists inside each other', `${'- '.repeat(1_500)}x`],
    ['ordered lists inside each other', filled('1. ')],
    ['quotes and lists', filled('> - ')],
    ['lists by their indentation', nestedList(60)],
    ['emphasis inside each other', `${'*'.repeat(5_000)}a${'*'.repeat(5_000)}`],
    ['emphasis without an end', filled('*a **b ')],
    ['a table that the parser fills up', `${'|a'.repeat(1_800)}|\n${'|-'.repeat(1_800)}|\n${'a\n'.repeat(4_000)}`],
    ['a long block', 'a'.repeat(block + 1)],
  ])('[WEB-200] is shown as it was written: %s', (_, source) => {
    expect(parseBlocks(source)).toBeUndefined()
  })

  it.each([
    ['a list of ten levels', nestedList(10)],
    ['a quote of ten levels', `${'> '.repeat(10)}deep`],
    ['a rule of many dashes', `${'- '.repeat(200)}\n`],
    ['a table of 200 rows', `| a | b |\n| - | - |\n${'| 1 | 2 |\n'.repeat(200)}`],
    ['a list of 2,000 items', '- item\n'.repeat(2_000)],
    ['bold words', '**bold** and *soft*, '.repeat(200)],
    ['brackets', filled('[')],
    ['pictures', filled('![')],
    ['code', filled('`a``')],
  ])('[WEB-200] is no reason to leave others unparsed: %s', (_, source) => {
    expect(parseBlocks(source)?.length).toBeGreaterThan(0)
  })

  it('[WEB-200] never throws', () => {
    const marks = fc.constantFrom(
      '> ',
      '>',
      '- ',
      '1. ',
      '*',
      '**',
      '_',
      '[',
      '](',
      ')',
      '|',
      '\n',
      '    ',
      '`',
      '~~',
      '<',
      'a',
    )
    const runs = fc.tuple(marks, fc.nat(400)).map(([one, count]) => one.repeat(count))
    fc.assert(
      fc.property(fc.array(runs, { maxLength: 8 }), (some) => {
        parseBlocks(some.join(''))
      }),
      { numRuns: 200 },
    )
  })
})

describe('the address of a link', () => {
  it.each([
    ['a user part', 'https://bank.example@evil.test/a', 'x', 'https://evil.test/a', 'evil.test'],
    ['user and password', 'https://user:pass@evil.test', 'user:pass@evil.test', 'https://evil.test/', 'evil.test'],
    [
      'a text that is another address',
      'https://evil.test/',
      'https://bank.example/login',
      'https://evil.test/',
      'evil.test',
    ],
    ['a text that is another host', 'https://evil.test/', 'bank.example', 'https://evil.test/', 'evil.test'],
    [
      'another host with invisible characters',
      'https://evil.test/',
      'bank\u200b.exam\u00adple',
      'https://evil.test/',
      'evil.test',
    ],
    [
      'another host in full-width letters',
      'https://evil.test/',
      'ｂａｎｋ．example',
      'https://evil.test/',
      'evil.test',
    ],
    [
      'another host inside a sentence',
      'https://evil.test/',
      'go to www.bank.example now',
      'https://evil.test/',
      'evil.test',
    ],
    [
      'a host that begins like another',
      'https://bank.example.evil.test/',
      'bank.example',
      'https://bank.example.evil.test/',
      'bank.example.evil.test',
    ],
    ['a look-alike', 'https://аpple.com/', 'аpple.com', 'https://xn--pple-43d.com/', 'xn--pple-43d.com'],
    [
      'a look-alike with another text',
      'https://аpple.com/',
      'sign in',
      'https://xn--pple-43d.com/',
      'xn--pple-43d.com',
    ],
    ['another mail address', 'mailto:thief@evil.test', 'help@bank.example', 'mailto:thief@evil.test', 'evil.test'],
  ])('[WEB-201] says which host it is of: %s', (_, address, text, href, host) => {
    expect(safeLink(address, text)).toEqual({ href, host })
  })

  it.each([
    ['https://example.com/a?b=1', 'the manual', 'https://example.com/a?b=1'],
    ['https://docs.example.com/', 'example.com', 'https://docs.example.com/'],
    ['https://www.example.com/', 'https://example.com/', 'https://www.example.com/'],
    ['https://example.com/x', 'https://example.com/x', 'https://example.com/x'],
    ['https://xn--mnchen-3ya.de/', 'xn--mnchen-3ya.de', 'https://xn--mnchen-3ya.de/'],
    ['mailto:a@example.com', 'a@example.com', 'mailto:a@example.com'],
    ['https://example.com/', 'see section 1.2', 'https://example.com/'],
  ])('[WEB-201] says nothing beside one that is what it seems: %s as %s', (address, text, href) => {
    expect(safeLink(address, text)).toEqual({ href, host: undefined })
  })

  it.each(['javascript:alert(1)', 'data:text/html,x', '/path', '//evil.test', 'ftp://a.test', 'vbscript:x', ''])(
    '[WEB-11] is none: %j',
    (address) => {
      expect(safeLink(address, 'x')).toBeUndefined()
    },
  )
})
