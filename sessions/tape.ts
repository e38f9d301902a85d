import { hash } from 'node:crypto'
import { sliceText, type TextSlice } from './text-slice.ts'

const firstCapacityBytes = 512

/**
 * The text of one part of a running answer, in memory: it only grows. Bytes below its length are never written again
 * and growing moves to a new buffer, so views handed out stay as they were.
 */
export class Tape {
  #bytes = Buffer.allocUnsafe(firstCapacityBytes)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What it occupies, in bytes. */
  get capacity(): number {
    return this.#bytes.length
  }

  append(text: Uint8Array): void {
    const length = this.#length + text.length
    if (length > this.#bytes.length) this.#grow(length)
    this.#bytes.set(text, this.#length)
    this.#length = length
  }

  view(from: number, to: number): Buffer {
    return this.#bytes.subarray(from, to)
  }

  slice(at: number, maxBytes: number): TextSlice {
    return sliceText(this.view(0, this.#length), at, maxBytes)
  }

  sha1(): string {
    return hash('sha1', this.view(0, this.#length))
  }

  /** The whole text in a buffer of its own: a view would keep the tape's spare capacity for as long as the log. */
  copy(): Buffer {
    const text = Buffer.allocUnsafe(this.#length)
    this.#bytes.copy(text, 0, 0, this.#length)
    return text
  }

  #grow(length: number): void {
    const grown = Buffer.allocUnsafe(Math.max(length, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
