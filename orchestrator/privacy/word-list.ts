/**
 * Forbidden words as one automaton (Aho and Corasick's), so that a thousand of them cost a piece of text what one does.
 *
 * A text is read as symbols: its UTF-16 units without case, and a border wherever a run of letters begins or ends. A word
 * has borders at its ends too, so whole words are found by comparing symbols alone, and what is held back of an answer is
 * exactly what may still become a word. In scripts that put no spaces between words, or let particles cling to them, there are none.
 */
import { foldKind, foldReading, invisible, mark, ornamental } from './fold.ts'
import { filterWordUnits } from './limits.ts'

/** The symbol of a border; a unit's is its number, without case. */
export const border = 0x10000
/** The symbol of any white space. */
export const space = 0x20
const symbolsCount = 0x10001

export class WordList {
  /** By node and symbol: a node that lies one symbol deeper. Node 0 is the root. */
  readonly #edges = new Map<number, number>()
  /** By node: the node of the longest proper ending of what led to it. */
  readonly #fallback: number[] = [0]
  readonly #units: number[] = [0]
  readonly #found: number[] = [0]
  #longest = 0

  /** Words and phrases; the empty and those over the limit's length are refused with a `RangeError`. */
  constructor(words: readonly string[]) {
    for (const word of words) for (const spelling of spellingsOf(word)) this.#add(spelling)
    this.#link()
  }

  get isEmpty(): boolean {
    return this.#edges.size === 0
  }

  /** The most units that are ever pending or found. */
  get longestUnits(): number {
    return this.#longest
  }

  next(node: number, symbol: number): number {
    let at = node
    for (;;) {
      const deeper = this.#edges.get(at * symbolsCount + symbol)
      if (deeper !== undefined) return deeper
      if (at === 0) return 0
      at = this.#fallback[at] ?? 0
    }
  }

  /** How many of the last units may be the beginning of a word. */
  pendingUnits(node: number): number {
    return this.#units[node] ?? 0
  }

  /** The length of the longest word that ends here; 0: none. */
  foundUnits(node: number): number {
    return this.#found[node] ?? 0
  }

  #add(word: string): void {
    let node = 0
    let units = 0
    for (const symbol of symbolsOf(word)) {
      if (symbol !== border) units++
      const key = node * symbolsCount + symbol
      node = this.#edges.get(key) ?? this.#grow(key, units)
    }
    this.#found[node] = units
    this.#longest = Math.max(this.#longest, units)
  }

  #grow(key: number, units: number): number {
    const node = this.#units.length
    this.#edges.set(key, node)
    this.#units.push(units)
    this.#fallback.push(0)
    this.#found.push(0)
    return node
  }

  /** Breadth first: an ending is shorter, and so known, when it is needed. */
  #link(): void {
    const depths: number[] = [0]
    const byDepth: (readonly [node: number, parent: number, symbol: number])[][] = []
    for (const [key, node] of this.#edges) {
      const parent = Math.floor(key / symbolsCount)
      const depth = (depths[parent] ?? 0) + 1
      depths[node] = depth
      byDepth[depth] ??= []
      byDepth[depth].push([node, parent, key % symbolsCount])
    }
    for (const [node, parent, symbol] of byDepth.flat()) {
      if (parent === 0) continue
      const fallback = this.next(this.#fallback[parent] ?? 0, symbol)
      this.#fallback[node] = fallback
      this.#found[node] ||= this.#found[fallback] ?? 0
    }
  }
}

/** With composed and decomposed letters, and in capitals for those that have two there: ß, SS. */
function spellingsOf(word: string): Set<string> {
  const trimmed = word.trim()
  if (trimmed === '' || trimmed.length > filterWordUnits) {
    throw new RangeError(`unable to filter a word of ${trimmed.length} units; write 1 to ${filterWordUnits}`)
  }
  const spellings = [trimmed, trimmed.toUpperCase()].flatMap((each) => [each.normalize('NFC'), each.normalize('NFD')])
  return new Set(spellings.map((spelling) => spelling.replace(/\s+/g, ' ')))
}

function symbolsOf(word: string): number[] {
  const symbols: number[] = []
  const reader = new UnitReader()
  let wasLetter = false
  for (const character of word) {
    for (const unit of unitsIn(reader.read(character.codePointAt(0) ?? 0))) {
      const isLetter = isSpacedLetter(unit)
      if (isLetter !== wasLetter) symbols.push(border)
      symbols.push(withoutCase(unit))
      wasLetter = isLetter
    }
  }
  if (wasLetter) symbols.push(border)
  return symbols
}

function unitsIn(text: string): number[] {
  return Array.from({ length: text.length }, (_, index) => text.charCodeAt(index))
}

/** By unit: 1 once it was seen to be read as itself, as most are. */
const readAsThemselves = new Uint8Array(0x10000)

/**
 * Reads a text, character by character, as the units by which words are compared: without what is invisible, full-width and other
 * forms as the usual ones, accents apart from their letters, and no strokes and the like. For one text.
 */
export class UnitReader {
  /** The last character with the accents on it. */
  #base = ''

  /** Empty for what does not count. */
  read(codePoint: number): string {
    if (readAsThemselves[codePoint] === 1) {
      this.#base = String.fromCharCode(codePoint)
      return this.#base
    }
    const kind = foldKind(codePoint)
    if (kind === invisible) return ''
    const reading = kind === ornamental ? String.fromCodePoint(codePoint) : foldReading(codePoint)
    if (kind === mark) return this.#accent(reading)
    this.#base = reading
    const units = unspaced.test(reading) ? reading : reading.normalize('NFD')
    if (units === String.fromCharCode(codePoint)) readAsThemselves[codePoint] = 1
    return units
  }

  /** A sign that has no form together with the letter is no part of the spelling. */
  #accent(sign: string): string {
    const composed = (this.#base + sign).normalize('NFC')
    if (composed.length !== this.#base.length) return ''
    this.#base = composed
    return sign
  }
}

/** By unit, once it was seen: its symbol, whether it is a letter, and that it was seen. */
const known = new Uint32Array(0x10000)

/** A letter, figure or mark of a script that has spaces between its words, and nothing else. */
export function isSpacedLetter(unit: number): boolean {
  return (lookUp(unit) & 2) !== 0
}

/** Any white space is one symbol. */
export function withoutCase(unit: number): number {
  return lookUp(unit) >>> 2
}

const letter = /[\p{L}\p{M}\p{N}_]/u
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u

function lookUp(unit: number): number {
  const before = known[unit] ?? 0
  if (before !== 0) return before
  const character = String.fromCharCode(unit)
  const upper = character.toUpperCase()
  const folded = (upper.length === 1 ? upper : character).toLowerCase()
  const symbol = /\s/.test(character) ? space : folded.length === 1 ? folded.charCodeAt(0) : unit
  const isLetter = letter.test(character) && !unspaced.test(character)
  known[unit] = (symbol << 2) | (isLetter ? 2 : 0) | 1
  return known[unit] ?? 0
}
