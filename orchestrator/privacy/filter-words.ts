/**
 * Stops an answer at a forbidden word. Of the text that comes in pieces only what may become one is held back: fewer units
 * than the longest word has. Nothing of a word is let out.
 */
import { border, isSpacedLetter, type WordList, withoutCase } from './word-list.ts'

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
  #held = ''
  #node = 0
  #isInWord = false

  constructor(words: WordList) {
    this.#words = words
  }

  push(piece: string): Filtered {
    const text = this.#held + piece
    for (let index = this.#held.length; index < text.length; index++) {
      const unit = text.charCodeAt(index)
      const isInWord = isSpacedLetter(unit)
      if (isInWord !== this.#isInWord) {
        this.#isInWord = isInWord
        if (this.#finds(border)) return this.#stopped(text, index)
      }
      if (this.#finds(withoutCase(unit))) return this.#stopped(text, index + 1)
    }
    const certain = text.length - this.#words.pendingUnits(this.#node)
    this.#held = text.slice(certain)
    return { text: text.slice(0, certain), isStopped: false }
  }

  end(): Filtered {
    const text = this.#held
    if (this.#isInWord && this.#finds(border)) return this.#stopped(text, text.length)
    this.#held = ''
    return { text, isStopped: false }
  }

  #finds(symbol: number): boolean {
    this.#node = this.#words.next(this.#node, symbol)
    return this.#words.foundUnits(this.#node) > 0
  }

  #stopped(text: string, end: number): Filtered {
    this.#held = ''
    return { text: text.slice(0, end - this.#words.foundUnits(this.#node)), isStopped: true }
  }
}
