/** Recipes: what a grammar writes or a seed holds, with a few things done to it. */
import fc from 'fast-check'
import type { Piece, Recipe, Step } from './recipe.ts'

/** Texts that parsers are known to stumble over. */
export const nasty = fc.constantFrom(
  '\0',
  '\ufeff',
  '\ud800',
  '\udfff',
  // As a byte it is no UTF-8; see `bytesOf`.
  '\udcff',
  '\udce2\udc82',
  '\u2028',
  '\u200b',
  '\u{1f600}',
  'e\u0301',
  '\r\n',
  '\r',
  '\n\n',
  '\t',
  '"',
  "'",
  '\\',
  '\\u',
  '\\ud800',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '%',
  '%00',
  '-0',
  '1e999',
  '-1',
  '9007199254740993',
  '0.1e-400',
  '1'.repeat(400),
  'null',
  'NaN',
  '__proto__',
  'constructor',
  '*a',
  '&a ',
  '<<: ',
  '!!js/function ',
  '{{',
  '{%',
  '<script>',
  '](javascript:',
)

/** Mostly few, sometimes as many as there is room for. */
export const many = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 0, max: 8 }) },
  { weight: 3, arbitrary: fc.integer({ min: 9, max: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom(3_000, 20_000, 1_000_000) },
)

const share = fc.integer({ min: 0, max: 1_000 })
const smallShare = fc.oneof(fc.integer({ min: 0, max: 20 }), share)

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: share, bit: fc.integer({ min: 0, max: 15 }) }),
  fc.record({ kind: fc.constant('insert' as const), at: share, text: nasty }),
  fc.record({ kind: fc.constant('cut' as const), at: share, length: smallShare }),
  fc.record({ kind: fc.constant('repeat' as const), at: share, length: smallShare, times: many }),
  fc
    .tuple(fc.constantFrom(['[', ']'], ['{"a":', '}'], ['> ', ''], ['- ', ''], ['(', ')'], ['"', '"']), many)
    .map(([[before = '', after = ''], times]) => ({ kind: 'nest' as const, before, after, times })),
)

const cuts = fc.oneof(
  fc.constant<number[]>([]),
  fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }),
  fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 4 }),
)

/** `corpus`: recipes that brought something new before; they are as good a beginning as the grammar. */
export function recipes(grammar: fc.Arbitrary<readonly Piece[]>, corpus: readonly Recipe[]): fc.Arbitrary<Recipe> {
  const steps = fc.oneof(
    { weight: 2, arbitrary: fc.constant<Step[]>([]) },
    { weight: 3, arbitrary: fc.array(step, { minLength: 1, maxLength: 3 }) },
  )
  const fresh = fc
    .record({ pieces: grammar, steps, cuts })
    .map(({ pieces, ...rest }): Recipe => ({ pieces: [...pieces], ...rest }))
  if (corpus.length === 0) return fresh
  const mutated = fc
    .tuple(fc.constantFrom(...corpus), fc.array(step, { maxLength: 3 }), cuts)
    .map(([{ pieces, steps: before }, more, parts]): Recipe => ({ pieces, steps: [...before, ...more], cuts: parts }))
  return fc.oneof({ weight: 2, arbitrary: fresh }, { weight: 1, arbitrary: mutated })
}
