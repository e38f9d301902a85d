/** An answer of so many numbers at a pace that leaves time to look at it. */
export function counting(tokens: number, tps: number): string {
  return `Count, please.\n[[answer=count tokens=${tokens} tps=${tps}]]`
}

/** What the model answers to `counting`. */
export function numbers(count: number): string {
  return Array.from({ length: count }, (_, index) => index + 1).join(' ')
}
