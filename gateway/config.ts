/**
 * The gateway's configuration: environment in, nested read-only values or a list of problems out.
 *
 * Pure: nothing here opens a file or a socket, so `readConfig` can be tried on any object. What is wrong is told all
 * at once and refuses to start; a gateway that starts with a guess is wrong later, on somebody else's watch.
 * The variables themselves are in config/variables.ts, the rules between them in config/rules.ts.
 */
import type { ShareLimits } from '../sessions/shares.ts'
import { standardClaims } from './config/claim-variables.ts'
import { type ProxyConfig, proxySecret } from './config/proxies.ts'
import { proxies as proxyVariables } from './config/proxy-variables.ts'
import { findPresenceProblems, findValueProblems } from './config/rules.ts'
import type { Secret } from './config/secret.ts'
import type {
  AuthConfig,
  ClaimsConfig,
  Config,
  LimitsConfig,
  ProviderConfig,
  RecordingConfig,
  StoreConfig,
  TelemetryConfig,
  TlsConfig,
} from './config/shape.ts'
import { findUnknownVariables } from './config/unknown-variable.ts'
import { descriptions, type VariableDescription } from './config/variable.ts'
import { type Settings, variables } from './config/variables.ts'

export { Secret } from './config/secret.ts'
export type {
  AuthConfig,
  Config,
  JwtConfig,
  TelemetryConfig,
} from './config/shape.ts'
export type { JwtAlgorithm } from './config/variables.ts'

const HOUR_MS = 3_600_000
const OPENAI_URL = 'https://api.openai.com/v1'

export type ConfigResult =
  | { readonly kind: 'ok'; readonly config: Config }
  /** Each problem begins with its variable's name, says what is wrong and what to do, and contains no value. */
  | { readonly kind: 'invalid'; readonly problems: readonly string[] }

export type Environment = Readonly<Record<string, string | undefined>>

/** Empty and blank count as unset: that is what `VARIABLE=` in a compose file or a chart means. */
const presentTexts = (environment: Environment): ReadonlyMap<string, string> => {
  const texts = new Map<string, string>()
  for (const [name, value] of Object.entries(environment)) {
    const text = value?.trim()
    if (text !== undefined && text !== '') texts.set(name, text)
  }
  // As every program reads them, the one in small letters first.
  for (const name of Object.keys(proxyVariables)) {
    const text = texts.get(name.toLowerCase())
    if (text !== undefined) texts.set(name, text)
  }
  return texts
}

const readTls = (settings: Settings): TlsConfig => {
  const { SLUICE_TLS_CERT_FILE: certFile, SLUICE_TLS_KEY_FILE: keyFile } = settings
  return certFile === undefined || keyFile === undefined ? { kind: 'off' } : { kind: 'on', certFile, keyFile }
}

const readLimits = (settings: Settings): LimitsConfig => ({
  maxFrameBytes: settings.SLUICE_MAX_FRAME_BYTES,
  maxContentBytes: settings.SLUICE_MAX_CONTENT_BYTES,
  framesPerSecond: settings.SLUICE_FRAMES_PER_SECOND,
  socketsPerSubject: settings.SLUICE_SOCKETS_PER_SUBJECT,
  watchedSessionsPerSocket: settings.SLUICE_WATCHED_SESSIONS,
  messagesPerMinute: settings.SLUICE_MESSAGES_PER_MINUTE,
  writesPerMinute: settings.SLUICE_WRITES_PER_MINUTE,
  socketsPerAddress: settings.SLUICE_SOCKETS_PER_ADDRESS,
  strangerConnectionsPerAddress: settings.SLUICE_STRANGER_CONNECTIONS_PER_ADDRESS,
  strangerRequestsPerAddress: settings.SLUICE_STRANGER_REQUESTS_PER_ADDRESS,
  helloDeadlineMs: settings.SLUICE_HELLO_DEADLINE_MS,
  heartbeatMs: settings.SLUICE_HEARTBEAT_MS,
  drainDeadlineMs: settings.SLUICE_DRAIN_MS,
})

const namesOrAny = (names: readonly string[] | undefined): readonly string[] | 'any' =>
  names === undefined || names.includes('*') ? 'any' : names

