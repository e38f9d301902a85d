/**
 * Keys from a JWKS endpoint, which may be slow, down or under somebody's load.
 *
 * Who connects is not known before the key is, so a stranger decides how often keys are looked for. Hence: one fetch at
 * a time; an unknown `kid` fetches again only after a cooldown; after a failed fetch none is tried for a while (jose's
 * own cooldown counts from successes alone); every fetch has a deadline and a bound on what it reads.
 *
 * Keys in use are refreshed in the background while the old ones serve, so that neither a slow endpoint nor one that is
 * down for less than `maxAgeMs` is felt by tokens with known keys. Older keys are not believed: a key that its owner
 * withdrew would otherwise live as long as the endpoint is kept away from us.
 */
import {
  type CryptoKey,
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  type RemoteJWKSet,
} from 'jose'
import { type JwtAlgorithm, jwtAlgorithms } from '../config/variables.ts'
import type { FoundKeys, KeySource, TokenHeader } from './key-source.ts'
import { JWKS_MAX_BYTES, KEYS_TRIED_MAX_COUNT, RSA_MIN_BITS } from './limits.ts'

export type JwksTimes = {
  /** Deadline of one fetch. Default 5,000. */
  readonly timeoutMs: number
  /** Least time from a successful fetch to one for an unknown `kid`. Default 30,000. */
  readonly cooldownMs: number
  /** Least time from a failed fetch to the next. Default 2,000. */
  readonly failureCooldownMs: number
  /** Age at which keys are fetched anew in the background. Default 600,000. */
  readonly refreshAfterMs: number
  /** Age above which keys are not believed any more. Default 3,600,000. */
  readonly maxAgeMs: number
}

export const defaultJwksTimes: JwksTimes = {
  timeoutMs: 5_000,
  cooldownMs: 30_000,
  failureCooldownMs: 2_000,
  refreshAfterMs: 600_000,
  maxAgeMs: 3_600_000,
}

/** What the operator should know; never shown to clients. */
export type ReportKeyTrouble = (problem: string) => void

/** `fetch` puts what happened (ECONNREFUSED, a certificate's fault) into the cause. */
const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return 'unknown error'
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

const readBounded = async (response: Response): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  let byteCount = 0
  for await (const chunk of response.body ?? []) {
    byteCount += chunk.byteLength
    if (byteCount > JWKS_MAX_BYTES) throw new Error(`the key set is larger than ${JWKS_MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** A key set that is not one has to be seen here, where a failed fetch is noted, and not only by jose afterwards. */
const isKeySet = (text: string): boolean => {
  try {
    const document: unknown = JSON.parse(text)
    return typeof document === 'object' && document !== null && 'keys' in document && Array.isArray(document.keys)
  } catch {
    return false
  }
}

const boundedFetch: FetchImplementation = async (url, options) => {
  const response = await fetch(url, options)
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`the endpoint answered ${response.status}`)
  }
  const text = new TextDecoder().decode(await readBounded(response))
  if (!isKeySet(text)) throw new Error('the endpoint answered something that is not a key set')
  return new Response(text, { status: 200 })
}

const isStrongEnough = (key: CryptoKey): boolean => {
  const bits = 'modulusLength' in key.algorithm ? Number(key.algorithm.modulusLength) : RSA_MIN_BITS
  return bits >= RSA_MIN_BITS
}

class JwksSource implements KeySource {
  readonly algorithms: ReadonlySet<JwtAlgorithm>
  readonly #times: JwksTimes
  readonly #report: ReportKeyTrouble
  readonly #keys: RemoteJWKSet
  /** jose reads the machine's clock for its own ages, so these two are of that clock too. */
  #fetchedAtMs = 0
  #blockedUntilMs = 0
  #reported: unknown

  constructor(url: string, algorithms: ReadonlySet<JwtAlgorithm>, times: JwksTimes, report: ReportKeyTrouble) {
    this.algorithms = algorithms
    this.#times = times
    this.#report = report
    this.#keys = createRemoteJWKSet(new URL(url), {
      timeoutDuration: times.timeoutMs,
      cooldownDuration: times.cooldownMs,
      cacheMaxAge: times.maxAgeMs,
      [customFetch]: (href, options) => this.#fetch(href, options),
    })
  }

  async find(header: TokenHeader): Promise<FoundKeys> {
    this.#refreshInBackground()
    try {
      return { kind: 'keys', keys: (await this.#candidates(header)).filter(isStrongEnough) }
    } catch (error) {
      this.#noteFailure(error)
      return { kind: 'unavailable' }
    }
  }

  async #candidates(header: TokenHeader): Promise<readonly CryptoKey[]> {
    try {
      return [await this.#keys(header)]
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return []
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
      const keys: CryptoKey[] = []
      for await (const key of error) {
        if (keys.push(key) === KEYS_TRIED_MAX_COUNT) break
      }
      return keys
    }
  }

  #refreshInBackground(): void {
    const isDue = this.#keys.fresh && Date.now() >= this.#fetchedAtMs + this.#times.refreshAfterMs
    if (!isDue || this.#keys.reloading || Date.now() < this.#blockedUntilMs) return
    void this.#keys.reload().catch((error) => this.#noteFailure(error))
  }

  async #fetch(...[url, options]: Parameters<FetchImplementation>): Promise<Response> {
    if (Date.now() < this.#blockedUntilMs) throw new CooldownError('waiting after a failed fetch')
    try {
      const response = await boundedFetch(url, options)
      this.#fetchedAtMs = Date.now()
      return response
    } catch (error) {
      this.#blockedUntilMs = Date.now() + this.#times.failureCooldownMs
      throw error
    }
  }

  /** Once for all that waited for one fetch: each of them comes here with the same error. */
  #noteFailure(error: unknown): void {
    if (error instanceof CooldownError || error === this.#reported) return
    this.#reported = error
    this.#report(`unable to use the keys of SLUICE_JWT_JWKS_URL: ${describe(error)}`)
  }
}

class CooldownError extends Error {}

/** A source of the keys at `url`; fetches nothing before the first token. */
export const jwksSource = (
  url: string,
  algorithms: readonly JwtAlgorithm[] | undefined,
  times: JwksTimes,
  report: ReportKeyTrouble,
): KeySource => {
  const usable = (algorithms ?? jwtAlgorithms).filter((algorithm) => !algorithm.startsWith('HS'))
  return new JwksSource(url, new Set(usable), times, report)
}
