import { WebSocket } from 'ws'
import { startModelServer } from '../model-server/server.ts'
import { spread } from './figures.ts'
import { measureCpu, percent } from './machine.ts'
import { type Dialect, openedSession, runStreams, sluiceDialect } from './streams.ts'
import { startTwoNodes, type TwoNodes } from './two-nodes.ts'

/**
 * Cross-node delivery: every stream is produced on node one, over Redis. In some rounds it is watched there alone, in
 * others on node two alone, in turns. A token is its own time of sending, so a token's way is measured from the provider's
 * write to the client's read; provider and clients share this process, and so one clock and, when it is busy, its delays.
 * CPU is what the kernel counts for a process during the round, by token. The first round of each is not counted.
 */
export interface CrossNodeOptions {
  readonly streamCount: number
  readonly tokensPerSecond: number
  readonly tokensEach: number
  readonly roundCount: number
  readonly transport: 'ws' | 'uws'
  say(line: string): void
}

interface Lane {
  readonly name: string
  readonly url: string
  readonly dialect: Dialect
  readonly p50Ms: number[]
  readonly p99Ms: number[]
  /** Of node one, node two and Redis. */
  readonly cpuUs: readonly [number[], number[], number[]]
}

export async function benchCrossNode(options: CrossNodeOptions): Promise<string> {
  const { streamCount, tokensPerSecond, tokensEach, roundCount, say } = options
  const script = { ttftMs: 50, tokensPerSecond, answer: 'clock', tokenCount: tokensEach, keptRequestCount: 0 } as const
  const provider = await startModelServer(script)
  const nodes = await startTwoNodes(provider.url, { SLUICE_TRANSPORT: options.transport })
  try {
    const subjects = Array.from({ length: streamCount }, (_, n) => `bench-${n}`)
    const tokens = await Promise.all(subjects.map((subject) => nodes.one.token(subject)))
    const lanes = [
      laneOf('on the producing node', nodes.one.socketUrl, sluiceDialect(inTurn(tokens))),
      laneOf('on the other node', nodes.other.socketUrl, elsewhereDialect(nodes.one.socketUrl, inTurn(tokens))),
    ]
    for (let round = 0; round <= roundCount; round++)
      for (const lane of lanes)
        say(`round ${round === 0 ? 'warm-up' : round}  ${await runLane(lane, nodes, options, round > 0)}`)
    return lanes.map(report).join('\n')
  } finally {
    await nodes.stop()
    await provider.close()
  }
}

function laneOf(name: string, url: string, dialect: Dialect): Lane {
  return { name, url, dialect, p50Ms: [], p99Ms: [], cpuUs: [[], [], []] }
}

function inTurn(tokens: readonly string[]): () => string {
  let next = 0
  return () => tokens[next++ % tokens.length] ?? ''
}

async function runLane(lane: Lane, nodes: TwoNodes, options: CrossNodeOptions, isCounted: boolean): Promise<string> {
  const { streamCount, tokensEach, tokensPerSecond } = options
  const deadlineMs = 30_000 + (2_000 * tokensEach) / tokensPerSecond
  const measured = await measureCpu({ one: nodes.one.pid, two: nodes.other.pid, redis: nodes.redis.pid })
  const round = await runStreams(lane.url, lane.dialect, 'bench', streamCount, tokensEach, deadlineMs)
  const { ownMs, others } = await measured()
  const cpuUs = ['one', 'two', 'redis'].map((name) => (1_000 * (ownMs[name] ?? Number.NaN)) / round.tokenCount)
  if (isCounted) {
    lane.p50Ms.push(round.p50Ms)
    lane.p99Ms.push(round.p99Ms)
    for (const [n, values] of lane.cpuUs.entries()) values.push(cpuUs[n] ?? Number.NaN)
  }
  const cpu = `CPU ${cpuUs.map((us) => us.toFixed(1)).join(' + ')} µs/token, others ${percent(others)}`
  return `${lane.name.padEnd(22)} p50 ${round.p50Ms.toFixed(2)} ms  p99 ${round.p99Ms.toFixed(2)} ms  ${cpu}`
}

function report({ name, p50Ms, p99Ms, cpuUs }: Lane): string {
  const [one, two, redis] = cpuUs.map((values) => spread(values, 1))
  const cpu = `CPU µs/token: node one ${one}, node two ${two}, Redis ${redis}`
  return `watched ${name.padEnd(22)} p50 ${spread(p50Ms, 2)} ms  p99 ${spread(p99Ms, 2)} ms  ${cpu}`
}

/** Asked through a socket at another node, which is closed as soon as the question is taken. */
function elsewhereDialect(producingUrl: string, tokens: () => string): Dialect {
  return {
    ...sluiceDialect(tokens),
    async ask(watching, content, model) {
      const token = tokens()
      const asking = new WebSocket(producingUrl, 'sluice.v1', { perMessageDeflate: false })
      await new Promise((resolve, reject) => {
        asking.once('open', resolve)
        asking.once('error', reject)
      })
      asking.send(JSON.stringify({ type: 'hello', token }))
      asking.send(JSON.stringify({ type: 'session.open', id: 'o' }))
      const session = await openedSession(asking)
      watching.send(JSON.stringify({ type: 'hello', token }))
      watching.send(JSON.stringify({ type: 'session.open', id: 'o', session }))
      await openedSession(watching)
      asking.on('message', (data) => {
        if (JSON.parse(String(data)).type === 'message.accepted') asking.close()
      })
      asking.send(JSON.stringify({ type: 'message.send', id: 'm', session, messageId: 'm1', content, model }))
    },
  }
}
