const schemes = new Set(['http:', 'https:', 'mailto:'])

export interface SafeLink {
  readonly href: string
  /** The host to show beside a text that could be taken for the address of another one. */
  readonly host: string | undefined
}

/** The address to link to, or `undefined` for what must not become a link: other schemes, and paths on our own host. */
export function safeLink(address: string, text: string): SafeLink | undefined {
  const url = parsed(address)
  if (url === undefined || !schemes.has(url.protocol)) return undefined
  const hasUser = url.username !== '' || url.password !== ''
  url.username = ''
  url.password = ''
  const host = hostOf(url)
  const isHidden = hasUser || host.split('.').some((label) => label.startsWith('xn--')) || namesAnother(text, host)
  return { href: url.href, host: isHidden && visible(text) !== host ? host : undefined }
}

/** Characters that turn the order of what stands beside them. */
export const bidiControls = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

function parsed(address: string): URL | undefined {
  try {
    // Without a base: an answer's relative link would point into this page.
    return new URL(address)
  } catch {
    return undefined
  }
}

function hostOf({ protocol, pathname, hostname }: URL): string {
  return protocol === 'mailto:' ? pathname.slice(pathname.lastIndexOf('@') + 1).toLowerCase() : hostname
}

function visible(text: string): string {
  return text.replace(/\p{Default_Ignorable_Code_Point}/gu, '').trim()
}

const name = String.raw`(?:[\p{L}\p{M}\p{N}-]+\.)+[\p{L}\p{M}\p{N}-]{2,}`
/** An address inside a text, or a text that is nothing but a host. */
const shownHosts = new RegExp(String.raw`(?:\/\/|@|\bwww\.)(${name})|^(${name})(?=[/:?#]|$)`, 'giu')

function namesAnother(text: string, host: string): boolean {
  // Full-width letters and dots are read as the usual ones.
  for (const [, addressed, alone] of visible(text).normalize('NFKC').replace(/。/g, '.').matchAll(shownHosts)) {
    const shown = parsed(`https://${addressed ?? alone}`)?.hostname.replace(/^www\./, '')
    if (shown !== undefined && shown !== host && !host.endsWith(`.${shown}`)) return true
  }
  return false
}
