/** A growing run of UTF-8 bytes: a feed's copy of one tape. What was handed out never changes; growing copies. */
export class FeedTape {
  length = 0
  /** Makes a frame of a range; given by the first reader, the same for all. */
  encode: RangeEncoder | undefined
  #bytes: Buffer
  #last: { readonly at: number; readonly end: number; readonly frame: Buffer } | undefined

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.#bytes = bytes
    this.length = bytes.length
  }

  append(text: Uint8Array): void {
    const end = this.length + text.length
    if (end > this.#bytes.length) this.#grow(end)
    this.#bytes.set(text, this.length)
    this.length = end
  }

  /** A tape that begins with the first `end` bytes of this one. */
  prefix(end: number): FeedTape {
    return new FeedTape(Buffer.from(this.#bytes.subarray(0, Math.min(end, this.length))))
  }

  /** Where text from `at` ends, at most `maxBytes` of it, cut before a character that would not fit whole. */
  endOf(at: number, limit: number, maxBytes: number): number {
    const stop = Math.min(this.length, limit)
    return stop - at <= maxBytes ? stop : characterStart(this.#bytes, at + maxBytes)
  }

  startsCharacter(at: number): boolean {
    return at === this.length || characterStart(this.#bytes, at) === at
  }

  text(at: number, end: number): string {
    return this.#bytes.toString('utf8', at, end)
  }

  /** One frame a range however many read it: the last one made is kept. */
  frame(at: number, end: number, encode: RangeEncoder): Buffer {
    if (this.#last?.at === at && this.#last.end === end) return this.#last.frame
    const frame = encode(at, end, this.text(at, end))
    this.#last = { at, end, frame }
    return frame
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length, 1024))
    grown.set(this.#bytes.subarray(0, this.length))
    this.#bytes = grown
  }
}

/** A range of a tape as bytes for the wire. */
export type RangeEncoder = (at: number, end: number, text: string) => Buffer

/** Steps back from `at` to where a character of UTF-8 begins: bytes 10xxxxxx continue one (RFC 3629, section 3). */
export function characterStart(bytes: Uint8Array, at: number): number {
  let start = at
  while (start > 0 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--
  return start
}