const defaultScopes = {
  'chat history': ['chat', 'history'],
  chat: ['chat'],
  history: ['history'],
  none: [],
} as const satisfies Record<Settings['SLUICE_JWT_DEFAULT_SCOPES'], ClaimsConfig['defaultScopes']>

const readClaims = (settings: Settings): ClaimsConfig => ({
  subject: settings.SLUICE_JWT_SUBJECT_CLAIM,
  tenant: settings.SLUICE_JWT_TENANT_CLAIM,
  project: settings.SLUICE_JWT_PROJECT_CLAIM,
  audience: settings.SLUICE_JWT_AUDIENCE_CLAIM,
  scopes: settings.SLUICE_JWT_SCOPES_CLAIM ?? standardClaims.scopes,
  defaultScopes: defaultScopes[settings.SLUICE_JWT_DEFAULT_SCOPES],
})

const readAuth = (settings: Settings): AuthConfig => {
  const secrets = settings.SLUICE_JWT_SECRET ?? []
  const publicKeyFiles = settings.SLUICE_JWT_PUBLIC_KEY_FILE ?? []
  const jwksUrl = settings.SLUICE_JWT_JWKS_URL
  const secretFiles = settings.SLUICE_JWT_SECRET_FILE ?? []
  const keyCount = secrets.length + secretFiles.length + publicKeyFiles.length
  if (keyCount === 0 && jwksUrl === undefined) return { mode: 'development' }
  return {
    mode: 'jwt',
    secrets,
    secretFiles,
    publicKeyFiles,
    jwksUrl,
    issuers: namesOrAny(settings.SLUICE_JWT_ISSUER),
    audiences: namesOrAny(settings.SLUICE_JWT_AUDIENCE),
    claims: readClaims(settings),
    algorithms: settings.SLUICE_JWT_ALGORITHMS,
    maxAgeMs: settings.SLUICE_JWT_MAX_AGE * 1000,
  }
}

const readEndpoint = (settings: Settings): ProviderConfig['endpoint'] => {
  const { OPENAI_API_KEY: apiKey, OPENAI_BASE_URL: baseUrl } = settings
  if (apiKey === undefined && baseUrl === undefined) return { kind: 'bundled' }
  return { kind: 'openai', baseUrl: baseUrl ?? OPENAI_URL, apiKey }
}

const standardModel = ({ kind }: ProviderConfig['endpoint']): string =>
  kind === 'bundled' ? 'sluice-demo' : 'gpt-4o-mini'

const readProvider = (settings: Settings): ProviderConfig => ({
  endpoint: readEndpoint(settings),
  model: settings.SLUICE_MODEL ?? standardModel(readEndpoint(settings)),
  promptsDir: settings.SLUICE_PROMPTS_DIR,
  flagsFile: settings.SLUICE_FLAGS_FILE,
  promptTokens: settings.SLUICE_PROMPT_TOKENS,
  answerTokens: settings.SLUICE_ANSWER_TOKENS,
  firstTokenTimeoutMs: settings.SLUICE_FIRST_TOKEN_TIMEOUT_MS,
  idleTimeoutMs: settings.SLUICE_IDLE_TIMEOUT_MS,
  turnTimeoutMs: settings.SLUICE_TURN_TIMEOUT_MS,
})

const withScheme = (proxy: Secret | undefined): Secret | undefined => proxy && proxySecret(proxy.reveal())

const readProxies = (settings: Settings): ProxyConfig => ({
  http: withScheme(settings.HTTP_PROXY),
  https: withScheme(settings.HTTPS_PROXY),
  exceptions: (settings.NO_PROXY ?? '').split(/[\s,]+/).filter((host) => host !== ''),
})

