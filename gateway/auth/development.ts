/**
 * Tokens of development mode: made and verified by this process with a secret of this run, so that a page or a script
 * can be tried without an identity provider. They carry an issuer and an audience of their own, and go through the same
 * verification as any other token.
 */
import { randomBytes } from 'node:crypto'
import { SignJWT } from 'jose'
import { isName } from './identity.ts'
import { DEVELOPMENT_TOKEN_MAX_SECONDS } from './limits.ts'

const DEFAULT_SECONDS = 3600
const SECRET_BYTES = 32
/** Longer than all known scopes together. */
const SCOPE_MAX_LENGTH = 256

export const DEVELOPMENT_ISSUER = 'sluice-development'

export type DevelopmentTokenOptions = {
  readonly tenant?: string
  readonly project?: string
  /** Space-separated scopes. Default: no claim, which grants `chat history`. */
  readonly scope?: string
  /** Life of the token in whole seconds, 1 to 86,400. Default 3,600. */
  readonly ttlSeconds?: number
}

export type DevelopmentToken =
  | { readonly kind: 'ok'; readonly token: string; readonly expiresAtMs: number }
  | { readonly kind: 'invalid'; readonly message: string }

export const makeDevelopmentSecret = (): Uint8Array => randomBytes(SECRET_BYTES)

const isLife = (seconds: number): boolean =>
  Number.isInteger(seconds) && seconds >= 1 && seconds <= DEVELOPMENT_TOKEN_MAX_SECONDS

const findFault = (subject: string, options: DevelopmentTokenOptions, ttlSeconds: number): string | undefined => {
  const names = [subject, options.tenant, options.project].filter((name) => name !== undefined)
  if (!names.every(isName)) {
    return 'subject, tenant and project must have 1 to 256 characters and no control characters'
  }
  if ((options.scope ?? '').length > SCOPE_MAX_LENGTH) return `scope must have at most ${SCOPE_MAX_LENGTH} characters`
  return isLife(ttlSeconds) ? undefined : `ttlSeconds must be a whole number from 1 to ${DEVELOPMENT_TOKEN_MAX_SECONDS}`
}

/** Signs a token for `subject`; what it names is checked as if somebody else had sent it. */
export const signDevelopmentToken = async (
  secret: Uint8Array,
  nowMs: number,
  subject: string,
  options: DevelopmentTokenOptions,
): Promise<DevelopmentToken> => {
  const ttlSeconds = options.ttlSeconds ?? DEFAULT_SECONDS
  const fault = findFault(subject, options, ttlSeconds)
  if (fault !== undefined) return { kind: 'invalid', message: fault }
  const issuedAt = Math.floor(nowMs / 1000)
  const claims = { tenant: options.tenant, project: options.project, scope: options.scope }
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(subject)
    .setIssuer(DEVELOPMENT_ISSUER)
    .setAudience(DEVELOPMENT_ISSUER)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + ttlSeconds)
    .sign(secret)
  return { kind: 'ok', token, expiresAtMs: (issuedAt + ttlSeconds) * 1000 }
}
