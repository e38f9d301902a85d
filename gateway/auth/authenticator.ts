/**
 * From a token to an identity, or to one of a few reasons why not.
 *
 * Order, each step cheaper than what it protects: length; shape of the header; algorithm against the list of what is
 * configured; signature, by the keys of the sources that are for this algorithm; claims. Nothing a token says is
 * believed before its signature holds, but for `alg` and `kid`, which only choose among our own keys.
 */
import { decodeProtectedHeader, type JWTVerifyOptions, jwtVerify } from 'jose'
import type { AuthConfig, JwtConfig } from '../config/shape.ts'
import type { JwtAlgorithm } from '../config/variables.ts'
import {
  DEVELOPMENT_ISSUER,
  type DevelopmentToken,
  type DevelopmentTokenOptions,
  makeDevelopmentSecret,
  signDevelopmentToken,
} from './development.ts'
import { type Identity, readIdentity } from './identity.ts'
import { defaultJwksTimes, type JwksTimes, jwksSource, type ReportKeyTrouble } from './jwks.ts'
import {
  hmacSource,
  type KeySource,
  publicKeySource,
  secretSource,
  type TokenHeader,
  type VerificationKey,
} from './key-source.ts'
import { CLOCK_TOLERANCE_SECONDS, TOKEN_MAX_BYTES } from './limits.ts'
import { loadPublicKeys } from './public-keys.ts'
import { type Refusal, reasonOf, refuse } from './refusal.ts'
import { digestOf, VerifiedTokens } from './verified-tokens.ts'

export type Verification = { readonly kind: 'ok'; readonly identity: Identity } | Refusal

export type JwtAuthenticator = {
  readonly mode: 'jwt'
  /** Whose token this is. Any string may be given. Rejects for a bug alone; every fault of a token is a value. */
  verify(token: string): Promise<Verification>
}

export type DevelopmentAuthenticator = {
  readonly mode: 'development'
  verify(token: string): Promise<Verification>
  /** A token that this authenticator, or one with the same secret, accepts. */
  issueDevelopmentToken(subject: string, options?: DevelopmentTokenOptions): Promise<DevelopmentToken>
}

export type Authenticator = JwtAuthenticator | DevelopmentAuthenticator

export type AuthenticatorDependencies = {
  /** Milliseconds since 1970; what `exp` and `nbf` are compared with. */
  readonly nowMs: () => number
  /** Called when a key set cannot be fetched or used, once for each failed fetch; for the operator's log. */
  readonly reportKeyTrouble: ReportKeyTrouble
  readonly jwksTimes?: Partial<JwksTimes>
  /** The secret of development mode, at least 32 bytes. Default: a random one for this run. */
  readonly developmentSecret?: Uint8Array
}

/** The keys that the configuration names cannot be loaded. Only at the start; the problems are for the operator. */
export class AuthenticatorSetupError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`unable to load the keys for tokens: ${problems.join('; ')}`)
    this.name = 'AuthenticatorSetupError'
    this.problems = problems
  }
}

type ClaimRules = Pick<JWTVerifyOptions, 'issuer' | 'audience'>

/** Base64 decoders pass over white space, so without this one token would have many spellings. */
const compactForm = /^[\w-]+\.[\w-]+\.[\w-]*$/

const readHeader = (token: string): { readonly alg?: string; readonly kid?: unknown } | undefined => {
  if (typeof token !== 'string' || token.length > TOKEN_MAX_BYTES || !compactForm.test(token)) return undefined
  try {
    return decodeProtectedHeader(token)
  } catch {
    return undefined
  }
}

class Verifier {
  readonly #sources: readonly KeySource[]
  readonly #claimRules: ClaimRules
  readonly #nowMs: () => number
  readonly #verified = new VerifiedTokens()

  constructor(sources: readonly KeySource[], claimRules: ClaimRules, nowMs: () => number) {
    this.#sources = sources
    this.#claimRules = claimRules
    this.#nowMs = nowMs
  }

