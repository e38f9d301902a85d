/**
 * Makes a stream of UTF-16 pieces well-formed, so that lengths and hashes in UTF-8 are those of the joined text.
 *
 * Providers split a surrogate pair over two deltas, and some send half of one. A trailing high half waits for the next
 * piece; what stays alone becomes U+FFFD. Encoding each piece by itself would write six bytes where the text has four.
 */
export interface WellFormed {
  /** The part of the stream that is certain by now; may be empty. */
  push(piece: string): string
  /** What the end of the stream sets free. */
  end(): string
}

export function wellFormed(): WellFormed {
  let held = ''
  return {
    push(piece) {
      if (piece === '') return ''
      const joined = held === '' ? piece : held + piece
      const last = joined.charCodeAt(joined.length - 1)
      const isHalf = last >= 0xd800 && last <= 0xdbff
      held = isHalf ? joined.slice(-1) : ''
      return (isHalf ? joined.slice(0, -1) : joined).toWellFormed()
    },
    end() {
      const rest = held.toWellFormed()
      held = ''
      return rest
    },
  }
}
