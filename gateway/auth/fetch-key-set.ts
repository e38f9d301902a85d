/** Fetches a key set's document: bounded in time, size and redirects. */
import { JWKS_MAX_BYTES, JWKS_REDIRECTS_MAX_COUNT } from './limits.ts'

/** The entries of the set at `url`, in all within `timeoutMs`. Rejects with what is wrong, for the operator. */
export async function fetchEntries(url: string, timeoutMs: number): Promise<readonly unknown[]> {
  const signal = AbortSignal.timeout(timeoutMs)
  let place = new URL(url)
  for (let count = 0; count <= JWKS_REDIRECTS_MAX_COUNT; count += 1) {
    const response = await fetch(place, {
      // A cache on the way would keep a withdrawn key for longer.
      headers: { accept: 'application/jwk-set+json, application/json', 'cache-control': 'no-cache' },
      redirect: 'manual',
      signal,
    })
    if (response.status === 200) return entriesIn(new TextDecoder().decode(await readBounded(response)))
    await response.body?.cancel()
    if (!redirects.has(response.status)) throw new Error(`the endpoint answered ${response.status}`)
    place = redirected(place, response.headers.get('location'))
  }
  throw new Error(`the endpoint answered with more than ${JWKS_REDIRECTS_MAX_COUNT} redirects; set the last URL`)
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Keys are believed because of where they come from: a redirect may not lead from a safe place to one that is less safe. */
function redirected(from: URL, location: string | null): URL {
  const to = location && URL.canParse(location, from) ? new URL(location, from) : undefined
  const isSafe = to?.protocol === 'https:' || to?.origin === from.origin
  if (to === undefined || !isSafe || to.username !== '' || to.password !== '') {
    throw new Error('the endpoint redirects to a place that is not followed; set the URL of the key set itself')
  }
  return to
}

async function readBounded(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let byteCount = 0
  for await (const chunk of response.body ?? []) {
    byteCount += chunk.byteLength
    if (byteCount > JWKS_MAX_BYTES) throw new Error(`the key set is larger than ${JWKS_MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function entriesIn(text: string): readonly unknown[] {
  let document: unknown
  try {
    document = JSON.parse(text, withoutNull)
  } catch {
    document = undefined
  }
  if (typeof document === 'object' && document !== null && 'keys' in document && Array.isArray(document.keys)) {
    return document.keys
  }
  throw new Error('the endpoint answered something that is not a key set')
}

/** Some serializers write `null` for what a key does not have. In an array it stays: there it is an entry. */
function withoutNull(this: unknown, _key: string, value: unknown): unknown {
  return value === null && !Array.isArray(this) ? undefined : value
}
