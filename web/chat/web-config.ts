/** Where this page gets its token from, as the gateway tells it. */
export type TokenWay =
  | { readonly kind: 'development' }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'paste' }

/** Rejects when the gateway cannot be asked. */
export async function fetchTokenWay(): Promise<TokenWay> {
  const { tokenUrl, devToken } = await fetchJson('/v1/web-config')
  if (typeof tokenUrl === 'string') return { kind: 'url', url: tokenUrl }
  return devToken === true ? { kind: 'development' } : { kind: 'paste' }
}

/** Rejects when there is none. */
export async function fetchToken(url: string, credentials: RequestCredentials): Promise<string> {
  const { token } = await fetchJson(url, credentials)
  if (typeof token === 'string' && token !== '') return token
  throw new Error('unable to get a token: the answer has none')
}

interface Answer {
  readonly token?: unknown
  readonly tokenUrl?: unknown
  readonly devToken?: unknown
}

const deadlineMs = 15_000

async function fetchJson(url: string, credentials: RequestCredentials = 'same-origin'): Promise<Answer> {
  const headers = { accept: 'application/json' }
  const signal = AbortSignal.timeout(deadlineMs)
  const response = await fetch(url, { headers, credentials, cache: 'no-store', signal })
  if (!response.ok) throw new Error(`unable to read ${url}: status ${response.status}`)
  const body: unknown = await response.json()
  return typeof body === 'object' && body !== null ? body : {}
}
