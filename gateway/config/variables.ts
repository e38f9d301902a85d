/** Every environment variable the gateway reads: one schema, each entry with its meaning, unit, default and range. */
import { z } from 'zod'
import { encodedContentBytes, leaseMs } from '../../orchestrator/limits.ts'
import { sessionsMax, sessionTtlMs, storeBytesMax } from '../../sessions/memory-limits.ts'
import { redisTarget, redisUrlForms } from '../../sessions/redis/redis-url.ts'
import { writesPerMinute } from '../bounds.ts'
import { claims } from './claim-variables.ts'
import { isHost, readAddressRange, readAllowedOrigin, readHttpUrl } from './network.ts'
import { proxies } from './proxy-variables.ts'
import { Secret } from './secret.ts'
import { shares } from './share-variables.ts'
import { choice, optionalList, optionalSecret, optionalText, text, wholeNumber, wholeNumberOr } from './variable.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const HOUR_MS = 3_600_000
const PORT_MAX = 65_535
const COUNT_MAX = 1_000_000

/** More entries than this in one list is a mistake, or a job for a file. */
const LIST_MAX_COUNT = 256
/** Each secret is tried in turn on a token, so their number bounds what a forged one costs. */
const KEYS_MAX_COUNT = 8
const SECRET_MIN_BYTES = 32

/** Signature algorithms a token may use; `none` is not among them and never will be. */
export const jwtAlgorithms = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

export type JwtAlgorithm = (typeof jwtAlgorithms)[number]

/** A PEM text as HMAC secret is a public key that everybody knows. */
export const readSecret = (entry: string): Secret | undefined =>
  Buffer.byteLength(entry) >= SECRET_MIN_BYTES && !entry.includes('-----BEGIN') ? new Secret(entry) : undefined

const isPageUrl = (value: string): boolean => /^\/(?![/\\])\S*$/.test(value) || readHttpUrl(value) !== undefined

const listen = {
  PORT: wholeNumber(8080, { meaning: 'port of the gateway; 0 takes a free one', unit: 'port', min: 0, max: PORT_MAX }),
  HOST: text('127.0.0.1', {
    meaning: 'address to listen on; one that other machines reach needs a JWT key',
    unit: 'address or name',
    range: 'an IP address or a host name',
    accepts: isHost,
  }),
  SLUICE_TRANSPORT: choice(['ws', 'uws', 'auto'], 'ws', 'socket library; auto takes uWebSockets.js if it loads'),
  SLUICE_UWS_PATH: optionalText({
    meaning: 'module path of uWebSockets.js',
    unit: 'path',
    range: 'a path',
    absent: 'the installed package uWebSockets.js',
  }),
  SLUICE_TRUSTED_PROXIES: optionalList({
    meaning: 'proxies whose forwarding headers are believed',
    unit: 'addresses',
    range: `IP addresses or CIDR ranges, comma-separated, at most ${LIST_MAX_COUNT}`,
    maxCount: LIST_MAX_COUNT,
    readEntry: readAddressRange,
  }),
  SLUICE_TLS_CERT_FILE: optionalText({
    meaning: 'certificate chain of the listener; read again when it changes; needs SLUICE_TLS_KEY_FILE',
    unit: 'path',
    range: 'a PEM file',
    absent: 'none (plain HTTP)',
  }),
  SLUICE_TLS_KEY_FILE: optionalText({
    meaning: 'private key to SLUICE_TLS_CERT_FILE',
    unit: 'path',
    range: 'a PEM file',
    absent: 'none (plain HTTP)',
  }),
}

