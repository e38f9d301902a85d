import { ownCheckout, startCheckout } from './gateway-process.ts'
import { listeningLine, peerFile, type Started, startNode } from './processes.ts'
import { type RedisProcess, startRedisProcess } from './redis-process.ts'
import { relayDialect, sluiceDialect } from './socket-dialects.ts'
import { portkeyDialect, providerDialect, resumableDialect } from './sse-dialect.ts'
import type { Dialect } from './streams.ts'

/** What is measured side by side, with the title that reports show. */
export const laneTitles = {
  relay: 'openai + ws relay',
  'sluice-memory-ws': 'Sluice, memory, ws',
  'sluice-memory-uws': 'Sluice, memory, uWS',
  'sluice-redis-ws': 'Sluice, Redis, ws',
  'sluice-redis-uws': 'Sluice, Redis, uWS',
  'other-memory-ws': 'other checkout, memory, ws',
  'other-memory-uws': 'other checkout, memory, uWS',
  'other-redis-ws': 'other checkout, Redis, ws',
  'other-redis-uws': 'other checkout, Redis, uWS',
  'socket.io': 'Socket.IO, Redis Streams',
  'resumable-stream': 'resumable-stream, SSE',
  portkey: 'Portkey, SSE',
  provider: 'the provider, SSE',
} as const

export type LaneName = keyof typeof laneTitles

export const laneNames = Object.keys(laneTitles)
  .filter(isLaneName)
  .filter((name) => !name.startsWith('other-'))

/** Those that need nothing but the project's own packages. */
export const ownLaneNames = laneNames.filter((name) => name === 'relay' || name.startsWith('sluice-'))

/** Sluice from here and from another checkout, in turns. */
export const besideLaneNames: readonly LaneName[] = (
  ['memory-ws', 'memory-uws', 'redis-ws', 'redis-uws'] as const
).flatMap((kind) => [`sluice-${kind}`, `other-${kind}`] as const)

export function isLaneName(name: string): name is LaneName {
  return Object.hasOwn(laneTitles, name)
}

/** A server that runs, and how a stream of it is asked and read. */
export interface Lane {
  readonly name: LaneName
  readonly dialect: Dialect
  /** Its processes: `server`, whose CPU and memory are told, and `Redis`; the provider has none of its own. */
  readonly pids: Readonly<Record<string, number>>
  stop(): Promise<void>
}

export interface LaneOptions {
  /** The provider's base URL. */
  readonly providerUrl: string
  /** Sluice takes as many subjects. */
  readonly streamCount: number
  /** The folder of the other checkout, for its lanes. */
  readonly otherCheckout?: string
}

export function startLane(name: LaneName, options: LaneOptions): Promise<Lane> {
  return starts[name](name, options)
}

type Start = (name: LaneName, options: LaneOptions) => Promise<Lane>

const starts: Readonly<Record<LaneName, Start>> = {
  relay: (name, { providerUrl }) => peer(name, ['naive-relay.mjs', providerUrl], relayDialect),
  'sluice-memory-ws': (name, options) => sluice(name, options, 'ws'),
  'sluice-memory-uws': (name, options) => sluice(name, options, 'uws'),
  'sluice-redis-ws': async (name, options) => sluice(name, options, 'ws', await startRedisProcess()),
  'sluice-redis-uws': async (name, options) => sluice(name, options, 'uws', await startRedisProcess()),
  'other-memory-ws': (name, options) => sluice(name, options, 'ws'),
  'other-memory-uws': (name, options) => sluice(name, options, 'uws'),
  'other-redis-ws': async (name, options) => sluice(name, options, 'ws', await startRedisProcess()),
  'other-redis-uws': async (name, options) => sluice(name, options, 'uws', await startRedisProcess()),
  'socket.io': async (name, { providerUrl }) => {
    const { socketIoDialect } = await import('../peers/socket-io-client.mjs')
    return peer(name, ['socket-io.mjs', providerUrl], socketIoDialect, await startRedisProcess())
  },
  'resumable-stream': async (name, { providerUrl }) =>
    peer(name, ['resumable-stream.mjs', providerUrl], resumableDialect, await startRedisProcess()),
  portkey: (name, { providerUrl }) => peer(name, ['portkey.mjs'], (url) => portkeyDialect(url, providerUrl)),
  provider: async (name, { providerUrl }) => ({
    name,
    dialect: providerDialect(providerUrl),
    pids: {},
    stop: async () => undefined,
  }),
}

async function peer(
  name: LaneName,
  [file = '', ...args]: readonly string[],
  dialectOf: (url: string) => Dialect,
  redis?: RedisProcess,
): Promise<Lane> {
  const started = () => startNode([peerFile(file), ...args], redisEnv({ NODE_ENV: 'production' }, redis), listeningLine)
  const server = await startedOver(started, redis)
  return lane(name, dialectOf(server.url), server, redis)
}

async function sluice(
  name: LaneName,
  { providerUrl, streamCount, otherCheckout = ownCheckout }: LaneOptions,
  transport: 'ws' | 'uws',
  redis?: RedisProcess,
): Promise<Lane> {
  const checkout = name.startsWith('other-') ? otherCheckout : ownCheckout
  const env = redisEnv({ SLUICE_TRANSPORT: transport }, redis)
  const started = () => startCheckout(checkout, { providerUrl, env, nodeArgs: [] })
  const server = await startedOver(started, redis)
  const subjects = Array.from({ length: streamCount }, (_, n) => `bench-${n}`)
  const tokens = await Promise.all(subjects.map((subject) => server.token(subject)))
  let next = 0
  return lane(
    name,
    sluiceDialect(server.socketUrl, () => tokens[next++ % tokens.length] ?? ''),
    server,
    redis,
  )
}

function redisEnv(env: Readonly<Record<string, string>>, redis: RedisProcess | undefined): Record<string, string> {
  return redis === undefined ? env : { ...env, REDIS_URL: redis.url }
}

/** Redis does not outlive a server that did not start. */
async function startedOver<T>(start: () => Promise<T>, redis: RedisProcess | undefined): Promise<T> {
  try {
    return await start()
  } catch (error) {
    await redis?.stop()
    throw error
  }
}

function lane(name: LaneName, dialect: Dialect, server: Started, redis: RedisProcess | undefined): Lane {
  return {
    name,
    dialect,
    pids: redis === undefined ? { server: server.pid } : { server: server.pid, Redis: redis.pid },
    async stop() {
      await server.stop()
      await redis?.stop()
    },
  }
}
