/** Where this page gets its token from, as the gateway tells it. */
export type TokenWay =
  | { readonly kind: 'development' }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'paste' }

/** Rejects when the gateway cannot be asked. */
export async function fetchTokenWay(): Promise<TokenWay> {
  const { token } = await fetchJson('/v1/web-config')
  if (typeof token !== 'object' || token === null || !('kind' in token)) throw new Error('unable to read the settings')
  if (token.kind === 'development') return { kind: 'development' }
  if (token.kind === 'url' && 'url' in token && typeof token.url === 'string') return { kind: 'url', url: token.url }
  return { kind: 'paste' }
}

/** Rejects when there is none. */
export async function fetchToken(url: string, credentials: RequestCredentials): Promise<string> {
  const { token } = await fetchJson(url, credentials)
  if (typeof token === 'string' && token !== '') return token
  throw new Error('unable to get a token: the answer has none')
}

const deadlineMs = 15_000

async function fetchJson(url: string, credentials: RequestCredentials = 'same-origin'): Promise<{ token?: unknown }> {
  const headers = { accept: 'application/json' }
  const signal = AbortSignal.timeout(deadlineMs)
  const response = await fetch(url, { headers, credentials, cache: 'no-store', signal })
  if (!response.ok) throw new Error(`unable to read ${url}: status ${response.status}`)
  const body: unknown = await response.json()
  return typeof body === 'object' && body !== null ? body : {}
}
