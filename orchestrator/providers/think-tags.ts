/**
 * Thinking that a server without a parser for it leaves in the text, as `<think>…</think>` at the beginning of an answer.
 * `closing`: models whose template has opened it already send the closing tag alone.
 */
export type ThinkTags = 'paired' | 'closing'

export interface Split {
  readonly text: string
  readonly thought: string
}

/** Blanks before a tag wait up to this many, in UTF-16 units; behind more of them the answer has begun. */
const heldUnits = 1_024

const names = ['think', 'thinking', 'thought', 'reasoning'] as const
const openings = names.map((name) => `<${name}>`)
const closings = names.map((name) => `</${name}>`)

/** Splits one answer's text as it comes. What may be the beginning of a tag waits for the next piece. */
export class ThinkTagSplitter {
  #phase: 'before' | 'thinking' | 'behind' | 'answer' = 'before'
  readonly #tags: ThinkTags
  #held = ''

  constructor(tags: ThinkTags) {
    this.#tags = tags
  }

  push(piece: string): Split {
    if (this.#phase === 'answer') return { text: piece, thought: '' }
    this.#held += piece
    return this.#take(false)
  }

  /** The answer is over: what waited is what it looks like. */
  end(): Split {
    return this.#take(true)
  }

  #take(isEnd: boolean): Split {
    if (this.#phase === 'before') this.#begin(isEnd)
    const thought = this.#phase === 'thinking' ? this.#thought(isEnd) : ''
    if (this.#phase === 'behind') {
      this.#held = this.#held.trimStart()
      if (this.#held !== '') this.#phase = 'answer'
    }
    if (this.#phase !== 'answer') return { text: '', thought }
    const text = this.#held
    this.#held = ''
    return { text, thought }
  }

  #begin(isEnd: boolean): void {
    const start = this.#held.trimStart()
    const isTooFar = this.#held.length - start.length > heldUnits
    const opening = isTooFar ? undefined : openings.find((tag) => start.startsWith(tag))
    if (opening !== undefined) {
      this.#held = start.slice(opening.length)
      this.#phase = 'thinking'
    } else if (isEnd || isTooFar || !openings.some((tag) => tag.startsWith(start))) {
      this.#phase = this.#tags === 'closing' && start !== '' ? 'thinking' : 'answer'
    }
  }

  #thought(isEnd: boolean): string {
    const held = this.#held
    const found = closings
      .map((tag) => ({ at: held.indexOf(tag), length: tag.length }))
      .filter(({ at }) => at >= 0)
      .sort((one, other) => one.at - other.at)[0]
    if (found !== undefined) {
      this.#held = held.slice(found.at + found.length)
      this.#phase = 'behind'
      return held.slice(0, found.at)
    }
    const open = isEnd ? -1 : held.lastIndexOf('<')
    const waits = open >= 0 && closings.some((tag) => tag.startsWith(held.slice(open)))
    this.#held = waits ? held.slice(open) : ''
    return waits ? held.slice(0, open) : held
  }
}
