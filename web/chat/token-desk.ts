import type { TokenReason } from '../../client/index.ts'
import { type Cell, createCell, type Source } from './source.ts'
import { browserStorage, tabStorage } from './storage.ts'
import { fetchToken, fetchTokenWay, type TokenWay } from './web-config.ts'

/** What the page asks its user for. */
export type TokenWish = { readonly kind: 'none' } | { readonly kind: 'paste'; readonly wasRefused: boolean }

export interface TokenDesk {
  readonly wish: Source<TokenWish>
  /** For `createClient`. */
  getToken(reason: TokenReason): Promise<string>
  /** The user pasted one. */
  paste(token: string): void
}

/** Gets tokens in the way that the gateway names: its own for development, an address of the operator's, or the user. */
export function createTokenDesk(): TokenDesk {
  const wish: Cell<TokenWish> = createCell<TokenWish>({ kind: 'none' })
  let way: TokenWay | undefined
  let waiting: { readonly promise: Promise<string>; readonly resolve: (token: string) => void } | undefined

  function askUser(reason: TokenReason): Promise<string> {
    const kept = tabStorage.read('token')
    if (reason === 'first' && kept !== undefined) return Promise.resolve(kept)
    // The token in use stands until its end; a user who is in the middle of something is not asked before.
    if (reason === 'expiring') return Promise.reject(new Error('unable to renew a pasted token'))
    wish.set({ kind: 'paste', wasRefused: reason === 'refused' })
    waiting ??= Promise.withResolvers<string>()
    return waiting.promise
  }

  return {
    wish,
    async getToken(reason) {
      way ??= await fetchTokenWay()
      switch (way.kind) {
        case 'development':
          return fetchToken(`/dev/token?subject=${encodeURIComponent(developmentSubject())}`, 'same-origin')
        case 'url':
          return fetchToken(way.url, 'include')
        case 'paste':
          return askUser(reason)
      }
    },
    paste(token) {
      const trimmed = token.trim()
      if (trimmed === '') return
      tabStorage.write('token', trimmed)
      wish.set({ kind: 'none' })
      waiting?.resolve(trimmed)
      waiting = undefined
    },
  }
}

/** In development everyone is whom they say; a browser stays the same one. */
function developmentSubject(): string {
  const kept = browserStorage.read('subject')
  if (kept !== undefined) return kept
  const made = `visitor-${randomName()}`
  browserStorage.write('subject', made)
  return made
}

/** 16 hex digits. `crypto.randomUUID` is missing on plain http other than localhost. */
export function randomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
