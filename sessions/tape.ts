import { hash } from 'node:crypto'
import { sliceText, type TextSlice } from './text-slice.ts'

const firstCapacityBytes = 512
const noText = Buffer.alloc(0)

/**
 * The text of one part of a running answer, in memory: it only grows. Bytes below its length are never written again
 * and growing moves to a new buffer, so views handed out stay as they were. No buffer is of Node's shared pool: one
 * text that lives for as long as its log would keep a slab of what was short-lived.
 */
export class Tape {
  #bytes = Buffer.allocUnsafeSlow(firstCapacityBytes)
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
    if (this.#length === 0) return noText
    const text = Buffer.allocUnsafeSlow(this.#length)
    this.#bytes.copy(text, 0, 0, this.#length)
    return text
  }

  #grow(length: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(length, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
