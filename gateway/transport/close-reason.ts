import { closeReasonBytes } from '../../protocol/close-code.ts'

/** Cuts a close reason to what fits into a close frame, on a character boundary. Lone surrogates become U+FFFD. */
export function cutCloseReason(reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= closeReasonBytes) return bytes.toString()
  let end = closeReasonBytes
  while (isContinuation(bytes[end])) end -= 1
  return bytes.toString('utf8', 0, end)
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
