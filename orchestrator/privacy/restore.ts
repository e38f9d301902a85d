/**
 * Puts the values back into an answer that comes in pieces. A placeholder may be split over any of them: what may be the
 * beginning of one is held back, at most its length less one, and nothing else is. One with its letters in another case is
 * taken too. What only looks like a placeholder stays as it is, and so does one of another prompt.
 */
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
      const name = this.#nameAt(text, at)
      if (name !== undefined) {
        restored += text.slice(from, at) + (this.#values.get(name) ?? '')
        at += name.length
        from = at
      } else if (this.#mayBegin(text, at)) {
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

  #nameAt(text: string, at: number): string | undefined {
    for (const length of this.#lengths) {
      const name = upperCased(text.slice(at, at + length))
      if (name.length === length && this.#values.has(name)) return name
    }
    return undefined
  }

  /** Whether the text's last units, from `at` on, are the beginning of a placeholder. */
  #mayBegin(text: string, at: number): boolean {
    if (text.length - at >= this.#longest) return false
    this.#sorted ??= [...this.#values.keys()].sort()
    const tail = upperCased(text.slice(at))
    return this.#sorted[firstNotBelow(this.#sorted, tail)]?.startsWith(tail) ?? false
  }
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