const limits = {
  SLUICE_MAX_FRAME_BYTES: wholeNumber(MIB, {
    meaning: 'largest frame from a client; a larger one loses the socket',
    unit: 'bytes',
    min: 8 * KIB,
    max: 64 * MIB,
  }),
  SLUICE_MAX_CONTENT_BYTES: wholeNumber(128 * KIB, {
    meaning: 'largest content of one message; a larger one is refused as too-large',
    unit: 'bytes of UTF-8',
    min: 1,
    // With the quotes around it. A message that were longer could not be told to its watchers in one frame.
    max: encodedContentBytes - 2,
  }),
  SLUICE_FRAMES_PER_SECOND: wholeNumber(100, {
    meaning: 'frames a socket may send, and HTTP requests a subject may make on this node',
    unit: 'frames a second',
    min: 1,
    max: COUNT_MAX,
  }),
  SLUICE_SOCKETS_PER_SUBJECT: wholeNumber(200, {
    meaning: 'sockets one subject may hold on this node',
    unit: 'sockets',
    min: 1,
    max: COUNT_MAX,
  }),
  SLUICE_WATCHED_SESSIONS: wholeNumber(200, {
    meaning: 'sessions one socket may watch',
    unit: 'sessions',
    min: 1,
    max: 10_000,
  }),
  SLUICE_MESSAGES_PER_MINUTE: wholeNumberOr('unlimited', 'unlimited', {
    meaning: 'messages one subject may send',
    unit: 'messages a minute',
    min: 1,
    max: COUNT_MAX,
  }),
  SLUICE_WRITES_PER_MINUTE: wholeNumberOr('unlimited', writesPerMinute, {
    meaning: 'sessions, metadata and feedback that one subject may write on this node',
    unit: 'writes a minute',
    min: 1,
    max: COUNT_MAX,
  }),
  SLUICE_SOCKETS_PER_ADDRESS: wholeNumberOr('unlimited', 'unlimited', {
    meaning: 'sockets one client address (IPv6: its /64) may hold on this node; 127.0.0.1 and ::1 are never counted',
    unit: 'sockets',
    min: 1,
    max: COUNT_MAX,
  }),
  SLUICE_STRANGER_CONNECTIONS_PER_ADDRESS: wholeNumberOr('unlimited', 1_000, {
    meaning: 'connections without a good token that one client address may hold on this node, counted in the same way',
    unit: 'connections',
    min: 1,
    max: COUNT_MAX,
  }),
  SLUICE_STRANGER_REQUESTS_PER_ADDRESS: wholeNumberOr('unlimited', 50, {
    meaning: 'requests without a good token that one client address may make; ten seconds of it at once',
    unit: 'requests a second',
    min: 1,
    max: COUNT_MAX,
  }),
  SLUICE_HELLO_DEADLINE_MS: wholeNumber(10_000, {
    meaning: 'time a new socket has for its hello',
    unit: 'ms',
    min: 100,
    max: 600_000,
  }),
  SLUICE_HEARTBEAT_MS: wholeNumber(25_000, {
    meaning: 'longest time between two pings; a socket silent for three of them is dead',
    unit: 'ms',
    min: 100,
    max: 600_000,
  }),
  SLUICE_DRAIN_MS: wholeNumber(30_000, {
    meaning: 'deadline of a graceful shutdown; running turns end by then',
    unit: 'ms',
    min: 0,
    max: HOUR_MS,
  }),
}

const store = {
  SLUICE_MEMORY_MAX_SESSIONS: wholeNumber(sessionsMax, {
    meaning: 'sessions the memory store keeps',
    unit: 'sessions',
    min: 1,
    max: 10_000_000,
  }),
  ...shares,
  SLUICE_MEMORY_MAX_BYTES: wholeNumber(storeBytesMax, {
    meaning: 'text the memory store keeps',
    unit: 'bytes',
    min: MIB,
    max: 64 * GIB,
  }),
  SLUICE_SESSION_TTL_HOURS: wholeNumber(sessionTtlMs / HOUR_MS, {
    meaning: 'time after its last change at which a session is erased',
    unit: 'hours',
    min: 1,
    max: 87_600,
  }),
  REDIS_URL: optionalSecret({
    meaning: 'the store that many nodes share, Redis 7 or later; without it sessions are in this process alone',
    unit: 'URL',
    range: redisUrlForms,
    absent: 'none (the memory store)',
    accepts: (value) => redisTarget(value) !== undefined,
  }),
  SLUICE_REDIS_PREFIX: text('sluice:', {
    meaning: 'in front of every key and channel in Redis',
    unit: 'text',
    range: 'letters, digits and `.:_-`, at most 64',
    accepts: (value) => /^[\w.:-]{1,64}$/.test(value),
  }),
  SLUICE_REDIS_CA_FILE: optionalText({
    meaning: 'certificates of the authorities that Redis is trusted by, with a rediss:// URL',
    unit: 'path',
    range: 'a PEM file',
    absent: 'those that Node brings',
  }),
  SLUICE_REDIS_WAIT_REPLICAS: wholeNumber(0, {
    meaning: 'replicas that have a message or an end before it is acknowledged',
    unit: 'replicas',
    min: 0,
    max: 5,
  }),
  SLUICE_TAKE_OVER: choice(
    ['restart', 'continue', 'fail'],
    'restart',
    'what a node does with the answer of one that died: begin anew, go on from its text, or end it as failed',
  ),
  SLUICE_LEASE_MS: wholeNumber(leaseMs, {
    meaning: 'time without a sign of life after which a node may take the answers of another over',
    unit: 'ms',
    min: 500,
    max: 60_000,
  }),
  SLUICE_WHEN_BUSY: choice(
    ['refuse', 'wait'],
    'refuse',
    'what becomes of a message while another one of its session is answered',
  ),
}

