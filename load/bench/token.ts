import { startModelServer } from '../model-server/server.ts'
import { type Lane, type LaneName, laneTitles, startLane } from './lanes.ts'
import { machine, measureCpu, percent } from './machine.ts'
import { residentBytes } from './processes.ts'
import { runStreams } from './streams.ts'

/**
 * `npm run bench -- peers` and, with Sluice and the relay alone, `npm run bench:token`: what a delivered token costs and how
 * long it is on its way, Sluice beside what it is measured against.
 *
 * Method: one provider, in this process, as are all clients, so that both read one clock. Each server is a process of its
 * own on the same node binary, with a Redis of its own where it uses one. They take turns, round after round, with the
 * same streams, which begin spread over a second. A server's CPU time is what the kernel counts for its process during
 * its round, connecting and signing in included, divided by the tokens delivered; its Redis is told apart. Before that
 * each answers a thousand short questions, and its first round is not counted: what is measured is a server that has
 * been running. Sluice runs with authentication, validation, metrics and logs on; the others have none of them.
 *
 * A token is its own time of sending, so its latency is from the provider's write to the client's read. The first token is
 * timed from the question's sending, on a connection that stands (and a session that is open), to the first text, less
 * `ttftMs`, which the provider waits by its timer; the lane `provider` is what is then left of the provider itself.
 */
export interface TokenBenchOptions {
  /** In the order of their turns. */
  readonly lanes: readonly LaneName[]
  readonly streamCount: number
  readonly tokensPerSecond: number
  readonly tokensEach: number
  readonly roundCount: number
  /** The folder of another checkout of Sluice, for the lanes that are its. */
  readonly otherCheckout?: string
  say(line: string): void
}

export interface TokenBenchResult {
  /** Processors and node's version. */
  readonly machine: string
  readonly streamCount: number
  readonly tokensPerSecond: number
  readonly tokensEach: number
  readonly rows: readonly TokenBenchRow[]
}

export interface TokenBenchRow {
  readonly name: LaneName
  readonly title: string
  /** The counted ones, in order. */
  readonly rounds: readonly LaneRound[]
}

/** Times are in milliseconds unless named otherwise; what has no process of its own lacks CPU and memory. */
export interface LaneRound {
  readonly tokenCount: number
  /** User and system time. */
  readonly cpuUsPerToken?: number
  readonly redisCpuUsPerToken?: number
  /** At the end of the round. */
  readonly residentBytes?: number
  readonly tokenP50Ms: number
  readonly tokenP99Ms: number
  /** Added to the provider's `ttftMs`. */
  readonly firstP50Ms: number
  readonly firstP99Ms: number
  readonly framesPerToken: number
  readonly bytesPerToken: number
  /** What all processors did for others meanwhile, as a share of one processor: near 0 on a quiet machine. */
  readonly othersShare: number
}

const ttftMs = 50

export async function benchToken(options: TokenBenchOptions): Promise<TokenBenchResult> {
  const { streamCount, tokensPerSecond, tokensEach, roundCount, say } = options
  const script = { ttftMs, tokensPerSecond, answer: 'clock', tokenCount: tokensEach, keptRequestCount: 0 } as const
  const provider = await startModelServer(script)
  const rates = `${streamCount} streams of ${tokensPerSecond} tokens/s, ${tokensEach} tokens each`
  say(`${rates}, ${roundCount} rounds; ${machine()}`)
  const lanes: Lane[] = []
  const rows = options.lanes.map((name) => ({ name, title: laneTitles[name], rounds: [] as LaneRound[] }))
  try {
    const { otherCheckout } = options
    const start = { providerUrl: provider.url, streamCount, ...(otherCheckout !== undefined && { otherCheckout }) }
    for (const name of options.lanes) lanes.push(await startLane(name, start))
    for (const lane of lanes) await warmUp(lane, streamCount)
    for (let round = 0; round <= roundCount; round++) {
      for (const [n, lane] of lanes.entries()) {
        const measured = await runLane(lane, options)
        if (round > 0) rows[n]?.rounds.push(measured)
        say(`round ${round === 0 ? 'warm-up' : round}  ${roundLine(lane.name, measured)}`)
      }
    }
  } finally {
    for (const lane of lanes) await lane.stop()
    await provider.close()
  }
  return { machine: machine(), streamCount, tokensPerSecond, tokensEach, rows }
}

async function warmUp({ dialect }: Lane, streamCount: number): Promise<void> {
  const tokensEach = 30
  for (let asked = 0; asked < warmUpQuestions; asked += streamCount) {
    const directive = `[[tokens=${tokensEach} tps=200]]`
    await runStreams(dialect, { streamCount, tokensEach, deadlineMs: 30_000, directive })
  }
}

const warmUpQuestions = 1_000

async function runLane({ dialect, pids }: Lane, options: TokenBenchOptions): Promise<LaneRound> {
  const { streamCount, tokensEach, tokensPerSecond } = options
  const deadlineMs = 30_000 + (2_000 * tokensEach) / tokensPerSecond
  const measured = await measureCpu(pids)
  const round = await runStreams(dialect, { streamCount, tokensEach, deadlineMs, spreadMs: 1_000 })
  const { ownMs, others } = await measured()
  const { server, Redis } = ownMs
  const { tokenCount, p50Ms, p99Ms, firstP50Ms, firstP99Ms, frameCount, byteCount } = round
  return {
    tokenCount,
    ...(server === undefined ? {} : { cpuUsPerToken: (1_000 * server) / tokenCount }),
    ...(Redis === undefined ? {} : { redisCpuUsPerToken: (1_000 * Redis) / tokenCount }),
    ...(pids.server === undefined ? {} : { residentBytes: await residentBytes(pids.server) }),
    tokenP50Ms: p50Ms,
    tokenP99Ms: p99Ms,
    firstP50Ms: firstP50Ms - ttftMs,
    firstP99Ms: firstP99Ms - ttftMs,
    framesPerToken: frameCount / tokenCount,
    bytesPerToken: byteCount / tokenCount,
    othersShare: others,
  }
}

function roundLine(name: LaneName, round: LaneRound): string {
  const cpu = round.cpuUsPerToken === undefined ? '' : `${round.cpuUsPerToken.toFixed(1)} µs/token  `
  const token = `token p50 ${round.tokenP50Ms.toFixed(2)} p99 ${round.tokenP99Ms.toFixed(2)} ms`
  const first = `first p50 ${round.firstP50Ms.toFixed(2)} p99 ${round.firstP99Ms.toFixed(2)} ms`
  return `${name.padEnd(18)} ${cpu}${token}  ${first}  others ${percent(round.othersShare)}`
}
