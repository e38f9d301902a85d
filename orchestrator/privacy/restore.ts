/**
 * Puts the values back into an answer that comes in pieces. A placeholder may be split over any of them: what may be the
 * beginning of one is held back, at most its length less one, and nothing else is. One with its letters in another case is
 * taken too, and one with invisible characters inside, which are held back with it up to `placeholderInvisibleUnits`. What
 * only looks like a placeholder stays as it is, and so does one of another prompt.
 */
import { foldKind, invisible } from './fold.ts'
import { placeholderInvisibleUnits } from './limits.ts'

export interface Restorer {
  /** The part of the answer that is certain by now; may be empty. */
  push(piece: string): string
  /** What the end of the answer sets free. */
  end(): string
}

/** For a prompt without identifiers: the answer as it is. */
export const identity: Restorer = { push: (piece) => piece, end: () => '' }

/** For one answer. `values` by placeholder, as `nameValues` gives them. */
export function createRestorer(values: ReadonlyMap<string, string>): Restorer {
  if (values.size === 0) return identity
  return new PlaceholderRestorer(values)
}

const opening = /q/gi

class PlaceholderRestorer implements Restorer {
  readonly #values: ReadonlyMap<string, string>
  /** Few: of placeholders of one label all are equally long. */
  readonly #lengths: readonly number[]
  readonly #longest: number
  #sorted: readonly string[] | undefined
  #held = ''

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values
    this.#lengths = [...new Set([...values.keys()].map((name) => name.length))]
    this.#longest = Math.max(...this.#lengths)
  }

  push(piece: string): string {
    const text = this.#held + piece
    this.#held = ''
    let restored = ''
    let from = 0
    for (let at = nextOpening(text, 0); at !== -1; at = nextOpening(text, at)) {
      const word = wordAt(text, at, this.#longest)
      const name = this.#nameIn(word)
      if (name !== undefined) {
        restored += text.slice(from, at) + (this.#values.get(name) ?? '')
        at = endOf(word, at, name.length)
        from = at
      } else if (word.isOpen && this.#mayBegin(word)) {
        this.#held = text.slice(at)
        return restored + text.slice(from, at)
      } else at += 1
    }
    return from === 0 ? text : restored + text.slice(from)
  }

  end(): string {
    const rest = this.#held
    this.#held = ''
    return rest
  }

  #nameIn({ letters }: Word): string | undefined {
    for (const length of this.#lengths) {
      const name = letters.slice(0, length)
      if (name.length === length && this.#values.has(name)) return name
    }
    return undefined
  }

  /** Whether what the text ends with is the beginning of a placeholder. */
  #mayBegin({ letters }: Word): boolean {
    if (letters.length >= this.#longest) return false
    this.#sorted ??= [...this.#values.keys()].sort()
    return this.#sorted[firstNotBelow(this.#sorted, letters)]?.startsWith(letters) ?? false
  }
}

/** The letters and digits at a place, as capitals, without what is invisible between them. */
interface Word {
  readonly letters: string
  /** Where each of them ends; undefined where they stand side by side. */
  readonly ends: readonly number[] | undefined
  /** The text ends with it. */
  readonly isOpen: boolean
}

function wordAt(text: string, at: number, longest: number): Word {
  const beside = text.slice(at, at + longest)
  if (!foreign.test(beside)) return { letters: upperCased(beside), ends: undefined, isOpen: at + longest > text.length }
  return wordWithInvisible(text, at, longest)
}

const foreign = /[^\t\n\r -~]/

function wordWithInvisible(text: string, at: number, longest: number): Word {
  const ends: number[] = []
  let letters = ''
  let index = at
  const limit = Math.min(text.length, at + longest + placeholderInvisibleUnits)
  while (index < limit && letters.length < longest) {
    const codePoint = text.codePointAt(index) ?? 0
    index += codePoint > 0xffff ? 2 : 1
    if (foldKind(codePoint) === invisible) continue
    const letter = String.fromCodePoint(codePoint)
    if (!/[A-Za-z0-9]/.test(letter)) return { letters: upperCased(letters), ends, isOpen: false }
    letters += letter
    ends.push(index)
  }
  const isOpen = index >= text.length && index < at + longest + placeholderInvisibleUnits
  return { letters: upperCased(letters), ends, isOpen }
}

function endOf({ ends }: Word, at: number, length: number): number {
  return ends?.[length - 1] ?? at + length
}

function nextOpening(text: string, from: number): number {
  opening.lastIndex = from
  return opening.exec(text)?.index ?? -1
}

/** ASCII's letters alone: `ſ` is no S here, and no text becomes longer. */
function upperCased(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())
}

function firstNotBelow(sorted: readonly string[], wanted: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? '') < wanted) low = middle + 1
    else high = middle
  }
  return low
}
