import { WebSocket } from 'ws'
import { startModelServer } from '../model-server/server.ts'
import { median, spread } from './figures.ts'
import { measureCpu, percent } from './machine.ts'
import { listeningLine, peerFile, startNode } from './processes.ts'
import {
  openedSession,
  relayDialect,
  sendMessage,
  sluiceDialect,
  sluiceFrames,
  socketDialect,
} from './socket-dialects.ts'
import { type Dialect, runStreams } from './streams.ts'
import { startTwoNodes, type TwoNodes } from './two-nodes.ts'

/**
 * Cross-node delivery: every stream is produced on node one, over Redis. In some rounds it is watched there alone, in
 * others on node two alone, in turns, and beside them the minimal relay tells how fast the machine is. A token is its own time of sending, so a token's way is measured from the provider's
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
  readonly dialect: Dialect
  readonly pids: Readonly<Record<string, number>>
  readonly p50Ms: number[]
  readonly p99Ms: number[]
  /** By process, for a token. */
  readonly cpuUs: ReadonlyMap<string, number[]>
}

export async function benchCrossNode(options: CrossNodeOptions): Promise<string> {
  const { streamCount, tokensPerSecond, tokensEach, roundCount, say } = options
  const script = { ttftMs: 50, tokensPerSecond, answer: 'clock', tokenCount: tokensEach, keptRequestCount: 0 } as const
  const provider = await startModelServer(script)
  const relay = await startNode([peerFile('naive-relay.mjs'), provider.url], {}, listeningLine)
  const nodes = await startTwoNodes(provider.url, { SLUICE_TRANSPORT: options.transport })
  try {
    const lanes = [
      laneOf('relay', relayDialect(relay.url), { relay: relay.pid }),
      ...(await nodeLanes(nodes, streamCount)),
    ]
    for (let round = 0; round <= roundCount; round++)
      for (const lane of lanes)
        say(`round ${round === 0 ? 'warm-up' : round}  ${await runLane(lane, options, round > 0)}`)
    return lanes.map((lane) => report(lane, lanes[0])).join('\n')
  } finally {
    await nodes.stop()
    await relay.stop()
    await provider.close()
  }
}

async function nodeLanes({ one, other, redis }: TwoNodes, streamCount: number): Promise<Lane[]> {
  const subjects = Array.from({ length: streamCount }, (_, n) => `bench-${n}`)
  const tokens = await Promise.all(subjects.map((subject) => one.token(subject)))
  const pids = { 'node one': one.pid, 'node two': other.pid, Redis: redis.pid }
  return [
    laneOf('producing node', sluiceDialect(one.socketUrl, inTurn(tokens)), pids),
    laneOf('other node', elsewhereDialect(other.socketUrl, one.socketUrl, inTurn(tokens)), pids),
  ]
}

function laneOf(name: string, dialect: Dialect, pids: Readonly<Record<string, number>>): Lane {
  const cpuUs = new Map(Object.keys(pids).map((process) => [process, []]))
  return { name, dialect, pids, p50Ms: [], p99Ms: [], cpuUs }
}

function inTurn(tokens: readonly string[]): () => string {
  let next = 0
  return () => tokens[next++ % tokens.length] ?? ''
}

async function runLane(lane: Lane, options: CrossNodeOptions, isCounted: boolean): Promise<string> {
  const { streamCount, tokensEach, tokensPerSecond } = options
  const deadlineMs = 30_000 + (2_000 * tokensEach) / tokensPerSecond
  const measured = await measureCpu(lane.pids)
  const round = await runStreams(lane.dialect, { streamCount, tokensEach, deadlineMs })
  const { ownMs, others } = await measured()
  const cpuUs = [...lane.cpuUs].map(([name, values]) => {
    const us = (1_000 * (ownMs[name] ?? Number.NaN)) / round.tokenCount
    if (isCounted) values.push(us)
    return us.toFixed(1)
  })
  if (isCounted) {
    lane.p50Ms.push(round.p50Ms)
    lane.p99Ms.push(round.p99Ms)
  }
  const cpu = `CPU ${cpuUs.join(' + ')} µs/token, others ${percent(others)}`
  return `${lane.name.padEnd(15)} p50 ${round.p50Ms.toFixed(2)} ms  p99 ${round.p99Ms.toFixed(2)} ms  ${cpu}`
}

function report({ name, p50Ms, p99Ms, cpuUs }: Lane, relay: Lane | undefined): string {
  const cpu = [...cpuUs].map(([process, values]) => `${process} ${spread(values, 1)}`).join(', ')
  const ratio = (own: readonly number[], base: readonly number[] = []) => (median(own) / median(base)).toFixed(2)
  const ratios = `to relay: p50 ${ratio(p50Ms, relay?.p50Ms)}, p99 ${ratio(p99Ms, relay?.p99Ms)}`
  return `${name.padEnd(15)} p50 ${spread(p50Ms, 2)} ms  p99 ${spread(p99Ms, 2)} ms  ${ratios}  CPU µs/token: ${cpu}`
}

/** Asked through a socket at another node, which is closed as soon as the question is taken. */
function elsewhereDialect(watchedUrl: string, producingUrl: string, tokens: () => string): Dialect {
  return socketDialect(watchedUrl, {
    ...sluiceFrames(tokens),
    async ready(watching) {
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
      return (question) => sendMessage(asking, session, question)
    },
  })
}
