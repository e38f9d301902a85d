/**
 * `npm run bench -- growth`: what a token costs and how late it is with ten times the streams, and with more processes over
 * one Redis for the same streams. The pace is low, so that the many streams, and not their tokens, are what grows.
 */
import { startModelServer } from '../model-server/server.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { type LaneName, startLane } from './lanes.ts'
import { percent } from './machine.ts'
import { cpuTime } from './processes.ts'
import { startRedisProcess } from './redis-process.ts'
import { sluiceDialect } from './socket-dialects.ts'
import { type Dialect, runStreams } from './streams.ts'

export interface GrowthOptions {
  readonly streamCounts: readonly number[]
  readonly processCounts: readonly number[]
  readonly tokensPerSecond: number
  readonly seconds: number
  readonly transport: 'ws' | 'uws'
  say(line: string): void
}

export interface GrowthPoint {
  readonly streamCount: number
  readonly processCount: number
  readonly tokensPerSecond: number
  readonly cpuUsPerToken: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of the gateways, of this process (provider and readers) and of Redis, of one processor each. */
  readonly gatewayShare: number
  readonly driverShare: number
  readonly redisShare: number
}

export interface GrowthFigures {
  readonly transport: 'ws' | 'uws'
  readonly byStreams: readonly GrowthPoint[]
  readonly byProcesses: readonly GrowthPoint[]
}

const beginningsPerSecond = 100

/** Streams of the runs with more processes. */
const processStreams = 200

export async function benchGrowth(options: GrowthOptions): Promise<GrowthFigures> {
  const { tokensPerSecond, seconds, streamCounts, processCounts, transport, say } = options
  const tokenCount = tokensPerSecond * seconds
  const provider = await startModelServer({
    ttftMs: 50,
    tokensPerSecond,
    answer: 'clock',
    tokenCount,
    keptRequestCount: 0,
  })
  try {
    const byStreams: GrowthPoint[] = []
    for (const streamCount of streamCounts) {
      byStreams.push(await withStreams(provider.url, streamCount, options))
      say(growthLine(transport, byStreams.at(-1)))
    }
    const byProcesses: GrowthPoint[] = []
    for (const processCount of processCounts) {
      byProcesses.push(await withProcesses(provider.url, processCount, options))
      say(growthLine(transport, byProcesses.at(-1)))
    }
    return { transport, byStreams, byProcesses }
  } finally {
    await provider.close()
  }
}

export function growthLine(transport: string, point: GrowthPoint | undefined): string {
  if (point === undefined) return ''
  const { streamCount, processCount, cpuUsPerToken, p50Ms, p99Ms, gatewayShare, driverShare, redisShare } = point
  const times = `p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`
  const shares = `gateways ${percent(gatewayShare)}, provider and readers ${percent(driverShare)}, Redis ${percent(redisShare)}`
  return `${transport}: ${streamCount} streams, ${processCount} process(es): ${cpuUsPerToken.toFixed(0)} µs a token, ${times}; of one processor: ${shares}`
}

async function withStreams(providerUrl: string, streamCount: number, options: GrowthOptions): Promise<GrowthPoint> {
  const name: LaneName = options.transport === 'ws' ? 'sluice-memory-ws' : 'sluice-memory-uws'
  const lane = await startLane(name, { providerUrl, streamCount })
  try {
    const pid = lane.pids.server ?? 0
    return await measured([lane.dialect], [pid], undefined, streamCount, options)
  } finally {
    await lane.stop()
  }
}

async function withProcesses(providerUrl: string, count: number, options: GrowthOptions): Promise<GrowthPoint> {
  const redis = await startRedisProcess()
  const env = { SLUICE_TRANSPORT: options.transport, REDIS_URL: redis.url }
  const gateways = await Promise.all(Array.from({ length: count }, () => startGatewayProcess(providerUrl, env)))
  try {
    const tokens = await Promise.all(
      Array.from({ length: processStreams }, (_, n) => gateways[0]?.token(`growth-${n}`)),
    )
    let next = 0
    const token = () => tokens[next++ % tokens.length] ?? ''
    const dialects = gateways.map(({ socketUrl }) => sluiceDialect(socketUrl, token))
    const pids = gateways.map(({ pid }) => pid)
    return await measured(dialects, pids, redis.pid, processStreams, options)
  } finally {
    for (const gateway of gateways) await gateway.stop()
    await redis.stop()
  }
}

/** The streams are dealt out to the dialects; the first of two rounds warms and is not told. */
async function measured(
  dialects: readonly Dialect[],
  pids: readonly number[],
  redisPid: number | undefined,
  streamCount: number,
  { tokensPerSecond, seconds }: GrowthOptions,
): Promise<GrowthPoint> {
  // As many beginnings a second whatever the count, since each costs as much as many tokens.
  const spreadMs = (1_000 * streamCount) / beginningsPerSecond
  const each = { tokensEach: tokensPerSecond * seconds, deadlineMs: 60_000 + 3_000 * seconds, spreadMs }
  const round = () =>
    Promise.all(dialects.map((dialect) => runStreams(dialect, { ...each, streamCount: streamCount / dialects.length })))
  await round()
  const all = [...pids, process.pid, ...(redisPid === undefined ? [] : [redisPid])]
  const startedMs = performance.now()
  const before = await Promise.all(all.map(cpuMs))
  const rounds = await round()
  const elapsedMs = performance.now() - startedMs
  const after = await Promise.all(all.map(cpuMs))
  const used = after.map((ms, n) => ms - (before[n] ?? 0))
  const gatewayMs = used.slice(0, pids.length).reduce((sum, ms) => sum + ms, 0)
  const tokens = rounds.reduce((sum, { tokenCount }) => sum + tokenCount, 0)
  return {
    streamCount,
    processCount: pids.length,
    tokensPerSecond,
    cpuUsPerToken: (gatewayMs * 1_000) / tokens,
    p50Ms: Math.max(...rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: Math.max(...rounds.map(({ p99Ms }) => p99Ms)),
    gatewayShare: gatewayMs / elapsedMs,
    driverShare: (used[pids.length] ?? 0) / elapsedMs,
    redisShare: redisPid === undefined ? 0 : (used.at(-1) ?? 0) / elapsedMs,
  }
}

async function cpuMs(pid: number): Promise<number> {
  const { userMs, systemMs } = await cpuTime(pid)
  return userMs + systemMs
}
