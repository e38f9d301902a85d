/**
 * From a token to an identity, or to one of a few reasons why not.
 *
 * Order, each step cheaper than what it protects: length; shape of the header; algorithm against the list of what is
 * configured; signature, by the keys of the sources that are for this algorithm; claims. Nothing a token says is
 * believed before its signature holds, but for `alg` and `kid`, which only choose among our own keys.
 */
import { decodeProtectedHeader, type JWTVerifyOptions, jwtVerify } from 'jose'
import { standardClaims } from '../config/claim-variables.ts'
import type { AuthConfig, ClaimsConfig, JwtConfig } from '../config/shape.ts'
import type { JwtAlgorithm } from '../config/variables.ts'
import { claimOf, namesAny } from './claims.ts'
import {
  DEVELOPMENT_ISSUER,
  type DevelopmentToken,
  type DevelopmentTokenOptions,
  makeDevelopmentSecret,
  signDevelopmentToken,
} from './development.ts'
import { type Identity, readIdentity } from './identity.ts'
import { defaultJwksTimes, type JwksTimes, jwksSource, type ReportKeyTrouble } from './jwks.ts'
import { KeyFiles } from './key-files.ts'
import {
  hmacSource,
  type KeySource,
  publicKeySource,
  secretFileSource,
  secretSource,
  type TokenHeader,
} from './key-source.ts'
import { CLOCK_TOLERANCE_SECONDS, DEVELOPMENT_TOKEN_MAX_SECONDS, TOKEN_MAX_BYTES } from './limits.ts'
import { parsePublicKey } from './public-keys.ts'
import { type Refusal, reasonOf, refuse, refuseUntil } from './refusal.ts'
import { parseSecret } from './secret-files.ts'
import type { FoundKey } from './token-key.ts'
import { digestOf, VerifiedTokens } from './verified-tokens.ts'

export type Verification = { readonly kind: 'ok'; readonly identity: Identity } | Refusal

interface TokenVerifier {
  /** Whose token this is. Any string may be given. Rejects for a bug alone; every fault of a token is a value. */
  verify(token: string): Promise<Verification>
  /**
   * Begins to read the keys again where that is due. Call it every `TOKEN_LOOK_MS` or so while anybody is served under a
   * token: a key that was removed then shows in `Identity.signedBy`. Costs a comparison when nothing is due.
   */
  checkKeys(): void
}

export interface JwtAuthenticator extends TokenVerifier {
  readonly mode: 'jwt'
}

export interface DevelopmentAuthenticator extends TokenVerifier {
  readonly mode: 'development'
  /** A token that this authenticator, or one with the same secret, accepts. */
  issueDevelopmentToken(subject: string, options?: DevelopmentTokenOptions): Promise<DevelopmentToken>
}

export type Authenticator = JwtAuthenticator | DevelopmentAuthenticator

