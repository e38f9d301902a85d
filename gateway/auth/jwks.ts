/**
 * Keys from a JWKS endpoint, which may be slow, down or under attack.
 *
 * Who connects is not known before the key is, so a stranger decides how often keys are looked for. Hence: one fetch at a
 * time; an unknown `kid` fetches again only after a cooldown, and its client is asked to wait for that; after a failed fetch none is tried for a while; every fetch
 * has a deadline and a bound on what it reads.
 *
 * A key that its owner withdrew must not count for long. So keys older than `refreshAfterMs` are fetched again before they
 * are used, and while sockets are open also without any token. An endpoint that does not answer must not end all
 * conversations. So after `refreshWaitMs` the known keys count, up to an age of `maxAgeMs`.
 */
import { type CryptoKey, createLocalJWKSet, type JWK } from 'jose'
import { type JwtAlgorithm, jwtAlgorithms } from '../config/variables.ts'
import { fetchEntries } from './fetch-key-set.ts'
import { Freshness, type FreshnessTimes } from './freshness.ts'
import type { FoundKeys, KeySource, TokenHeader } from './key-source.ts'
import { JWKS_KEYS_MAX_COUNT, KEYS_TRIED_MAX_COUNT, RSA_MIN_BITS } from './limits.ts'
import { type FoundKey, type TokenKey, TokenKeys } from './token-key.ts'
import { UnknownKids } from './unknown-kids.ts'

export interface JwksTimes extends FreshnessTimes {
  /** Deadline of one fetch. Default 5,000. */
  readonly timeoutMs: number
  /** Least time from a successful fetch to one for an unknown `kid`. Default 30,000. */
  readonly cooldownMs: number
  /** Age above which keys are not believed any more. Default 3,600,000. */
  readonly maxAgeMs: number
}

/**
 * `refreshAfterMs` leaves room for a fetch that fails at its deadline, the cooldown, a second fetch and the looks of the
 * sockets, within `KEY_REMOVAL_MAX_MS`.
 */
export const defaultJwksTimes: JwksTimes = {
  timeoutMs: 5_000,
  cooldownMs: 30_000,
  failureCooldownMs: 2_000,
  refreshAfterMs: 45_000,
  refreshWaitMs: 1_000,
  maxAgeMs: 3_600_000,
}

/** What the operator should know; never shown to clients. */
export type ReportKeyTrouble = (problem: string) => void

export interface JwksOptions {
  readonly times: JwksTimes
  readonly monotonicMs: () => number
  readonly report: ReportKeyTrouble
}

const VARIABLE = 'SLUICE_JWT_JWKS_URL'

/** `fetch` puts what happened (ECONNREFUSED, a certificate's fault) into the cause. */
const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return 'unknown error'
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

/** One usable entry of the set. */
interface SetKey {
  readonly kid: unknown
  readonly key: TokenKey
  /** Rejects when the entry is not for this algorithm, or cannot be imported. */
  readonly material: (header: TokenHeader) => Promise<CryptoKey>
}

const isObject = (entry: unknown): entry is Readonly<Record<string, unknown>> =>
  typeof entry === 'object' && entry !== null && !Array.isArray(entry)

/** `d` is the private member of RSA, EC and OKP keys. */
const isPublic = (entry: unknown): entry is Readonly<Record<string, unknown>> => isObject(entry) && !('d' in entry)

/** What makes two entries the same key for the same use; certificates and remarks beside it do not. */
const idOf = ({ kid, alg, use, key_ops, ext, kty, crv, n, e, x, y }: Readonly<Record<string, unknown>>): string =>
  JSON.stringify([kid, alg, use, key_ops, ext, kty, crv, n, e, x, y])

/** Undefined: nothing to say. Contains nothing of the set. */
const troubleIn = (entries: readonly unknown[]): string | undefined => {
  const privateCount = entries.filter((entry) => isObject(entry) && 'd' in entry).length
  if (privateCount > 0) {
    return `${VARIABLE}: the key set publishes ${privateCount} private key(s), which are left out; publish public keys alone, and replace these`
  }
  const otherCount = entries.filter((entry) => !isObject(entry)).length
  if (otherCount > 0) return `${VARIABLE}: the key set has ${otherCount} entries that are no keys, which are left out`
  return entries.length > JWKS_KEYS_MAX_COUNT
    ? `${VARIABLE}: the key set has more than ${JWKS_KEYS_MAX_COUNT} entries; those after them are left out`
    : undefined
}

