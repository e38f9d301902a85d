/** RFC 6455, 5.5: a control frame's payload is at most 125 bytes, two of them the close code. */
const MAX_REASON_BYTES = 123

/** Cuts a close reason to what fits into a close frame, on a character boundary. Lone surrogates become U+FFFD. */
export function cutCloseReason(reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= MAX_REASON_BYTES) return bytes.toString()
  let end = MAX_REASON_BYTES
  while (isContinuation(bytes[end])) end -= 1
  return bytes.toString('utf8', 0, end)
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