export type AuthenticatorDependencies = {
  /** Milliseconds since 1970; what `exp`, `nbf` and `iat` are compared with. */
  readonly nowMs: () => number
  /** What the ages of keys are counted by. Default: the process's monotonic clock. */
  readonly monotonicMs?: () => number
  /** Called when keys cannot be fetched, read or used, once for each time; for the operator's log. */
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

interface ClaimRules {
  readonly verify: Pick<JWTVerifyOptions, 'issuer' | 'audience'>
  /** The audiences of a claim that stands for `aud`; undefined: `verify` checks them, or any will do. */
  readonly audiences: readonly string[] | undefined
  readonly claims: ClaimsConfig
}

/**
 * Base64 decoders pass over white space, so without this one token would have any number of spellings. The last character
 * of a signature may still differ in bits that no byte takes (four spellings for HS256), which is harmless.
 */
const compactForm = /^[\w-]+\.[\w-]+\.[\w-]*$/

const readHeader = (token: string): { readonly alg?: string; readonly kid?: unknown } | undefined => {
  if (typeof token !== 'string' || token.length > TOKEN_MAX_BYTES || !compactForm.test(token)) return undefined
  try {
    return decodeProtectedHeader(token)
  } catch {
    return undefined
  }
}

interface VerifierOptions {
  readonly sources: readonly KeySource[]
  readonly claimRules: ClaimRules
  /** The longest that one verification counts, in milliseconds. */
  readonly maxAgeMs: number
  readonly nowMs: () => number
}

class Verifier {
  readonly #options: VerifierOptions
  readonly #verified = new VerifiedTokens()

  constructor(options: VerifierOptions) {
    this.#options = options
  }

  async verify(token: string): Promise<Verification> {
    const header = readHeader(token)
    if (typeof header?.alg !== 'string') return refuse('malformed')
    // A boundary: the sources' sets decide whether this text is one of our algorithms.
    const tokenHeader = header as TokenHeader
    const sources = this.#options.sources.filter(({ algorithms }) => algorithms.has(tokenHeader.alg))
    const verification = await this.#trySources(token, tokenHeader, sources)
    return verification.kind === 'ok' ? { kind: 'ok', identity: this.#granted(verification.identity) } : verification
  }

  checkKeys(): void {
    for (const source of this.#options.sources) source.refresh()
  }

  async #trySources(token: string, header: TokenHeader, sources: readonly KeySource[]): Promise<Verification> {
    let verdict = refuse('algorithm')
    const digest = digestOf(token)
    for (const source of sources) {
      const found = await source.find(header)
      if (found.kind === 'other-algorithm') continue
      if (found.kind === 'unavailable') {
        verdict = found.retryAfterMs === undefined ? refuse('unavailable') : refuseUntil(found.retryAfterMs)
        continue
      }
      if (verdict.reason === 'algorithm') verdict = refuse('signature')
      const known = this.#verified.find(found.keys, digest, this.#options.nowMs())
      if (known !== undefined) return { kind: 'ok', identity: known }
      for (const key of found.keys) {
        const verification = await this.#tryKey(token, key, header.alg)
        if (verification.kind === 'ok') this.#verified.keep(key.key, digest, verification.identity)
        if (verification.kind === 'ok' || verification.reason !== 'signature') return verification
      }
    }
    return verdict
  }

  async #tryKey(token: string, { key, material }: FoundKey, algorithm: JwtAlgorithm): Promise<Verification> {
    const nowMs = this.#options.nowMs()
    const { verify, audiences, claims } = this.#options.claimRules
    try {
      const { payload } = await jwtVerify(token, material, {
        ...verify,
        algorithms: [algorithm],
        requiredClaims: ['exp'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(nowMs),
      })
      // jose compares `nbf` but not `iat`.
      if (payload.iat !== undefined && payload.iat > nowMs / 1000 + CLOCK_TOLERANCE_SECONDS) return refuse('not-yet')
      if (audiences !== undefined && !namesAny(claimOf(payload, claims.audience), audiences)) return refuse('audience')
      const identity = readIdentity(payload, claims)
      return identity === undefined ? refuse('claims') : { kind: 'ok', identity: { ...identity, signedBy: key } }
    } catch (error) {
      const reason = reasonOf(error)
      if (reason === undefined) throw error
      return refuse(reason)
    }
  }

  /** Cut when it is given out, not when it is remembered: the same token counts anew each time that it is shown. */
  #granted(identity: Identity): Identity {
    const endMs = this.#options.nowMs() + this.#options.maxAgeMs
    return identity.expiresAtMs <= endMs ? identity : { ...identity, expiresAtMs: endMs }
  }
}

const publicKeyFiles = ({ publicKeyFiles: files, algorithms }: JwtConfig, sources: SourceOptions) =>
  loaded(
    new KeyFiles({
      variable: 'SLUICE_JWT_PUBLIC_KEY_FILE',
      files,
      parse: (text) => parsePublicKey(text, algorithms),
      ...sources,
    }),
  )

const secretFiles = ({ secretFiles: files, algorithms }: JwtConfig, sources: SourceOptions) =>
  loaded(
    new KeyFiles({
      variable: 'SLUICE_JWT_SECRET_FILE',
      files,
      parse: (text) => parseSecret(text, algorithms),
      ...sources,
    }),
  )

/** Throws for what is wrong at the start; later a file that turns bad is only reported. */
const loaded = <T>(files: KeyFiles<T>): KeyFiles<T> => {
  if (files.problems.length > 0) throw new AuthenticatorSetupError(files.problems)
  return files
}

interface SourceOptions {
  readonly monotonicMs: () => number
  readonly report: ReportKeyTrouble
}

const sourcesOf = (config: JwtConfig, dependencies: AuthenticatorDependencies): readonly KeySource[] => {
  const { secrets, secretFiles: ofSecrets, publicKeyFiles: files, jwksUrl, algorithms } = config
  const { monotonicMs = () => performance.now(), reportKeyTrouble: report } = dependencies
  const options = { monotonicMs, report }
  const sources: KeySource[] = []
  if (secrets.length > 0) sources.push(secretSource(secrets, algorithms))
  if (ofSecrets.length > 0) sources.push(secretFileSource(secretFiles(config, options), algorithms))
  if (files.length > 0) sources.push(publicKeySource(publicKeyFiles(config, options), algorithms))
  if (jwksUrl !== undefined) {
    const times = { ...defaultJwksTimes, ...dependencies.jwksTimes }
    sources.push(jwksSource(jwksUrl, algorithms, { times, ...options }))
  }
  return sources
}

const listed = (names: readonly string[] | 'any'): string[] | undefined => (names === 'any' ? undefined : [...names])

const claimRulesOf = ({ issuers, audiences, claims }: JwtConfig): ClaimRules => {
  const issuer = listed(issuers)
  const audience = listed(audiences)
  const isStandard = claims.audience === standardClaims.audience
  return {
    verify: { ...(issuer && { issuer }), ...(audience && isStandard && { audience }) },
    audiences: isStandard ? undefined : audience,
    claims,
  }
}

const createJwtAuthenticator = (config: JwtConfig, dependencies: AuthenticatorDependencies): JwtAuthenticator => {
  const verifier = new Verifier({
    sources: sourcesOf(config, dependencies),
    claimRules: claimRulesOf(config),
    maxAgeMs: config.maxAgeMs,
    nowMs: dependencies.nowMs,
  })
  return { mode: 'jwt', verify: (token) => verifier.verify(token), checkKeys: () => verifier.checkKeys() }
}

const createDevelopmentAuthenticator = (dependencies: AuthenticatorDependencies): DevelopmentAuthenticator => {
  const { nowMs, developmentSecret = makeDevelopmentSecret() } = dependencies
  const verifier = new Verifier({
    sources: [hmacSource([developmentSecret], ['HS256'])],
    claimRules: {
      verify: { issuer: DEVELOPMENT_ISSUER, audience: DEVELOPMENT_ISSUER },
      audiences: undefined,
      claims: standardClaims,
    },
    maxAgeMs: DEVELOPMENT_TOKEN_MAX_SECONDS * 1000,
    nowMs,
  })
  return {
    mode: 'development',
    verify: (token) => verifier.verify(token),
    checkKeys: () => undefined,
    issueDevelopmentToken: (subject, options = {}) =>
      signDevelopmentToken(developmentSecret, nowMs(), subject, options),
  }
}

/** Throws `AuthenticatorSetupError` when a key file cannot be used. Reads key files; fetches nothing yet. */
export const createAuthenticator = (config: AuthConfig, dependencies: AuthenticatorDependencies): Authenticator =>
  config.mode === 'development'
    ? createDevelopmentAuthenticator(dependencies)
    : createJwtAuthenticator(config, dependencies)
