/**
 * `npm run bench -- watchers`: one answer that many sockets watch, beside a server that does nothing but send one frame to
 * as many sockets with the same library. Both take turns; what is told is CPU for each frame that arrived, so that frames
 * which carry several tokens do not count as several.
 */
import { join } from 'node:path'
import { BenchSession } from './bench-socket.ts'
import { median, spread } from './figures.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { cpuTime, listeningLine, type Started, startNode } from './processes.ts'
import { RawSocket } from './raw-socket.ts'
import { signingEnv, signTokens } from './tokens.ts'

export interface WatchersOptions {
  readonly watcherCount: number
  readonly framesPerSecond: number
  readonly seconds: number
  readonly roundCount: number
  readonly transport: 'ws' | 'uws'
  say(line: string): void
}

export interface WatchersFigures {
  readonly transport: 'ws' | 'uws'
  readonly watcherCount: number
  /** By round, in microseconds for each frame that arrived. */
  readonly bareUs: readonly number[]
  readonly sluiceUs: readonly number[]
  readonly faultCount: number
}

/** As long as the frame of a token is with its ids. */
const frameBytes = 170
const dialsAtOnce = 64

export async function benchWatchers(options: WatchersOptions): Promise<WatchersFigures> {
  const { watcherCount, framesPerSecond, transport, roundCount, say } = options
  const main = join(import.meta.dirname, '..', 'model-server', 'main.ts')
  const provider = await startNode([main, `--tps=${framesPerSecond}`], {}, listeningLine)
  const env = { SLUICE_TRANSPORT: transport, SLUICE_SOCKETS_PER_SUBJECT: '100000', ...signingEnv }
  const gateway = await startGatewayProcess(provider.url, env)
  const bareArgs = [
    join(import.meta.dirname, 'bare-broadcast.ts'),
    transport,
    String(framesPerSecond),
    String(frameBytes),
  ]
  const figures: { bareUs: number[]; sluiceUs: number[]; faultCount: number } = {
    bareUs: [],
    sluiceUs: [],
    faultCount: 0,
  }
  try {
    const watchers = await watchersOf(gateway.socketUrl, watcherCount)
    for (let round = 0; round <= roundCount; round++) {
      const bare = await bareRound(bareArgs, options)
      const own = await answerRound(gateway, watchers, options)
      say(
        `${transport}: round ${round === 0 ? 'warm-up' : round}: bare ${bare.toFixed(2)} µs, sluice ${own.toFixed(2)} µs`,
      )
      if (round === 0) continue
      figures.bareUs.push(bare)
      figures.sluiceUs.push(own)
    }
    for (const { faults } of watchers) figures.faultCount += faults.length
    for (const watcher of watchers) watcher.drop()
  } finally {
    await gateway.stop()
    await provider.stop()
  }
  return { transport, watcherCount, ...figures }
}

export function watchersReport({ transport, watcherCount, bareUs, sluiceUs, faultCount }: WatchersFigures): string {
  const ratio = (median(sluiceUs) / median(bareUs)).toFixed(2)
  return `${transport}: ${watcherCount} watchers: ${spread(sluiceUs, 2)} µs a frame, bare ${spread(bareUs, 2)} µs, ratio ${ratio}; ${faultCount} faults`
}

async function watchersOf(url: string, count: number): Promise<BenchSession[]> {
  const [token = ''] = await signTokens(1)
  const first = new BenchSession(url, token)
  await first.dial()
  const others = Array.from({ length: count - 1 }, () => new BenchSession(url, token))
  let next = 0
  const dialer = async () => {
    for (let watcher = others[next++]; watcher !== undefined; watcher = others[next++])
      await watcher.dial(first.session)
  }
  await Promise.all(Array.from({ length: dialsAtOnce }, dialer))
  return [first, ...others]
}

async function answerRound(
  gateway: Started,
  watchers: readonly BenchSession[],
  { framesPerSecond, seconds }: WatchersOptions,
): Promise<number> {
  const [first] = watchers
  if (first === undefined) throw new Error('nobody watches')
  let frameCount = 0
  for (const watcher of watchers) watcher.onDelta = () => frameCount++
  const ended = Promise.all(
    watchers.map((watcher) => watcher.next(({ type }) => type === 'turn.completed' || type === 'error')),
  )
  const before = await cpuTime(gateway.pid)
  const content = `to all\n[[tokens=${framesPerSecond * seconds}]]`
  first.send({ type: 'message.send', id: 'm', messageId: `m${Math.round(performance.now())}`, content })
  await ended
  const after = await cpuTime(gateway.pid)
  return usEach(before, after, frameCount)
}

async function bareRound(args: readonly string[], { watcherCount, seconds }: WatchersOptions): Promise<number> {
  const bare = await startNode(args, {}, listeningLine)
  let frameCount = 0
  const nothing = () => undefined
  const text = () => void frameCount++
  try {
    const sockets: RawSocket[] = []
    await Promise.all(
      Array.from(
        { length: watcherCount },
        () =>
          new Promise<void>((resolve) => {
            sockets.push(new RawSocket(bare.url, { opened: resolve, text, closed: nothing }))
          }),
      ),
    )
    frameCount = 0
    const before = await cpuTime(bare.pid)
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000))
    const after = await cpuTime(bare.pid)
    const us = usEach(before, after, frameCount)
    for (const socket of sockets) socket.terminate()
    return us
  } finally {
    await bare.stop()
  }
}

type Cpu = Awaited<ReturnType<typeof cpuTime>>

function usEach(before: Cpu, after: Cpu, count: number): number {
  return ((after.userMs + after.systemMs - before.userMs - before.systemMs) * 1_000) / count
}
