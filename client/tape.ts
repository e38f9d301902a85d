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

/** The text in UTF-8. Our own encoder, since some phones have no TextEncoder. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Bytes(text))
  let at = 0
  for (let index = 0; index < text.length; index++) {
    const size = characterBytes(text, index)
    let point = size === 4 ? (text.codePointAt(index++) ?? 0) : text.charCodeAt(index)
    // What is left of a surrogate pair becomes U+FFFD.
    if (size === 3 && point >> 11 === 27) point = 0xfffd
    for (let last = size - 1; last > 0; last--) {
      bytes[at + last] = 0x80 | (point & 63)
      point >>= 6
    }
    bytes[at] = size === 1 ? point : ((0xf00 >> size) & 0xff) | point
    at += size
  }
  return bytes
}

function characterBytes(text: string, index: number): 1 | 2 | 3 | 4 {
  const unit = text.charCodeAt(index)
  if (unit < 0x80) return 1
  if (unit < 0x800) return 2
  if ((unit & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00) return 4
  return 3
}