const auth = {
  SLUICE_JWT_SECRET: optionalList({
    meaning: 'HMAC secrets that sign tokens; several for rotation',
    unit: 'secrets',
    range: `secrets of at least ${SECRET_MIN_BYTES} bytes, not PEM, comma-separated, at most ${KEYS_MAX_COUNT}`,
    maxCount: KEYS_MAX_COUNT,
    readEntry: readSecret,
  }),
  SLUICE_JWT_SECRET_FILE: optionalList({
    meaning: 'files of such secrets, beside SLUICE_JWT_SECRET or in its place; read again when they change',
    unit: 'paths',
    range: `files with one secret each, comma-separated, at most ${KEYS_MAX_COUNT}`,
    maxCount: KEYS_MAX_COUNT,
    readEntry: (entry) => entry,
  }),
  SLUICE_JWT_PUBLIC_KEY_FILE: optionalList({
    meaning: 'public keys that tokens are verified with; read again when they change',
    unit: 'paths',
    range: `PEM files, one key each, comma-separated, at most ${KEYS_MAX_COUNT}`,
    maxCount: KEYS_MAX_COUNT,
    readEntry: (entry) => entry,
  }),
  SLUICE_JWT_JWKS_URL: optionalText({
    meaning: 'key set that tokens are verified with; fetched when needed and cached',
    unit: 'URL',
    range: 'an https URL (http on loopback, or with SLUICE_JWT_JWKS_HTTP) without user name and password',
    accepts: (value) => readHttpUrl(value) !== undefined,
  }),
  SLUICE_JWT_JWKS_HTTP: choice(
    ['refuse', 'allow'],
    'refuse',
    'whether SLUICE_JWT_JWKS_URL may be plain http beyond loopback; those who can change that traffic can make tokens',
  ),
  SLUICE_JWT_ISSUER: optionalList({
    meaning: 'issuers (iss) whose tokens are accepted; required with a JWT key; `*` checks none',
    unit: 'names',
    range: `names, comma-separated, at most ${KEYS_MAX_COUNT}, or \`*\` alone`,
    maxCount: KEYS_MAX_COUNT,
    readEntry: (entry) => entry,
  }),
  SLUICE_JWT_AUDIENCE: optionalList({
    meaning: 'audiences (aud) this gateway answers to; required with a JWT key; `*` checks none',
    unit: 'names',
    range: `names, comma-separated, at most ${KEYS_MAX_COUNT}, or \`*\` alone`,
    maxCount: KEYS_MAX_COUNT,
    readEntry: (entry) => entry,
  }),
  ...claims,
  SLUICE_JWT_ALGORITHMS: optionalList({
    meaning: 'signature algorithms that are accepted',
    unit: 'names',
    range: `of ${jwtAlgorithms.join(', ')}, comma-separated`,
    absent: 'HS256 for secrets, what the key can do for public keys, all but HS* for a key set',
    maxCount: jwtAlgorithms.length,
    readEntry: (entry) => jwtAlgorithms.find((algorithm) => algorithm === entry),
  }),
  SLUICE_JWT_MAX_AGE: wholeNumber(24 * 3_600, {
    meaning: 'longest that a token counts before it has to be shown again; an `exp` further away is cut to it',
    unit: 'seconds',
    min: 120,
    max: 10 * 365 * 24 * 3_600,
  }),
}

const web = {
  SLUICE_ALLOWED_ORIGINS: optionalList({
    meaning: 'origins whose pages may open sockets; takes the place of the default',
    unit: 'origins',
    range: `origins without a path (https://app.example), https://*.app.example for every name below, comma-separated, at most ${LIST_MAX_COUNT}`,
    absent: "the page's own",
    maxCount: LIST_MAX_COUNT,
    readEntry: readAllowedOrigin,
  }),
  SLUICE_WEB_TOKEN_URL: optionalText({
    meaning: 'where the page gets its token; without it, and with a JWT key, the page has a field to paste one',
    unit: 'URL',
    range: 'an http(s) URL without user name and password, or a path beginning with one slash',
    accepts: isPageUrl,
  }),
}