const isStrongEnough = (key: CryptoKey): boolean => {
  const bits = 'modulusLength' in key.algorithm ? Number(key.algorithm.modulusLength) : RSA_MIN_BITS
  return bits >= RSA_MIN_BITS
}

class JwksSource implements KeySource {
  readonly algorithms: ReadonlySet<JwtAlgorithm>
  readonly #url: string
  readonly #options: JwksOptions
  readonly #freshness: Freshness
  readonly #known = new TokenKeys()
  readonly #unknown = new UnknownKids()
  #keys: readonly SetKey[] = []
  #trouble: string | undefined

  constructor(url: string, algorithms: ReadonlySet<JwtAlgorithm>, options: JwksOptions) {
    this.algorithms = algorithms
    this.#url = url
    this.#options = options
    this.#freshness = new Freshness(() => this.#read(), options.times, options.monotonicMs)
  }

  async find(header: TokenHeader): Promise<FoundKeys> {
    const { cooldownMs, maxAgeMs } = this.#options.times
    await this.#freshness.settle()
    if (this.#freshness.ageMs >= maxAgeMs && !(await this.#lookFor(header))) return { kind: 'unavailable' }
    const keys = await this.#matching(header)
    if (keys.length > 0) return { kind: 'keys', keys }
    const retryAfterMs = Math.ceil(cooldownMs - this.#freshness.ageMs)
    if (retryAfterMs > 0) {
      return this.#unknown.mayCome(header.kid) ? { kind: 'unavailable', retryAfterMs } : { kind: 'keys', keys }
    }
    if (!(await this.#lookFor(header))) return { kind: 'unavailable' }
    return { kind: 'keys', keys: await this.#matching(header) }
  }

  /** Fetches the set for this token; false when that failed. */
  #lookFor({ kid }: TokenHeader): Promise<boolean> {
    this.#unknown.mayCome(kid)
    return this.#freshness.reload()
  }

  refresh(): void {
    this.#freshness.begin()
  }

  async #matching(header: TokenHeader): Promise<readonly FoundKey[]> {
    const found: FoundKey[] = []
    for (const { kid, key, material } of this.#keys) {
      if (header.kid !== undefined && header.kid !== kid) continue
      const imported = await material(header).catch(() => undefined)
      if (imported === undefined || !isStrongEnough(imported)) continue
      if (found.push({ key, material: imported }) === KEYS_TRIED_MAX_COUNT) break
    }
    return found
  }

  async #read(): Promise<boolean> {
    try {
      this.#take(await fetchEntries(this.#url, this.#options.times.timeoutMs))
      return true
    } catch (error) {
      this.#options.report(`unable to use the keys of ${VARIABLE}: ${describe(error)}`)
      return false
    }
  }

  #take(entries: readonly unknown[]): void {
    const listed = entries.slice(0, JWKS_KEYS_MAX_COUNT)
    const usable = listed.filter(isPublic)
    this.#known.keepOnly(usable.map(idOf))
    this.#keys = usable.flatMap((entry) => this.#setKey(entry) ?? [])
    this.#unknown.fetched(listed.filter(isObject).map(({ kid }) => kid))
    const trouble = troubleIn(entries)
    if (trouble !== undefined && trouble !== this.#trouble) this.#options.report(trouble)
    this.#trouble = trouble
  }

  #setKey(entry: Readonly<Record<string, unknown>>): SetKey | undefined {
    const key = this.#known.of(idOf(entry))
    if (key === undefined) return undefined
    // jose looks at what is in the entry itself. A set of one each, so that a bad entry costs no other.
    const material = createLocalJWKSet({ keys: [entry as JWK] })
    return { kid: entry.kid, key, material }
  }
}

/** A source of the keys at `url`; fetches nothing before the first token. */
export const jwksSource = (
  url: string,
  algorithms: readonly JwtAlgorithm[] | undefined,
  options: JwksOptions,
): KeySource => {
  const usable = (algorithms ?? jwtAlgorithms).filter((algorithm) => !algorithm.startsWith('HS'))
  return new JwksSource(url, new Set(usable), options)
}
