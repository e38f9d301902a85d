/**
 * Stops an answer at a forbidden word, whatever it is written with (`UnitReader`). Of the text that comes in pieces only what
 * may become one is held back: fewer units than the longest word has, and what is invisible between them. Nothing of a
 * word is let out.
 */
import { filterHeldUnits } from './limits.ts'
import { border, isSpacedLetter, space, UnitReader, type WordList, withoutCase } from './word-list.ts'

export interface Filtered {
  /** What is let out; may be empty. */
  readonly text: string
  /** A forbidden word follows the text; nothing of what comes later is let out. */
  readonly isStopped: boolean
}

/** For one answer. After a stop it must not be asked again. */
export interface OutputFilter {
  push(piece: string): Filtered
  end(): Filtered
}

export function createOutputFilter(words: WordList): OutputFilter {
  return words.isEmpty ? unfiltered : new WordFilter(words)
}

const unfiltered: OutputFilter = {
  push: (text) => ({ text, isStopped: false }),
  end: () => ({ text: '', isStopped: false }),
}

class WordFilter implements OutputFilter {
  readonly #words: WordList
  readonly #reader = new UnitReader()
  /** Where the last units that were compared stand in the answer, by their count; as many as a word has. */
  readonly #positions: Float64Array
  #unitCount = 0
  #held = ''
  /** How much of the answer is before what is held, and how much of that was compared. */
  #passed = 0
  #compared = 0
  #node = 0
  #isInWord = false
  #isAfterSpace = false

  constructor(words: WordList) {
    this.#words = words
    this.#positions = new Float64Array(words.longestUnits + 1)
  }

  push(piece: string): Filtered {
    return this.#read(this.#held + piece, false)
  }

  end(): Filtered {
    const { text, isStopped } = this.#read(this.#held, true)
    if (isStopped) return { text, isStopped }
    if (this.#isInWord && this.#finds(border)) return this.#stopped(this.#held, text)
    const rest = this.#held
    this.#held = ''
    return { text: text + rest, isStopped: false }
  }

  #read(text: string, isWhole: boolean): Filtered {
    let index = this.#compared
    while (index < text.length) {
      const codePoint = text.codePointAt(index) ?? 0
      // The second half of a character may be in the next piece.
      if (!isWhole && index === text.length - 1 && codePoint >= 0xd800 && codePoint <= 0xdbff) break
      if (this.#takes(codePoint, this.#passed + index)) return this.#stopped(text, '')
      index += codePoint > 0xffff ? 2 : 1
    }
    return this.#letOut(text, index)
  }

  /** Lets out what cannot become a word any more. A word with too much that is invisible inside is given up. */
  #letOut(text: string, end: number): Filtered {
    const pending = this.#words.pendingUnits(this.#node)
    let certain = pending === 0 ? end : this.#start(pending)
    if (text.length - certain > filterHeldUnits) {
      this.#node = 0
      certain = end
    }
    this.#held = text.slice(certain)
    this.#passed += certain
    this.#compared = end - certain
    return { text: text.slice(0, certain), isStopped: false }
  }

  /** Whether a word ends with this character, or ended before it. */
  #takes(codePoint: number, position: number): boolean {
    const units = this.#reader.read(codePoint)
    for (let at = 0; at < units.length; at++) if (this.#takesUnit(units.charCodeAt(at), position)) return true
    return false
  }

  #takesUnit(unit: number, position: number): boolean {
    const isInWord = isSpacedLetter(unit)
    if (isInWord !== this.#isInWord) {
      this.#isInWord = isInWord
      if (this.#finds(border)) return true
    }
    const symbol = withoutCase(unit)
    const isSpace = symbol === space
    // Several are one.
    if (isSpace && this.#isAfterSpace) return false
    this.#isAfterSpace = isSpace
    this.#positions[this.#unitCount % this.#positions.length] = position
    this.#unitCount++
    return this.#finds(symbol)
  }

  #stopped(text: string, before: string): Filtered {
    const start = this.#start(this.#words.foundUnits(this.#node))
    this.#held = ''
    return { text: before + text.slice(0, start), isStopped: true }
  }

  #finds(symbol: number): boolean {
    this.#node = this.#words.next(this.#node, symbol)
    return this.#words.foundUnits(this.#node) > 0
  }

  /** Where the last `count` units began, in the text at hand. */
  #start(count: number): number {
    return (this.#positions[(this.#unitCount - count) % this.#positions.length] ?? 0) - this.#passed
  }
}
