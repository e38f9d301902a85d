/** JSON texts: those that a schema describes, and those that are hard on whoever reads them. */
import fc from 'fast-check'
import { z } from 'zod'
import { many, nasty } from '../generate.ts'
import type { Piece } from '../recipe.ts'
import { type Grammar, inOrder, listOf, mostly, oneOf, repeated, textsOf, word, words } from './pieces.ts'

const quoted = (text: string) => JSON.stringify(text)

const anyString = textsOf(
  fc.oneof(fc.string({ unit: 'binary' }), nasty, fc.constantFrom('', 'a', 'ada', 'c-1')).map(quoted),
)
const anyNumber = words(
  '0',
  '1',
  '-1',
  '1.5',
  '9007199254740991',
  '9007199254740993',
  '1e999',
  '-0',
  '1E+2',
  '01',
  '.5',
)
const literal = words('null', 'true', 'false')
/** A string of one character, as long as there is room. */
const longString = fc
  .tuple(fc.constantFrom('a', '\\u0000', '\\ud800', '\\n', 'é', '\u{1f600}', '\\"', '1 '), many)
  .map(([text, times]): Piece[] => ['"', [text, times], '"'])
const longNumber = many.map((times): Piece[] => ['1', ['0', times]])

const deep = fc
  .tuple(fc.constantFrom<[string, string, string]>(['[', '', ']'], ['{"a":', '1', '}'], ['[[],', '1', ']']), many)
  .map(([[open, middle, close], times]): Piece[] => [[open, times], middle, [close, times]])

/** A great many members, with names of their own or one name. */
const wide = fc
  .tuple(
    fc.constantFrom('"k%d":[],', '"k%d":1,', '"k%d":"v",', '"%d":{},', '"k":0,', '"k%d":{"a":[]},', '"__proto__":1,'),
    many,
  )
  .map(([member, times]): Piece[] => ['{', [member, times], '"end":0}'])

const longList = fc
  .tuple(fc.constantFrom('1,', '[],', '{},', '"",', 'null,', '{"type":"a"},', '1e9,'), many)
  .map(([item, times]): Piece[] => ['[', [item, times], '0]'])

export const hostileJson: Grammar = mostly(
  [4, oneOf(anyString, anyNumber, literal)],
  [2, oneOf(wide, longList, deep)],
  [2, oneOf(longString, longNumber)],
)

interface Schema {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
  readonly propertyNames?: Schema
}

/** Texts of what the schema describes, with something else in a place here and there. */
export function jsonFor(schema: z.ZodType): Grammar {
  // A boundary: zod says that it is a JSON Schema; what of it is not known here becomes any JSON.
  const described = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as Schema
  return mostly([30, valueFor(described)], [1, hostileJson])
}

function valueFor(schema: Schema): Grammar {
  return mostly([25, right(schema)], [1, hostileJson])
}

function right(schema: Schema): Grammar {
  if (schema.const !== undefined) return word(JSON.stringify(schema.const))
  if (schema.enum !== undefined) return words(...schema.enum.map((value) => JSON.stringify(value)))
  const ways = schema.anyOf ?? schema.oneOf
  if (ways !== undefined) return oneOf(...ways.map(valueFor))
  switch (schema.type) {
    case 'string':
      return stringOf(schema)
    case 'integer':
    case 'number':
      return numberOf(schema)
    case 'boolean':
      return words('true', 'false')
    case 'array':
      return inOrder(word('['), listOf(valueFor(schema.items ?? {}), ','), word(']'))
    case 'object':
      return objectOf(schema)
    default:
      return hostileJson
  }
}

function stringOf({ pattern, maxLength = 100, minLength = 0 }: Schema): Grammar {
  const plain =
    pattern === undefined ? fc.string({ minLength, maxLength: Math.min(maxLength, 100) }) : matching(pattern)
  const edge = fc.constantFrom(maxLength, maxLength + 1, Math.max(0, minLength - 1))
  return mostly(
    [8, textsOf(plain.map(quoted))],
    [1, edge.map((length): Piece[] => ['"', ['a', length], '"'])],
    [1, anyString],
  )
}

function matching(pattern: string): fc.Arbitrary<string> {
  return fc.stringMatching(new RegExp(pattern), { maxLength: 64 })
}

function numberOf({ minimum = -1_000, maximum = 1_000_000 }: Schema): Grammar {
  const edges = fc.constantFrom(minimum, maximum, minimum - 1, maximum + 1)
  return textsOf(fc.oneof(fc.integer({ min: Math.max(minimum, -1e9), max: Math.min(maximum, 1e9) }), edges).map(String))
}

function objectOf({ properties = {}, required = [], additionalProperties, propertyNames }: Schema): Grammar {
  const members = Object.entries(properties).map(([name, schema]) => {
    const member = inOrder(word(`${quoted(name)}:`), valueFor(schema))
    // A member is left out now and then, also one that is needed.
    return mostly([required.includes(name) ? 30 : 2, member], [1, word('')])
  })
  const extra =
    typeof additionalProperties === 'object' ? entriesOf(propertyNames ?? {}, additionalProperties) : strangers
  return fc.tuple(...members, extra).map((all) => {
    const present = all.filter((pieces) => pieces.some((piece) => piece !== ''))
    return ['{', ...present.flatMap((pieces, index) => (index === 0 ? pieces : [',', ...pieces])), '}']
  })
}

function entriesOf(names: Schema, values: Schema): Grammar {
  const name = names.pattern === undefined ? anyString : textsOf(matching(names.pattern).map(quoted))
  const entry = inOrder(name, word(':'), valueFor(values))
  const bulk = fc
    .tuple(fc.constantFrom('"k%d":1', '"k%d":[]', '"k%d":"v"', '"%d":0'), many)
    .map(([one, times]): Piece[] => [[`${one},`, times], '"last":1'])
  return mostly([6, listOf(entry, ',')], [1, bulk])
}

const strangers = mostly(
  [12, word('')],
  [1, inOrder(anyString, word(':'), hostileJson)],
  [1, repeated('"x%d":0,', many)],
)
