import { readFileSync } from 'node:fs'
import type { RedisOptions } from 'ioredis'
import { SentinelSockets, StandaloneSockets } from './connectors.ts'
import { connectTimeoutMs, reconnectMaxMs, sentinelReconnectMaxMs } from './limits.ts'

/** The driver's type leaves `replyMapping` open to `undefined`, which it does not take. */
export type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>

/** The driver's type says that any options will do for a connector. */
type Connector = NonNullable<RedisOptions['Connector']>

/** Where the store is: one Redis, the one that Sentinels name, or a cluster. */
export type RedisTarget =
  | { readonly kind: 'standalone'; readonly options: ConnectionOptions }
  | { readonly kind: 'sentinel'; readonly options: ConnectionOptions }
  | {
      readonly kind: 'cluster'
      readonly nodes: readonly { readonly host: string; readonly port: number }[]
      readonly options: ConnectionOptions
    }

const schemes = new Map([
  ['redis:', { kind: 'standalone', isTls: false }],
  ['rediss:', { kind: 'standalone', isTls: true }],
  ['redis+sentinel:', { kind: 'sentinel', isTls: false }],
  ['rediss+sentinel:', { kind: 'sentinel', isTls: true }],
  ['redis+cluster:', { kind: 'cluster', isTls: false }],
  ['rediss+cluster:', { kind: 'cluster', isTls: true }],
] as const)

const redisPort = 6379
const sentinelPort = 26_379

/** What `redisTarget` reads, for people. */
export const redisUrlForms =
  'redis://[user:password@]host:port[/db], rediss:// with TLS, redis+sentinel://host,host/master-name, redis+cluster://host,host'

/**
 * Reads `REDIS_URL`; `undefined` for what is none. Several hosts are separated by commas. A Sentinel's URL names the
 * master in its path, and may give the Sentinels' own password as `?sentinelPassword=`. Of a cluster there is no `db`.
 */
export function redisTarget(text: string, caFile?: string): RedisTarget | undefined {
  const parts = /^(?<scheme>[a-z+]+:)\/\/(?:(?<login>[^@/]*)@)?(?<hosts>[^/?#@]+)(?<rest>[/?].*)?$/.exec(text)?.groups
  const scheme = schemes.get((parts?.scheme ?? '') as Parameters<typeof schemes.get>[0])
  if (parts === undefined || scheme === undefined) return undefined
  const rest = parseRest(parts.rest)
  const login = parseLogin(parts.login)
  const hosts = parseHosts(parts.hosts ?? '', scheme.kind === 'sentinel' ? sentinelPort : redisPort)
  if (rest === undefined || login === undefined || hosts === undefined) return undefined
  const tls = scheme.isTls ? { tls: caFile === undefined ? {} : { ca: readFileSync(caFile) } } : {}
  const options = { ...connectionOptions, ...login, ...tls }
  const [first, ...others] = hosts
  const db = parseDb(rest.path)
  switch (scheme.kind) {
    case 'standalone':
      if (first === undefined || others.length > 0 || db === undefined || rest.query.size > 0) return undefined
      return { kind: 'standalone', options: { ...options, ...first, db } }
    case 'sentinel':
      return sentinelTarget(hosts, rest, options)
    case 'cluster':
      return rest.path === '' && rest.query.size === 0 ? { kind: 'cluster', nodes: hosts, options } : undefined
  }
}

/**
 * The driver holds nothing and repeats nothing: what was asked on a connection that breaks is rejected, at once and
 * without a second execution, and whoever asked repeats the same operation (STORE A5).
 */
const connectionOptions: ConnectionOptions = {
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  // Whether it has its data; and where Sentinels told of it, whether it is the primary.
  enableReadyCheck: true,
  maxLoadingRetryTime: reconnectMaxMs,
  connectTimeout: connectTimeoutMs,
  disableClientInfo: true,
  retryStrategy: (times) => Math.min(reconnectMaxMs, 10 * 2 ** Math.min(times, 5)) * (0.5 + Math.random() / 2),
  // A primary that became a replica answers like a healthy one: leave it.
  reconnectOnError: (error) => error.message.startsWith('READONLY'),
  protocol: 3,
  Connector: StandaloneSockets as Connector,
}

function sentinelTarget(
  sentinels: readonly { host: string; port: number }[],
  { path, query }: Rest,
  options: ConnectionOptions,
): RedisTarget | undefined {
  const [encodedName = '', db = '0', ...more] = path.split('/')
  const name = decoded(encodedName)
  const sentinelPassword = query.get('sentinelPassword') ?? undefined
  const isKnown = [...query.keys()].every((key) => key === 'sentinelPassword')
  if (name === undefined || name === '' || more.length > 0 || !/^\d{1,3}$/.test(db) || !isKnown) return undefined
  return {
    kind: 'sentinel',
    options: {
      ...options,
      Connector: SentinelSockets as Connector,
      sentinels: [...sentinels],
      name,
      db: Number(db),
      ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
      // Hears of a failover also where the old primary is still there, and looks again soon when no Sentinel answers.
      failoverDetector: true,
      sentinelRetryStrategy: () => reconnectMaxMs,
      // The driver writes each failure of these connections to the console, and nobody can listen to them.
      sentinelReconnectStrategy: (times) => Math.min(sentinelReconnectMaxMs, reconnectMaxMs * 2 ** times),
      sentinelCommandTimeout: connectTimeoutMs,
      ...(options.tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: options.tls }),
    },
  }
}

interface Rest {
  readonly path: string
  readonly query: URLSearchParams
}

function parseRest(text: string | undefined): Rest | undefined {
  const [path = '', query = '', ...more] = (text ?? '').split('?')
  return more.length > 0 ? undefined : { path: path.replace(/^\//, ''), query: new URLSearchParams(query) }
}

function parseDb(path: string): number | undefined {
  return path === '' ? 0 : /^\d{1,3}$/.test(path) ? Number(path) : undefined
}

function parseLogin(text: string | undefined): Pick<ConnectionOptions, 'username' | 'password'> | undefined {
  if (text === undefined || text === '') return {}
  const colon = text.indexOf(':')
  const username = decoded(colon < 0 ? text : text.slice(0, colon))
  const password = colon < 0 ? '' : decoded(text.slice(colon + 1))
  if (username === undefined || password === undefined) return undefined
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function parseHosts(text: string, standardPort: number): { host: string; port: number }[] | undefined {
  const hosts = text.split(',').map((entry) => /^(\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/.exec(entry))
  const found: { host: string; port: number }[] = []
  for (const host of hosts) {
    const port = Number(host?.[2] ?? standardPort)
    if (host?.[1] === undefined || port < 1 || port > 65_535) return undefined
    found.push({ host: host[1].replace(/^\[|\]$/g, ''), port })
  }
  return found
}
