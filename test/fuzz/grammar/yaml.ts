/** YAML texts: mappings that mean something, anchors and aliases, and what a YAML reader stumbles over. */
import fc from 'fast-check'
import { many, nasty } from '../generate.ts'
import type { Piece } from '../recipe.ts'
import { type Grammar, inOrder, listOf, mostly, oneOf, repeated, textsOf, word, words } from './pieces.ts'

const scalar = mostly(
  [
    6,
    words(
      '1',
      'true',
      'no',
      '~',
      '0x10',
      '1e3',
      '"text"',
      "'text'",
      'text',
      '100ms',
      '"0.05"',
      '[]',
      '{}',
      '2026-01-01',
    ),
  ],
  [2, textsOf(nasty)],
  [
    1,
    words('!!binary aaa', '!!str 1', '!<tag:yaml.org,2002:int> 1', '*a', '&a x', '<<', '? x', '|', '>-', '"\\u0000"'),
  ],
)

/** Each line stands for ten of the one before. */
const bomb = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.constantFrom<[string, string]>(['[', ']'], ['{k: ', '}']))
  .map(([depth, [open, close]]): Piece[] => {
    const levels = Array.from({ length: depth }, (_, level) => {
      const copies = open === '[' ? Array.from({ length: 10 }, () => `*a${level}`).join(',') : `*a${level}`
      return `b${level}: &a${level + 1} ${open}${copies}${close}\n`
    })
    return ['b: &a0 [x,x]\n', ...levels]
  })

const hostile = oneOf(
  bomb,
  fc
    .tuple(fc.constantFrom('[', '{a: ', '- ', '? ', '  a:\n'), many)
    .map(([open, times]): Piece[] => [[open, times], 'x']),
  fc
    .tuple(fc.constantFrom('k%d: 1\n', '- x\n', 'k: 1\n', '&a%d x: *a%d\n', '# c\n', '---\n', '"a": "b"\n'), many)
    .map(([line, times]): Piece[] => [[line, times]]),
  repeated('"\\', many),
  inOrder(word('key: "'), repeated('a', many), word('"\n')),
)

/** `names`: the keys that mean something to the reader, however deep; `values`: what may stand there. */
export function yamlFor(names: readonly string[], values: readonly string[]): Grammar {
  const name = mostly([20, words(...names)], [1, textsOf(nasty)])
  const value = mostly([10, words(...values)], [3, scalar])
  const indent = fc.integer({ min: 0, max: 4 }).map((depth): Piece[] => [' '.repeat(2 * depth)])
  const line = inOrder(indent, mostly([5, word('')], [1, word('- ')]), name, word(': '), value, word('\n'))
  const heading = inOrder(indent, name, word(':\n'))
  return mostly(
    [8, listOf(oneOf(line, line, heading), '', 14)],
    [2, inOrder(listOf(line, '', 3), hostile)],
    [1, hostile],
  )
}
