/**
 * What must hold between variables. Rules on presence look at the texts, so they are told together with the problems
 * of single variables; rules on values need every variable to have been read.
 */
import { encodedContentBytes } from '../../orchestrator/limits.ts'
import { metadataBytes } from '../../protocol/limits.ts'
import { isHost, isLoopbackHost, readHttpUrl } from './network.ts'
import type { Settings, VariableName } from './variables.ts'

type Texts = ReadonlyMap<string, string>

/** Variables that each make the gateway accept tokens, and so end development mode. */
const keyVariables = [
  'SLUICE_JWT_SECRET',
  'SLUICE_JWT_SECRET_FILE',
  'SLUICE_JWT_PUBLIC_KEY_FILE',
  'SLUICE_JWT_JWKS_URL',
] as const satisfies readonly VariableName[]
const keyAdvice = 'SLUICE_JWT_SECRET, SLUICE_JWT_PUBLIC_KEY_FILE or SLUICE_JWT_JWKS_URL'
const jwtVariables = [
  'SLUICE_JWT_ISSUER',
  'SLUICE_JWT_AUDIENCE',
  'SLUICE_JWT_ALGORITHMS',
  'SLUICE_JWT_AUDIENCE_CLAIM',
  'SLUICE_JWT_SUBJECT_CLAIM',
  'SLUICE_JWT_TENANT_CLAIM',
  'SLUICE_JWT_PROJECT_CLAIM',
  'SLUICE_JWT_SCOPES_CLAIM',
  'SLUICE_JWT_DEFAULT_SCOPES',
] as const satisfies readonly VariableName[]

const HOUR_MS = 3_600_000

/** What a message has beside its content: its metadata, three bytes for a character of it at most, names and ids. */
const ENVELOPE_BYTES = 3 * metadataBytes + 4096

/** A character of content can take six in JSON (`\u0000`), but admission takes no more than `encodedContentBytes` of it. */
const largestFrameBytes = (contentBytes: number): number =>
  Math.min(6 * contentBytes + 2, encodedContentBytes) + ENVELOPE_BYTES

/** RFC 7518, section 3.2: a key at least as long as the hash. */
const secretBytesByAlgorithm = new Map([
  ['HS256', 32],
  ['HS384', 48],
  ['HS512', 64],
])

/** What a secret must have to be used with each of these algorithms. */
export const secretBytesFor = (algorithms: readonly string[]): number =>
  Math.max(0, ...algorithms.map((algorithm) => secretBytesByAlgorithm.get(algorithm) ?? 0))

const hasKey = (texts: Texts): boolean => keyVariables.some((name) => texts.has(name))

const tlsProblems = (texts: Texts): string[] => {
  const certificate = texts.has('SLUICE_TLS_CERT_FILE')
  if (certificate === texts.has('SLUICE_TLS_KEY_FILE')) return []
  const missing = certificate ? 'SLUICE_TLS_KEY_FILE' : 'SLUICE_TLS_CERT_FILE'
  const present = certificate ? 'SLUICE_TLS_CERT_FILE' : 'SLUICE_TLS_KEY_FILE'
  return [`${missing} is missing: ${present} is set and TLS needs both; set both or none`]
}

const redisProblems = (texts: Texts): string[] =>
  texts.has('SLUICE_REDIS_CA_FILE') && !texts.has('REDIS_URL')
    ? ['SLUICE_REDIS_CA_FILE is set, but no Redis; set REDIS_URL, or unset it']
    : []

const developmentProblems = (texts: Texts): string[] => {
  const problems = jwtVariables
    .filter((name) => texts.has(name))
    .map((name) => `${name} is set, but no key to verify tokens with; set ${keyAdvice}, or unset it`)
  const host = texts.get('HOST')
  if (host !== undefined && isHost(host) && !isLoopbackHost(host)) {
    problems.push(
      `HOST is not a loopback address, but without a JWT key the gateway gives a token to whoever asks; set ${keyAdvice}, or unset HOST`,
    )
  }
  return problems
}

const jwtProblems = (texts: Texts): string[] =>
  (['SLUICE_JWT_ISSUER', 'SLUICE_JWT_AUDIENCE'] as const)
    .filter((name) => !texts.has(name))
    .map((name) => `${name} is missing: a JWT key is configured; set what tokens must carry, or \`*\` to check none`)

/** Problems that can be seen from which variables are set. */
export const findPresenceProblems = (texts: Texts): string[] => [
  ...tlsProblems(texts),
  ...redisProblems(texts),
  ...(hasKey(texts) ? jwtProblems(texts) : developmentProblems(texts)),
]

const starProblems = (settings: Settings): string[] =>
  (['SLUICE_JWT_ISSUER', 'SLUICE_JWT_AUDIENCE'] as const)
    .filter((name) => (settings[name]?.length ?? 0) > 1 && settings[name]?.includes('*'))
    .map((name) => `${name} has \`*\` beside names, which would make them void; set \`*\` alone or the names alone`)