const provider = {
  SLUICE_CONFIG_FILE: optionalText({
    meaning: 'models, targets, retries, limits, privacy and cache; taken over while running when it changes',
    unit: 'path',
    range: 'a YAML file',
    absent: 'sluice.yaml in the working directory, if it is there',
  }),
  OPENAI_API_KEY: optionalSecret({
    meaning: "the provider's API key",
    unit: 'secret',
    range: 'a key',
    absent: 'none (with OPENAI_BASE_URL unset too: the bundled model server)',
  }),
  OPENAI_BASE_URL: optionalText({
    meaning: 'base of an OpenAI-compatible API',
    unit: 'URL',
    range: 'an http(s) URL without user name and password',
    absent: 'https://api.openai.com/v1 with OPENAI_API_KEY',
    accepts: (value) => readHttpUrl(value) !== undefined,
  }),
  ...proxies,
  SLUICE_MODEL: optionalText({
    meaning: 'model asked for; without it gpt-4o-mini, and of the bundled model server sluice-demo',
    unit: 'name',
    range: "a model of the provider's",
  }),
  SLUICE_PROMPTS_DIR: text('prompts', {
    meaning: 'folder of the system prompts (docs/PROMPTS.md), relative to the project; `default` must be there',
    unit: 'path',
    range: 'a folder of prompts',
  }),
  SLUICE_FLAGS_FILE: optionalText({
    meaning: 'file of feature flags (docs/PROMPTS.md), looked at while the gateway runs',
    unit: 'path',
    range: 'a YAML or JSON file',
  }),
  SLUICE_PROMPT_TOKENS: wholeNumber(100_000, {
    meaning: 'longest prompt: system prompt, as much history as fits, and the message',
    unit: 'tokens',
    min: 0,
    max: 10_000_000,
  }),
  SLUICE_ANSWER_TOKENS: wholeNumber(4096, {
    meaning: 'longest answer asked for (max_tokens)',
    unit: 'tokens',
    min: 1,
    max: COUNT_MAX,
  }),
  SLUICE_FIRST_TOKEN_TIMEOUT_MS: wholeNumber(30_000, {
    meaning: "longest wait for an answer's first token",
    unit: 'ms',
    min: 1,
    max: HOUR_MS,
  }),
  SLUICE_IDLE_TIMEOUT_MS: wholeNumber(30_000, {
    meaning: 'longest silence inside an answer',
    unit: 'ms',
    min: 1,
    max: HOUR_MS,
  }),
  SLUICE_TURN_TIMEOUT_MS: wholeNumber(600_000, {
    meaning: 'longest turn in all',
    unit: 'ms',
    min: 1,
    max: 24 * HOUR_MS,
  }),
}

const otel = (meaning: string, range: string) => optionalText({ meaning, unit: 'text', range })

const telemetry = {
  SLUICE_LOG_LEVEL: choice(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    'info',
    'least severe log line written',
  ),
  SLUICE_METRICS_PORT: wholeNumberOr('off', 9464, {
    meaning: 'port of /metrics; 0 takes a free one',
    unit: 'port',
    min: 0,
    max: PORT_MAX,
  }),
  SLUICE_METRICS_HOST: text('127.0.0.1', {
    meaning: 'address /metrics listens on',
    unit: 'address or name',
    range: 'an IP address or a host name',
    accepts: isHost,
  }),
  SLUICE_RECORD_DIR: optionalText({
    meaning: 'folder where the shape of live sessions is recorded, for `sluice load` to replay; a file a process',
    unit: 'path',
    range: 'a folder, made if missing',
  }),
  SLUICE_RECORD_TEXT: choice(
    ['off', 'on'],
    'off',
    "whether a recording holds the users' messages, not only their lengths",
  ),
  SLUICE_RECORD_BYTES: wholeNumber(GIB, {
    meaning: 'most of one recording; then it ends',
    unit: 'bytes',
    min: MIB,
    max: 1024 * GIB,
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: otel('collector that traces are exported to', 'as OpenTelemetry says'),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: otel('the same, for traces alone', 'as OpenTelemetry says'),
  OTEL_TRACES_EXPORTER: otel('exporter of traces; `none` exports nothing', 'as OpenTelemetry says'),
  OTEL_SDK_DISABLED: otel('`true` exports nothing', 'true or false'),
}

export const variables = z.object({ ...listen, ...limits, ...store, ...auth, ...web, ...provider, ...telemetry })

/** The parsed values, by variable. */
export type Settings = z.infer<typeof variables>
export type VariableName = keyof typeof variables.shape
