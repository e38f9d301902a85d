import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'

/**
 * The text of an answer and its length in UTF-8. Positions on the wire are bytes while strings count UTF-16 units, and
 * encoding the whole text for every token is quadratic: so the count grows with each piece, and only a cut or the
 * final hash walks the text. Appending is `+`, which engines do without copying.
 */
export interface Tape {
  readonly text: string
  readonly bytes: number
}

export const emptyTape: Tape = { text: '', bytes: 0 }

export function tapeOf(text: string): Tape {
  return { text, bytes: utf8Bytes(text) }
}

/** How many bytes `text` takes in UTF-8; a lone surrogate takes three, as U+FFFD does. */
export function utf8Bytes(text: string): number {
  let bytes = 0
  for (let index = 0; index < text.length; index++) {
    const size = characterBytes(text, index)
    bytes += size
    if (size === 4) index++
  }
  return bytes
}

/** The first `bytes` bytes of a tape; `undefined` if it is shorter or the cut would split a character. */
export function cut(tape: Tape, bytes: number): Tape | undefined {
  if (bytes === tape.bytes) return tape
  if (bytes > tape.bytes) return undefined
  let at = 0
  let index = 0
  while (at < bytes) {
    const size = characterBytes(tape.text, index)
    at += size
    index += size === 4 ? 2 : 1
  }
  return at === bytes ? { text: tape.text.slice(0, index), bytes } : undefined
}

/** The hash of the text in UTF-8, in hex. Our own encoder, since some phones have no TextEncoder. */
export function sha256Hex(text: string): string {
  const hash = sha256.create()
  const buffer = new Uint8Array(chunkUnits * 3 + 4)
  let length = 0
  for (let index = 0; index < text.length; index++) {
    const point = text.codePointAt(index) ?? 0
    length = encode(point, buffer, length)
    if (point > 0xffff) index++
    if (length >= chunkUnits * 3) {
      hash.update(buffer.subarray(0, length))
      length = 0
    }
  }
  return bytesToHex(hash.update(buffer.subarray(0, length)).digest())
}

const chunkUnits = 4096

function characterBytes(text: string, index: number): 1 | 2 | 3 | 4 {
  const unit = text.charCodeAt(index)
  if (unit < 0x80) return 1
  if (unit < 0x800) return 2
  if ((unit & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00) return 4
  return 3
}

function encode(point: number, into: Uint8Array, at: number): number {
  if (point < 0x80) {
    into[at] = point
    return at + 1
  }
  if (point < 0x800) {
    into[at] = 0xc0 | (point >> 6)
    into[at + 1] = 0x80 | (point & 63)
    return at + 2
  }
  if (point > 0xffff) {
    into[at] = 0xf0 | (point >> 18)
    into[at + 1] = 0x80 | ((point >> 12) & 63)
    into[at + 2] = 0x80 | ((point >> 6) & 63)
    into[at + 3] = 0x80 | (point & 63)
    return at + 4
  }
  const whole = (point & 0xf800) === 0xd800 ? 0xfffd : point
  into[at] = 0xe0 | (whole >> 12)
  into[at + 1] = 0x80 | ((whole >> 6) & 63)
  into[at + 2] = 0x80 | (whole & 63)
  return at + 3
}