/** http is fine on the machine itself: nobody else can change what comes. */
const jwksProblems = (settings: Settings): string[] => {
  const url = settings.SLUICE_JWT_JWKS_URL
  const { protocol, hostname = '' } = (url === undefined ? undefined : readHttpUrl(url)) ?? {}
  if (protocol !== 'http:' || settings.SLUICE_JWT_JWKS_HTTP === 'allow') return []
  if (['localhost', '127.0.0.1', '[::1]'].includes(hostname)) return []
  return [
    'SLUICE_JWT_JWKS_URL is plain http, so whoever can change that traffic can make tokens; set an https URL, or SLUICE_JWT_JWKS_HTTP=allow where you trust the network',
  ]
}

const secretProblems = (settings: Settings): string[] => {
  const secrets = settings.SLUICE_JWT_SECRET ?? []
  const algorithms = settings.SLUICE_JWT_ALGORITHMS ?? []
  const needed = secretBytesFor(algorithms)
  const short = secrets.findIndex((secret) => Buffer.byteLength(secret.reveal()) < needed)
  if (short === -1) return []
  return [
    `SLUICE_JWT_SECRET has an entry too short for SLUICE_JWT_ALGORITHMS, number ${short + 1}; set ${needed} bytes or more`,
  ]
}

const algorithmProblems = (settings: Settings): string[] => {
  const algorithms = settings.SLUICE_JWT_ALGORITHMS
  if (algorithms === undefined) return []
  const listsHmac = algorithms.some((algorithm) => algorithm.startsWith('HS'))
  const listsSignature = algorithms.some((algorithm) => !algorithm.startsWith('HS'))
  const hasSecret = settings.SLUICE_JWT_SECRET !== undefined || settings.SLUICE_JWT_SECRET_FILE !== undefined
  const hasPublicKey = settings.SLUICE_JWT_PUBLIC_KEY_FILE !== undefined || settings.SLUICE_JWT_JWKS_URL !== undefined
  const name = 'SLUICE_JWT_ALGORITHMS'
  const problems: string[] = []
  if (listsHmac && !hasSecret) problems.push(`${name} lists HS*, but there is no secret; set SLUICE_JWT_SECRET`)
  if (hasSecret && !listsHmac) problems.push(`${name} lists no HS*, so SLUICE_JWT_SECRET is of no use; unset one`)
  if (listsSignature && !hasPublicKey)
    problems.push(
      `${name} lists algorithms of public keys, but there is none; set SLUICE_JWT_PUBLIC_KEY_FILE or SLUICE_JWT_JWKS_URL`,
    )
  if (hasPublicKey && !listsSignature)
    problems.push(`${name} lists HS* alone, so the public keys are of no use; add the algorithms of the keys`)
  return problems
}

const portProblems = (settings: Settings): string[] =>
  settings.PORT !== 0 && settings.PORT === settings.SLUICE_METRICS_PORT
    ? ['SLUICE_METRICS_PORT is the same as PORT; set another, or `off`']
    : []

const sizeProblems = (settings: Settings): string[] =>
  settings.SLUICE_MAX_FRAME_BYTES < largestFrameBytes(settings.SLUICE_MAX_CONTENT_BYTES)
    ? [
        `SLUICE_MAX_FRAME_BYTES is too small for SLUICE_MAX_CONTENT_BYTES; set ${largestFrameBytes(settings.SLUICE_MAX_CONTENT_BYTES)} or more`,
      ]
    : []

const replicaProblems = (settings: Settings): string[] =>
  settings.SLUICE_REDIS_WAIT_REPLICAS > 0 && settings.REDIS_URL === undefined
    ? ['SLUICE_REDIS_WAIT_REPLICAS is set, but no Redis; set REDIS_URL, or unset it']
    : []

/** In Redis a session's keys go at one instant, which must not come while a turn runs. */
const lifetimeProblems = (settings: Settings): string[] =>
  settings.REDIS_URL !== undefined && settings.SLUICE_SESSION_TTL_HOURS * HOUR_MS <= settings.SLUICE_TURN_TIMEOUT_MS
    ? ['SLUICE_SESSION_TTL_HOURS is not longer than SLUICE_TURN_TIMEOUT_MS, so an answer could outlive its session']
    : []

/** Problems that can be seen from the values. */
export const findValueProblems = (settings: Settings): string[] => [
  ...starProblems(settings),
  ...jwksProblems(settings),
  ...secretProblems(settings),
  ...algorithmProblems(settings),
  ...portProblems(settings),
  ...sizeProblems(settings),
  ...replicaProblems(settings),
  ...lifetimeProblems(settings),
]
