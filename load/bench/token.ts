import { cpus } from 'node:os'
import { join } from 'node:path'
import { startModelServer } from '../model-server/server.ts'
import { median, spread } from './figures.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { cpuTime, listeningLine, type Started, startNode } from './processes.ts'
import { type Dialect, naiveDialect, runStreams, sluiceDialect } from './streams.ts'

/**
 * `npm run bench:token`: CPU per delivered token and token latency, Sluice beside a minimal `openai`+`ws` relay.
 *
 * Method: one provider; each server a process of its own on the same node binary; servers take turns, round after round,
 * with the same streams, which begin spread over a second; a server's CPU time is what the kernel counts for its process
 * during its round, divided by the tokens delivered. Before that each answers a thousand short questions, and its first
 * round is not counted: what is measured is a server that has been running. What is told is the median of the rounds,
 * their spread, and ratios to the relay. Sluice runs with authentication, validation, metrics and logs on; the relay has
 * none.
 */
export interface TokenBenchOptions {
  readonly streamCount: number
  readonly tokensPerSecond: number
  readonly tokensEach: number
  readonly roundCount: number
  readonly uwsPath: string | undefined
  say(line: string): void
}

export interface TokenBenchRow {
  readonly name: string
  readonly cpuUs: readonly number[]
  readonly p50Ms: readonly number[]
  readonly p99Ms: readonly number[]
}

interface Lane {
  readonly name: string
  readonly server: Started
  readonly dialect: Dialect
  readonly row: { readonly cpuUs: number[]; readonly p50Ms: number[]; readonly p99Ms: number[] }
}

export async function benchToken(options: TokenBenchOptions): Promise<readonly TokenBenchRow[]> {
  const { streamCount, tokensPerSecond, tokensEach, roundCount, say } = options
  const provider = await startModelServer({
    ttftMs: 50,
    tokensPerSecond,
    answer: 'clock',
    tokenCount: tokensEach,
    keptRequestCount: 0,
  })
  say(
    `${streamCount} streams of ${tokensPerSecond} tokens/s, ${tokensEach} tokens each, ${roundCount} rounds; ${cpus().length} × ${cpus()[0]?.model}; node ${process.version}`,
  )
  const lanes = await startLanes(provider.url, options)
  try {
    for (const lane of lanes) await warmUp(lane, streamCount)
    for (let round = 0; round <= roundCount; round++) {
      for (const lane of lanes) {
        const line = await runLane(lane, options, round > 0)
        say(`round ${round === 0 ? 'warm-up' : round}  ${line}`)
      }
    }
  } finally {
    for (const lane of lanes) await lane.server.stop()
    await provider.close()
  }
  return lanes.map(({ name, row }) => ({ name, ...row }))
}

async function warmUp({ server, dialect }: Lane, streamCount: number): Promise<void> {
  const tokensEach = 30
  for (let asked = 0; asked < warmUpQuestions; asked += streamCount) {
    const directive = `[[tokens=${tokensEach} tps=200]]`
    await runStreams(server.url, dialect, { streamCount, tokensEach, deadlineMs: 30_000, directive })
  }
}

const warmUpQuestions = 1_000

async function runLane(
  lane: Lane,
  { streamCount, tokensPerSecond, tokensEach }: TokenBenchOptions,
  isCounted: boolean,
): Promise<string> {
  const deadlineMs = 30_000 + (2_000 * tokensEach) / tokensPerSecond
  const before = await cpuTime(lane.server.pid)
  const streams = { streamCount, tokensEach, deadlineMs, spreadMs: 1_000 }
  const { tokenCount, p50Ms, p99Ms } = await runStreams(lane.server.url, lane.dialect, streams)
  const after = await cpuTime(lane.server.pid)
  const userUs = (after.userMs - before.userMs) * (1000 / tokenCount)
  const systemUs = (after.systemMs - before.systemMs) * (1000 / tokenCount)
  const cpuUs = userUs + systemUs
  if (isCounted) {
    lane.row.cpuUs.push(cpuUs)
    lane.row.p50Ms.push(p50Ms)
    lane.row.p99Ms.push(p99Ms)
  }
  return `${lane.name.padEnd(12)} ${cpuUs.toFixed(1)} µs/token (user ${userUs.toFixed(1)})  p50 ${p50Ms.toFixed(2)} ms  p99 ${p99Ms.toFixed(2)} ms`
}

async function startLanes(providerUrl: string, options: TokenBenchOptions): Promise<Lane[]> {
  const relay = await startNode([join(import.meta.dirname, 'naive-relay.ts'), providerUrl], {}, listeningLine)
  const lanes = [lane('relay', relay, naiveDialect)]
  lanes.push(await sluiceLane('sluice ws', 'ws', providerUrl, options))
  if (options.uwsPath === undefined) options.say('uWebSockets.js is not here: set SLUICE_UWS_PATH to measure it')
  else lanes.push(await sluiceLane('sluice uws', 'uws', providerUrl, options))
  return lanes
}

function lane(name: string, server: Started, dialect: Dialect): Lane {
  return { name, server, dialect, row: { cpuUs: [], p50Ms: [], p99Ms: [] } }
}

async function sluiceLane(
  name: string,
  transport: 'ws' | 'uws',
  providerUrl: string,
  options: TokenBenchOptions,
): Promise<Lane> {
  const server = await startGatewayProcess(providerUrl, { SLUICE_TRANSPORT: transport })
  const subjects = Array.from({ length: options.streamCount }, (_, n) => `bench-${n}`)
  const tokens = await Promise.all(subjects.map((subject) => server.token(subject)))
  let next = 0
  const dialect = sluiceDialect(() => tokens[next++ % tokens.length] ?? '')
  return lane(name, { ...server, url: server.socketUrl }, dialect)
}

export function report(rows: readonly TokenBenchRow[]): string {
  const base = rows[0]
  const lines = rows.map((row) => {
    const ratio =
      base === undefined
        ? ''
        : `  ratio to relay: CPU ${ratioOf(row.cpuUs, base.cpuUs)}, p50 ${ratioOf(row.p50Ms, base.p50Ms)}, p99 ${ratioOf(row.p99Ms, base.p99Ms)}`
    return `${row.name.padEnd(12)} CPU ${spread(row.cpuUs, 1)} µs/token  p50 ${spread(row.p50Ms, 2)} ms  p99 ${spread(row.p99Ms, 2)} ms${ratio}`
  })
  return ['median (least–most) of the rounds', ...lines].join('\n')
}

function ratioOf(values: readonly number[], base: readonly number[]): string {
  return (median(values) / median(base)).toFixed(2)
}
