/** A part of a text in UTF-8 that starts and ends between characters. */
export interface TextSlice {
  /** Where it starts, in bytes. Beyond the text's end it stays where it was asked for, and `text` is empty. */
  readonly at: number
  readonly text: Buffer
  /** Of the whole text, in bytes. */
  readonly length: number
}

const nothing = Buffer.alloc(0)

/**
 * At most `maxBytes` from `at`, as a view. An offset in the middle of a character can only be a mistake, so it counts
 * as 0. With fewer than 4 bytes asked for, the slice may be empty before the end.
 */
export function sliceText(whole: Buffer, at: number, maxBytes: number): TextSlice {
  const { length } = whole
  const from = isInsideCharacter(whole, at) ? 0 : at
  if (from >= length) return { at: from, text: nothing, length }
  let to = Math.min(from + maxBytes, length)
  while (to > from && isInsideCharacter(whole, to)) to -= 1
  return { at: from, text: whole.subarray(from, to), length }
}

/** UTF-8 continues a character with bytes `10xxxxxx`. */
function isInsideCharacter(whole: Buffer, at: number): boolean {
  const byte = whole[at]
  return byte !== undefined && (byte & 0xc0) === 0x80
}
