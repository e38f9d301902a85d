/**
 * Ways in which Markdown, HTML, URLs, JSON and careful people write a single character: `\@`, `&#64;`, `%40`, `\u0040`,
 * `[at]`. Each is short, so looking for one at a place costs a constant.
 */

const source = [
  String.raw`\\(?<mark>[!-/:-@[-\x60{-~])`,
  String.raw`\\(?:u(?<unit>[0-9a-f]{4})|x(?<byte>[0-9a-f]{2}))`,
  String.raw`&(?:#x(?<hex>[0-9a-f]{2,5})|#(?<decimal>\d{2,6})|(?<name>[a-z]{3,6}));`,
  '%(?<percent>[2-7][0-9a-f])',
  String.raw`[[({](?<word>at|dot|[@.:])[\])}] ?`,
].join('|')

const anywhere = new RegExp(source, 'i')
const here = new RegExp(source, 'iy')

/** Those that stand for a character of an identifier, or for one between its parts. */
const names: ReadonlyMap<string, string> = new Map([
  ['commat', '@'],
  ['period', '.'],
  ['plus', '+'],
  ['lowbar', '_'],
  ['colon', ':'],
  ['hyphen', '-'],
  ['dash', '-'],
  ['nbsp', ' '],
  ['ensp', ' '],
  ['emsp', ' '],
  ['thinsp', ' '],
  ['shy', '\u00ad'],
  ['zwj', '\u200d'],
  ['zwnj', '\u200c'],
])
const words: ReadonlyMap<string, string> = new Map([
  ['at', '@'],
  ['dot', '.'],
])

export function hasEscapes(text: string): boolean {
  return anywhere.test(text)
}

export interface Escape {
  readonly codePoint: number
  readonly length: number
  /** `[at]`: a space before it belongs to it. */
  readonly isWord: boolean
}

/** The escape sequence that begins at a place, and what it stands for. */
export function escapeAt(text: string, at: number): Escape | undefined {
  here.lastIndex = at
  const match = here.exec(text)
  if (match === null) return undefined
  const codePoint = standsFor(match.groups ?? {})
  if (codePoint === undefined) return undefined
  return { codePoint, length: match[0].length, isWord: match.groups?.word !== undefined }
}

function standsFor(groups: Readonly<Record<string, string | undefined>>): number | undefined {
  const { mark, decimal, name, word } = groups
  const hex = groups.unit ?? groups.byte ?? groups.hex ?? groups.percent
  const code = hex !== undefined ? Number.parseInt(hex, 16) : Number(decimal)
  if (hex !== undefined || decimal !== undefined) return code > 0x10ffff ? undefined : code
  const character = mark ?? (name === undefined ? word && (words.get(word.toLowerCase()) ?? word) : names.get(name))
  return character?.codePointAt(0)
}