/** OpenTelemetry: `none` is no exporter, whatever endpoint is set. */
const asksForTraces = (settings: Settings): boolean => {
  if (settings.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return false
  if (settings.OTEL_TRACES_EXPORTER !== undefined) return settings.OTEL_TRACES_EXPORTER !== 'none'
  return (settings.OTEL_EXPORTER_OTLP_ENDPOINT ?? settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) !== undefined
}

const readTelemetry = (settings: Settings): TelemetryConfig => {
  const port = settings.SLUICE_METRICS_PORT
  return {
    logLevel: settings.SLUICE_LOG_LEVEL,
    metrics: port === 'off' ? { kind: 'off' } : { kind: 'on', host: settings.SLUICE_METRICS_HOST, port },
    exportTraces: asksForTraces(settings),
  }
}

const readRecording = (settings: Settings): RecordingConfig => {
  const { SLUICE_RECORD_DIR: dir, SLUICE_RECORD_TEXT: text, SLUICE_RECORD_BYTES: maxBytes } = settings
  return dir === undefined ? { kind: 'off' } : { kind: 'on', dir, withText: text === 'on', maxBytes }
}

/** What is `auto` is left out, and follows from the store. */
const readShares = (settings: Settings): ShareLimits => ({
  ...set('maxSessionsPerOwner', settings.SLUICE_SESSIONS_PER_SUBJECT),
  ...set('maxBytesPerOwner', settings.SLUICE_BYTES_PER_SUBJECT),
  ...set('maxSessionsPerTenant', settings.SLUICE_SESSIONS_PER_TENANT),
  ...set('maxBytesPerTenant', settings.SLUICE_BYTES_PER_TENANT),
})

const set = (name: keyof ShareLimits, value: number | 'auto'): ShareLimits =>
  value === 'auto' ? {} : { [name]: value }

const readStore = (settings: Settings): StoreConfig => {
  const url = settings.REDIS_URL
  const common = {
    shares: readShares(settings),
    sessionTtlMs: settings.SLUICE_SESSION_TTL_HOURS * HOUR_MS,
  }
  if (url === undefined) {
    const { SLUICE_MEMORY_MAX_SESSIONS: maxSessionCount, SLUICE_MEMORY_MAX_BYTES: maxBytes } = settings
    return { kind: 'memory', maxSessionCount, maxBytes, ...common }
  }
  const { SLUICE_REDIS_CA_FILE: caFile, SLUICE_REDIS_PREFIX: prefix } = settings
  return { kind: 'redis', url, caFile, prefix, waitReplicas: settings.SLUICE_REDIS_WAIT_REPLICAS, ...common }
}

const nest = (settings: Settings): Config => ({
  listen: {
    host: settings.HOST,
    port: settings.PORT,
    transport: settings.SLUICE_TRANSPORT,
    uwsPath: settings.SLUICE_UWS_PATH,
    trustedProxies: settings.SLUICE_TRUSTED_PROXIES ?? [],
  },
  tls: readTls(settings),
  limits: readLimits(settings),
  store: readStore(settings),
  turns: {
    leaseMs: settings.SLUICE_LEASE_MS,
    takeOver: settings.SLUICE_TAKE_OVER,
    whenBusy: settings.SLUICE_WHEN_BUSY,
  },
  auth: readAuth(settings),
  provider: readProvider(settings),
  policy: { file: settings.SLUICE_CONFIG_FILE },
  proxies: readProxies(settings),
  web: { allowedOrigins: settings.SLUICE_ALLOWED_ORIGINS ?? 'own', tokenUrl: settings.SLUICE_WEB_TOKEN_URL },
  telemetry: readTelemetry(settings),
  recording: readRecording(settings),
})

const knownNames = Object.keys(variables.shape)

/** Reads the configuration from an environment such as `process.env`. Never throws; every problem is told at once. */
export const readConfig = (environment: Environment): ConfigResult => {
  const texts = presentTexts(environment)
  const known = Object.fromEntries([...texts].filter(([name]) => knownNames.includes(name)))
  const parsed = variables.safeParse(known)
  const problems = [
    ...(parsed.error?.issues ?? []).map((issue) => `${issue.path.join('.')} ${issue.message}`),
    ...findPresenceProblems(texts),
    ...(parsed.success ? findValueProblems(parsed.data) : []),
    ...findUnknownVariables(texts, knownNames),
  ]
  return parsed.success && problems.length === 0
    ? { kind: 'ok', config: nest(parsed.data) }
    : { kind: 'invalid', problems }
}

export type ConfigRow = { readonly name: string } & VariableDescription

/** One row for each variable, in the order in which they are worth reading. Contains nothing of the environment. */
export const describeConfig = (): readonly ConfigRow[] =>
  Object.entries(variables.shape).map(([name, schema]) => {
    const description = descriptions.get(schema)
    if (description === undefined) throw new Error(`unable to describe ${name}: its schema entry has no description`)
    return { name, ...description }
  })
