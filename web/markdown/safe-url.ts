const schemes = new Set(['http:', 'https:', 'mailto:'])

/** The address to link to, or `undefined` for what must not become a link: other schemes, and paths on our own host. */
export function safeUrl(address: string): string | undefined {
  try {
    // Without a base: an answer's relative link would point into this page.
    const url = new URL(address)
    return schemes.has(url.protocol) ? url.href : undefined
  } catch {
    return undefined
  }
}
