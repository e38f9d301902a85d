/** An answer as the page draws it: whole, and growing by any parts. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { BlockSplitter } from '../../../web/markdown/block-splitter.ts'
import { MarkdownView } from '../../../web/markdown/markdown-view.ts'
import { many, nasty } from '../generate.ts'
import { inOrder, listOf, mostly, oneOf, repeated, textsOf, words } from '../grammar/pieces.ts'
import { drawn, FakeElement, FakeText, installDocument } from '../page-document.ts'
import { type Input, type Piece, textParts } from '../recipe.ts'
import type { Target } from '../target.ts'

installDocument()

/** Ends a wait for a browser's pause at once: what is drawn in the end is the same. */
const growthsMax = 60

function view(parts: Iterable<string>): string {
  const root = new FakeElement('div')
  // The fakes have what the page uses of these types.
  const shown = new MarkdownView(root as unknown as HTMLElement)
  let text = ''
  let count = 0
  for (const part of parts) {
    text += part
    if (count++ < growthsMax) shown.update(text, false)
  }
  shown.update(text, true)
  shown.dispose()
  return drawn(merged(root), assertSafe)
}

/** Neighbouring texts are one to a reader. */
function merged(root: FakeElement): FakeElement {
  const open = [root]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const children = [...next.childNodes]
    next.childNodes.length = 0
    for (const child of children) {
      const last = next.childNodes.at(-1)
      if (child instanceof FakeText && last instanceof FakeText) last.data += child.data
      else next.childNodes.push(child)
      if (child instanceof FakeElement) open.push(child)
    }
  }
  return root
}

const elements = new Set(
  'DIV P SPAN PRE CODE BUTTON BLOCKQUOTE UL OL LI INPUT TABLE THEAD TBODY TR TH TD HR BR STRONG EM DEL A BDI H3 H4 H5 H6'.split(
    ' ',
  ),
)
const attributes = new Set(['href', 'rel', 'target', 'start', 'aria-label'])

function assertSafe(element: FakeElement): void {
  assert.ok(elements.has(element.tagName), `an answer made <${element.tagName}>`)
  for (const [name, value] of element.attributes) {
    assert.ok(attributes.has(name), `an answer made the attribute ${name}`)
    if (name === 'href') assert.match(value, /^(?:https?|mailto):/, 'a link to something else than a page')
  }
}

function blocksOf(parts: Iterable<string>): readonly string[] {
  const splitter = new BlockSplitter()
  let text = ''
  const sources: string[] = []
  for (const part of parts) {
    text += part
    sources.push(...splitter.advance(text, false).finished.map(({ source }) => source))
  }
  return [...sources, ...splitter.advance(text, true).finished.map(({ source }) => source)]
}

function run({ text, cuts }: Input): string {
  const blocks = blocksOf([text])
  assert.equal(blocks.join('').replaceAll(/\s/g, ''), text.replaceAll(/\s/g, ''), 'the blocks are not the text')
  const whole = view([text])
  if (cuts.length > 0) {
    assert.deepEqual(blocksOf(textParts(text, cuts)), blocks, 'in parts it has other blocks than whole')
    assert.equal(view(textParts(text, cuts)), whole, 'in parts it is drawn otherwise than whole')
  }
  return [...new Set(whole.match(/^\d+ [A-Z]\w*/gm) ?? [])].sort().slice(0, 6).join(' ')
}

const inline = mostly(
  [
    6,
    words(
      'text',
      ' ',
      '**bold**',
      '*em*',
      '`code`',
      '~~gone~~',
      '[a](https://b.example)',
      '![i](https://i.example/x.png)',
      '<b>html</b>',
      '&amp;',
      '&#x41;',
      '&#0;',
      'https://auto.example',
      '<https://auto.example>',
      'a. ',
      '\\*',
      '[a]: https://ref.example',
      '[a][a]',
    ),
  ],
  [
    2,
    words(
      '**',
      '*',
      '_',
      '`',
      '``',
      '[',
      '](',
      '![',
      '<',
      '&',
      '|',
      '[x](javascript:alert(1))',
      '[x](data:text/html,x)',
      '[x](//evil.example)',
      '<img src=x onerror=alert(1)>',
      '[x](https://u:p@e.example)',
    ),
  ],
  [1, textsOf(nasty)],
)
const start = words(
  '',
  '',
  '',
  '# ',
  '- ',
  '* ',
  '1. ',
  '2) ',
  '> ',
  '    ',
  '  ',
  '\t',
  '- [ ] ',
  '```js\n',
  '~~~\n',
  '| a | b |\n| - | - |\n| ',
  '---\n',
  '===\n',
  '+ ',
  '7. ',
)
const line = inOrder(start, listOf(inline, '', 5), words('\n', '\n', '\n\n', '', ' |\n', '\n```\n'))
const long = fc
  .tuple(
    fc.constantFrom(
      '> ',
      '- ',
      '* a\n',
      '[',
      '![',
      '**',
      '*a ',
      '`',
      '``a',
      '<',
      '| ',
      '|a\n',
      'a. ',
      'word ',
      '[a](',
      '~~',
      '_a',
      '&#x',
      '```\n',
      '/*',
      '"\\"',
      '1. ',
      '    ',
      '\\',
      'https://a.',
      '|-',
      '<a',
      '<!--',
      '[a]: b\n',
      '# ',
    ),
    many,
  )
  .map(([one, times]): Piece[] => [[one, times], 'x'])
const fenced = inOrder(
  words('```js\n', '```py\n', '```sql\n', '```\n'),
  oneOf(
    repeated('/*', many),
    repeated('"\\"', many),
    repeated('`', many),
    repeated("'a", many),
    repeated('"""', many),
    repeated('a ', many),
  ),
  words('\n```\n', ''),
)

export const markdown: Target = {
  name: 'markdown',
  what: 'answers as the page draws them',
  grammar: mostly([8, listOf(line, '', 12)], [2, long], [1, inOrder(listOf(line, '', 2), long)], [1, fenced]),
  // Longer answers come in blocks; a block above 16 KiB is shown as it was written.
  unitsMax: 64 * 1024,
  // In a browser, of who reads it, drawn whole and once more in up to 60 growths.
  bound: { cpuMs: 8_000, heapBytes: 256 * 1024 * 1024 },
  run,
}
