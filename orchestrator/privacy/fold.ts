/**
 * What one character is read as when identifiers and forbidden words are looked for.
 *
 * Text that is pasted from web pages, PDF files and phones holds characters that nobody sees (zero-width spaces, soft
 * hyphens, direction marks) and other ways of writing the same letter or digit. A reader sees `4111`, whichever characters it is
 * made of, so the finders must too. Every answer here depends on the character alone and is computed once.
 */

/** `same`: as it is. `read-as`: another text. `invisible`: nothing. `mark`: a sign on the character before. */
export const same = 1
export const readAs = 2
export const invisible = 3
export const mark = 4
/** A superscript, subscript or circled digit: a digit of a number, or a footnote beside one. */
export const ornamental = 5
/** May begin an escape sequence (`escapes.ts`). */
export const escaping = 6

export type FoldKind =
  | typeof same
  | typeof readAs
  | typeof invisible
  | typeof mark
  | typeof ornamental
  | typeof escaping

/** By code point: 0 until it was seen. 1.1 MB of address space, of which only the pages of characters in use are touched. */
const kinds = new Uint8Array(0x110000)
/** What `readAs` and `ornamental` characters are read as, and marks that have another form. */
const readings = new Map<number, string>()

/** All of them, but for line ends and the like. */
export const invisibleCharacters = /(?![\t\n\v\f\r\x85])[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}]/gu

const hidden = /[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}]/u
/** Accents, strokes and enclosing signs. Vowel signs of Indic scripts are letters for this purpose. */
const decoration =
  /[\p{Me}[\p{M}&&[\p{Script=Inherited}\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Hebrew}\p{Script=Arabic}]]]/v
const digit = /\p{Nd}/u
const space = /[\p{Zs}\v\f\u2800]/u
const dash = /[\p{Pd}\u2043\u2212\u02d7]/u
const letters = /^[\p{L}\p{M}]{1,4}$/u

/** What Unicode's compatibility forms leave out. */
const others: ReadonlyMap<string, string> = new Map([
  ...pairs('\n', '\u0085\u2028\u2029'),
  ...pairs('/', '\u2044\u2215'),
  ...pairs(':', '\u2236\ua789'),
  ...pairs('\u3002', '\uff61'),
  ...pairs('\u00b7', '\u2022\u2027\u2219\u22c5\u30fb\uff65\u2e31'),
  ...pairs('.', '\u066b'),
  ...pairs(',', '\u066c'),
])

function pairs(reading: string, characters: string): [string, string][] {
  return [...characters].map((character) => [character, reading])
}

export function foldKind(codePoint: number): FoldKind {
  // Only `classify` writes into the table, and what it writes is a `FoldKind`.
  return (kinds[codePoint] || classify(codePoint)) as FoldKind
}

/** What the character is read as; itself where `foldKind` says `same`, empty for what is invisible. */
export function foldReading(codePoint: number): string {
  if (foldKind(codePoint) === invisible) return ''
  return readings.get(codePoint) ?? String.fromCodePoint(codePoint)
}

function classify(codePoint: number): FoldKind {
  const [kind, reading] = folded(codePoint, String.fromCodePoint(codePoint))
  kinds[codePoint] = kind
  if (reading !== undefined) readings.set(codePoint, reading)
  return kind
}

function folded(codePoint: number, character: string): readonly [FoldKind, string?] {
  if ('\\&%[({'.includes(character)) return [escaping]
  if (/[\t\n\r -~\xaa\xba]/.test(character)) return [same]
  const other = others.get(character)
  if (other !== undefined) return [readAs, other]
  if (space.test(character)) return [readAs, ' ']
  if (hidden.test(character)) return [invisible]
  if (decoration.test(character)) return [mark]
  if (digit.test(character)) return [readAs, String(digitValue(codePoint))]
  if (dash.test(character)) return [readAs, '-']
  return compatible(character)
}

/** Digits of a script stand in tens, each from 0 on; some tens stand beside each other. */
function digitValue(codePoint: number): number {
  let before = 0
  while (digit.test(String.fromCodePoint(codePoint - before - 1))) before++
  return before % 10
}

/** Full-width, mathematical and circled letters, ligatures, half-width katakana. `™` and `½` stay what they are. */
function compatible(character: string): readonly [FoldKind, string?] {
  const reading = character.normalize('NFKC')
  if (reading === character) return [same]
  if (/^\d$/.test(reading)) return [ornamental, reading]
  if (decoration.test(reading)) return [mark, reading]
  if (/^[ -~]$/.test(reading) || (letters.test(character) && letters.test(reading))) return [readAs, reading]
  return [same]
}