  async verify(token: string): Promise<Verification> {
    const header = readHeader(token)
    if (typeof header?.alg !== 'string') return refuse('malformed')
    // A boundary: the sources' sets decide whether this text is one of our algorithms.
    const tokenHeader = header as TokenHeader
    const sources = this.#sources.filter(({ algorithms }) => algorithms.has(tokenHeader.alg))
    return sources.length === 0 ? refuse('algorithm') : this.#trySources(token, tokenHeader, sources)
  }

  async #trySources(token: string, header: TokenHeader, sources: readonly KeySource[]): Promise<Verification> {
    let verdict = refuse('signature')
    const digest = digestOf(token)
    for (const source of sources) {
      const found = await source.find(header)
      if (found.kind === 'unavailable') {
        verdict = refuse('unavailable')
        continue
      }
      const known = this.#verified.find(found.keys, digest, this.#nowMs())
      if (known !== undefined) return { kind: 'ok', identity: known }
      for (const key of found.keys) {
        const verification = await this.#tryKey(token, key, header.alg)
        if (verification.kind === 'ok') this.#verified.keep(key, digest, verification.identity)
        if (verification.kind === 'ok' || verification.reason !== 'signature') return verification
      }
    }
    return verdict
  }

  async #tryKey(token: string, key: VerificationKey, algorithm: JwtAlgorithm): Promise<Verification> {
    try {
      const { payload } = await jwtVerify(token, key, {
        ...this.#claimRules,
        algorithms: [algorithm],
        requiredClaims: ['exp', 'sub'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(this.#nowMs()),
      })
      const identity = readIdentity(payload)
      return identity === undefined ? refuse('claims') : { kind: 'ok', identity }
    } catch (error) {
      const reason = reasonOf(error)
      if (reason === undefined) throw error
      return refuse(reason)
    }
  }
}

const sourcesOf = (config: JwtConfig, dependencies: AuthenticatorDependencies): readonly KeySource[] => {
  const { secrets, publicKeyFiles, jwksUrl, algorithms } = config
  const sources: KeySource[] = []
  if (secrets.length > 0) sources.push(secretSource(secrets, algorithms))
  if (publicKeyFiles.length > 0) {
    const loaded = loadPublicKeys(publicKeyFiles, algorithms)
    if (loaded.kind === 'invalid') throw new AuthenticatorSetupError(loaded.problems)
    sources.push(publicKeySource(loaded.keys, algorithms))
  }
  if (jwksUrl !== undefined) {
    const times = { ...defaultJwksTimes, ...dependencies.jwksTimes }
    sources.push(jwksSource(jwksUrl, algorithms, times, dependencies.reportKeyTrouble))
  }
  return sources
}

const listed = (names: readonly string[] | 'any'): string[] | undefined => (names === 'any' ? undefined : [...names])

const claimRulesOf = ({ issuers, audiences }: JwtConfig): ClaimRules => {
  const issuer = listed(issuers)
  const audience = listed(audiences)
  return { ...(issuer === undefined ? {} : { issuer }), ...(audience === undefined ? {} : { audience }) }
}

const createJwtAuthenticator = (config: JwtConfig, dependencies: AuthenticatorDependencies): JwtAuthenticator => {
  const verifier = new Verifier(sourcesOf(config, dependencies), claimRulesOf(config), dependencies.nowMs)
  return { mode: 'jwt', verify: (token) => verifier.verify(token) }
}

const createDevelopmentAuthenticator = (dependencies: AuthenticatorDependencies): DevelopmentAuthenticator => {
  const { nowMs, developmentSecret = makeDevelopmentSecret() } = dependencies
  const verifier = new Verifier(
    [hmacSource([developmentSecret], ['HS256'])],
    { issuer: DEVELOPMENT_ISSUER, audience: DEVELOPMENT_ISSUER },
    nowMs,
  )
  return {
    mode: 'development',
    verify: (token) => verifier.verify(token),
    issueDevelopmentToken: (subject, options = {}) =>
      signDevelopmentToken(developmentSecret, nowMs(), subject, options),
  }
}

/** Throws `AuthenticatorSetupError` when a key file cannot be used. Reads key files once; fetches nothing yet. */
export const createAuthenticator = (config: AuthConfig, dependencies: AuthenticatorDependencies): Authenticator =>
  config.mode === 'development'
    ? createDevelopmentAuthenticator(dependencies)
    : createJwtAuthenticator(config, dependencies)
