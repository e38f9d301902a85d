import { jsonDepthMax, jsonNumberLength, jsonValuesMax } from './bounds.ts'

/** A client's JSON, a frame or a body, parsed if its shape is within bounds. */
export function readJson(text: string): ReadJson {
  const problem = findShapeProblem(text)
  if (problem !== undefined) return { kind: 'refused', message: problem }
  try {
    return { kind: 'ok', value: JSON.parse(text) }
  } catch {
    return { kind: 'refused', message: 'is not JSON: send one JSON object' }
  }
}

type ReadJson =
  | { readonly kind: 'ok'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly message: string }

/**
 * Why a JSON text must not be parsed, or `undefined` when its shape is within bounds.
 *
 * Parsing and schema checks cost per value, not per byte: 1 MiB of `[[[[` or `"a":0,` takes up to 0.7 s. So the values
 * are counted first, in one pass that allocates nothing (about 1 ms for 1 MiB). The text need not be valid JSON.
 */
function findShapeProblem(text: string): string | undefined {
  let depth = 0
  let values = 1
  let numberLength = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      at = endOfString(text, at + 1)
      numberLength = 0
    } else if (code === openBrace || code === openBracket) {
      if (++depth > jsonDepthMax) return `nests more than ${jsonDepthMax} levels deep: send a flatter value`
      if (++values > jsonValuesMax) return tooManyValues
      numberLength = 0
    } else if (code === comma) {
      if (++values > jsonValuesMax) return tooManyValues
      numberLength = 0
    } else if (code === closeBrace || code === closeBracket) {
      depth--
      numberLength = 0
    } else if (code <= space || code === colon) numberLength = 0
    else if (++numberLength > jsonNumberLength) return `has a number of more than ${jsonNumberLength} characters`
  }
  return undefined
}

/** Where the quote is that ends the string which begins at `at`, or the text's end. */
function endOfString(text: string, at: number): number {
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) return at
    if (code === backslash) at++
  }
  return at
}

const tooManyValues = `has more than ${jsonValuesMax} values: send fewer`

const space = 0x20
const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
