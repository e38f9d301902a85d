/**
 * About how many tokens a text is, from its lengths alone.
 *
 * Real tokenizers take seconds for 64 KB without spaces, and each model has its own; what is decided here (how much history
 * fits) bears an error of a third. What is limited, reserved and booked is not: see `token-bound.ts`. A quarter of a token for each byte is right for English
 * prose; what UTF-8 needs beyond one byte a UTF-16 unit adds an eighth, which makes about 0.6 for a Cyrillic letter and 1
 * for a Chinese character. Dense texts are
 * underestimated, digits with blanks by three quarters.
 */
export function tokensOf(units: number, bytes: number): number {
  return Math.ceil(bytes / 4 + (bytes - units) / 8)
}

export function estimateTokens(text: string): number {
  return tokensOf(text.length, Buffer.byteLength(text))
}

/** What a chat model's template adds to each message. */
export const tokensPerMessage = 4
