import { WebSocket } from 'ws'
import { startModelServer } from '../model-server/server.ts'
import { median, percentile, spread } from './figures.ts'
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts'
import { measureCpu, percent } from './machine.ts'
import { startRedisProcess } from './redis-process.ts'
import { openedSession } from './socket-dialects.ts'

/**
 * What it costs that any node can resume an answer: the same turns on a gateway over Redis and on one over its memory,
 * in turns. A turn's response time is from `message.accepted` to `turn.completed` at its client; a round's is the median
 * of its turns. The first round of each is not counted.
 */
export interface ResumabilityOptions {
  /** Asked at once, each on a socket and a session of its own. */
  readonly turnCount: number
  readonly ttftMs: number
  /** 0: as fast as they are read. */
  readonly tokensPerSecond: number
  readonly tokensEach: number
  readonly roundCount: number
  readonly transport: 'ws' | 'uws'
  say(line: string): void
}

interface Lane {
  readonly name: string
  readonly gateway: GatewayProcess
  readonly tokens: readonly string[]
  readonly acceptedMs: number[]
  readonly responseMs: number[]
}

interface Turn {
  /** From `message.send` to `message.accepted`. */
  readonly acceptedMs: number
  readonly responseMs: number
}

export async function benchResumability(options: ResumabilityOptions): Promise<string> {
  const { ttftMs, tokensPerSecond, tokensEach: tokenCount, roundCount, say } = options
  const provider = await startModelServer({ ttftMs, tokensPerSecond, tokenCount, keptRequestCount: 0 })
  const redis = await startRedisProcess()
  const lanes: Lane[] = []
  try {
    for (const [name, url] of [['memory', ''] as const, ['Redis', redis.url] as const])
      lanes.push(await startLane(name, provider.url, { REDIS_URL: url, SLUICE_TRANSPORT: options.transport }, options))
    for (let round = 0; round <= roundCount; round++)
      for (const lane of lanes) say(`round ${round === 0 ? 'warm-up' : round}  ${await runLane(lane, options, round)}`)
    return report(lanes)
  } finally {
    for (const { gateway } of lanes) await gateway.stop()
    await redis.stop()
    await provider.close()
  }
}

async function startLane(
  name: string,
  providerUrl: string,
  env: Readonly<Record<string, string>>,
  { turnCount }: ResumabilityOptions,
): Promise<Lane> {
  const gateway = await startGatewayProcess(providerUrl, env)
  const tokens = await Promise.all(Array.from({ length: turnCount }, (_, n) => gateway.token(`bench-${n}`)))
  return { name, gateway, tokens, acceptedMs: [], responseMs: [] }
}

async function runLane(lane: Lane, options: ResumabilityOptions, round: number): Promise<string> {
  const { ttftMs, tokensPerSecond, tokensEach } = options
  const paceMs = tokensPerSecond === 0 ? 0 : (1_000 * tokensEach) / tokensPerSecond
  const deadlineMs = 30_000 + ttftMs + 2 * paceMs
  const measured = await measureCpu({ gateway: lane.gateway.pid })
  const turns = await Promise.all(
    lane.tokens.map((token, n) => runTurn(lane.gateway.socketUrl, token, `question ${round}-${n}`, deadlineMs)),
  )
  const { ownMs, others } = await measured()
  const acceptedMs = median(turns.map((turn) => turn.acceptedMs))
  const times = turns.map((turn) => turn.responseMs)
  if (round > 0) {
    lane.acceptedMs.push(acceptedMs)
    lane.responseMs.push(median(times))
  }
  const response = `p50 ${median(times).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`
  const cpu = `CPU ${((ownMs.gateway ?? Number.NaN) / turns.length).toFixed(2)} ms/turn, others ${percent(others)}`
  return `${lane.name.padEnd(6)} accepted after ${acceptedMs.toFixed(2)} ms, completed after ${response} more; ${cpu}`
}

async function runTurn(url: string, token: string, content: string, deadlineMs: number): Promise<Turn> {
  const socket = new WebSocket(url, 'sluice.v1', { perMessageDeflate: false })
  const deadline = setTimeout(() => socket.terminate(), deadlineMs)
  try {
    await new Promise((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    socket.send(JSON.stringify({ type: 'hello', token }))
    socket.send(JSON.stringify({ type: 'session.open', id: 'o' }))
    const session = await openedSession(socket)
    const sentMs = performance.now()
    socket.send(JSON.stringify({ type: 'message.send', id: 'm', session, messageId: 'm1', content }))
    const { acceptedAtMs, completedAtMs } = await answered(socket)
    return { acceptedMs: acceptedAtMs - sentMs, responseMs: completedAtMs - acceptedAtMs }
  } finally {
    clearTimeout(deadline)
    socket.close()
  }
}

function answered(socket: WebSocket): Promise<{ readonly acceptedAtMs: number; readonly completedAtMs: number }> {
  return new Promise((resolve, reject) => {
    let acceptedAtMs = Number.NaN
    socket.on('message', (data) => {
      const nowMs = performance.now()
      const text = String(data)
      const { type } = JSON.parse(text)
      if (type === 'message.accepted') acceptedAtMs = nowMs
      if (type === 'turn.completed') resolve({ acceptedAtMs, completedAtMs: nowMs })
      if (type === 'turn.failed' || type === 'error') reject(new Error(text))
    })
    socket.on('close', () => reject(new Error('the socket closed, or was late, before the answer ended')))
  })
}

function report([memory, redis]: readonly Lane[]): string {
  if (memory === undefined || redis === undefined) return ''
  const lines = [memory, redis].map(
    ({ name, acceptedMs, responseMs }) =>
      `${name.padEnd(6)} accepted after ${spread(acceptedMs, 2)} ms, completed after ${spread(responseMs, 1)} ms more`,
  )
  // Round by round, since what else the machine does changes with time.
  const ratios = redis.responseMs.map((ms, n) => (100 * ms) / (memory.responseMs[n] ?? Number.NaN) - 100)
  const more = redis.responseMs.map((ms, n) => ms - (memory.responseMs[n] ?? Number.NaN))
  return [...lines, `Redis costs ${spread(more, 1)} ms, ${spread(ratios, 2)} % of the response time`].join('\n')
}
