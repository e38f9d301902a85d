/**
 * The whole text of an attempt, in UTF-8, addressed by byte offset.
 *
 * Bytes once written never change, also under a growing or cut text, so the views that `slice` answers may be kept. Hashes
 * follow the text in strides: once at the end would hold the event loop for a long answer, once a token costs more than
 * the token.
 */
import { createHash, type Hash } from 'node:crypto'

const firstBytes = 1024
const strideBytes = 64 * 1024

export interface Sums {
  readonly bytes: number
  readonly sha1: string
  readonly sha256: string
}

export class AnswerText {
  readonly #maxBytes: number
  #bytes: Buffer = Buffer.allocUnsafeSlow(firstBytes)
  #sizeBytes = 0
  #hashedBytes = 0
  #sha1: Hash = createHash('sha1')
  #sha256: Hash = createHash('sha256')

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Adds well-formed text; false when it did not all fit, and then as much as fits is there, in whole characters. */
  push(text: string): boolean {
    this.#reserve(text.length * 3)
    const end = this.#sizeBytes + this.#bytes.write(text, this.#sizeBytes, 'utf8')
    const fits = end <= this.#maxBytes
    this.#sizeBytes = fits ? end : characterStart(this.#bytes, this.#maxBytes, this.#sizeBytes)
    if (this.#sizeBytes - this.#hashedBytes >= strideBytes) this.#hash()
    return fits
  }

  /** At most `maxBytes` from `from`, cut before a character rather than in it. */
  slice(from: number, maxBytes: number): Uint8Array {
    const end = Math.min(this.#sizeBytes, from + maxBytes)
    return this.#bytes.subarray(from, end === this.#sizeBytes ? end : characterStart(this.#bytes, end, from))
  }

  /** Forgets what follows `sizeBytes`. */
  cut(sizeBytes: number): void {
    if (sizeBytes === this.#sizeBytes) return
    this.replace(this.#bytes.subarray(0, sizeBytes))
  }

  /** Takes another text's bytes in place of these. */
  replace(bytes: Uint8Array): void {
    this.#bytes = Buffer.from(bytes)
    this.#sizeBytes = bytes.length
    this.#hashedBytes = 0
    this.#sha1 = createHash('sha1')
    this.#sha256 = createHash('sha256')
  }

  sums(): Sums {
    this.#hash()
    const sha1 = this.#sha1.copy().digest('hex')
    return { bytes: this.#sizeBytes, sha1, sha256: this.#sha256.copy().digest('hex') }
  }

  #hash(): void {
    const fresh = this.#bytes.subarray(this.#hashedBytes, this.#sizeBytes)
    this.#sha1.update(fresh)
    this.#sha256.update(fresh)
    this.#hashedBytes = this.#sizeBytes
  }

  #reserve(moreBytes: number): void {
    const needed = this.#sizeBytes + moreBytes
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#sizeBytes)
    this.#bytes = grown
  }
}

/** The last offset not above `at`, and not below `least`, where a character begins. */
function characterStart(bytes: Uint8Array, at: number, least: number): number {
  let start = at
  while (start > least && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--
  return start
}
