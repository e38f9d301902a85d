/**
 * `npm run bench -- slow-beside`: fast readers with and without others beside them that read 1 KB a second, round after
 * round in turns: the fast ones' latency, and the gateway's resident memory at the end of each round. A slow reader takes
 * at most 1 KiB from its socket, then nothing for a second, so that the kernel's buffers fill and the gateway's window closes.
 */
import { connect, type Socket } from 'node:net'
import { startModelServer } from '../model-server/server.ts'
import { spread } from './figures.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { residentBytes } from './processes.ts'
import { maskedText, upgradeRequest } from './raw-socket.ts'
import { sluiceDialect } from './socket-dialects.ts'
import { runStreams } from './streams.ts'
import { signingEnv, signTokens } from './tokens.ts'

export interface SlowBesideOptions {
  readonly fastCount: number
  readonly slowCount: number
  readonly tokensPerSecond: number
  readonly seconds: number
  readonly roundCount: number
  readonly transport: 'ws' | 'uws'
  say(line: string): void
}

export interface SlowBesideFigures {
  readonly transport: 'ws' | 'uws'
  readonly aloneP99Ms: readonly number[]
  readonly besideP99Ms: readonly number[]
  readonly aloneBytes: readonly number[]
  readonly besideBytes: readonly number[]
}

const readBytes = 1_024
const readEveryMs = 1_000

export async function benchSlowBeside(options: SlowBesideOptions): Promise<SlowBesideFigures> {
  const { fastCount, slowCount, tokensPerSecond, seconds, roundCount, transport, say } = options
  const tokensEach = tokensPerSecond * seconds
  const provider = await startModelServer({
    ttftMs: 50,
    tokensPerSecond,
    answer: 'clock',
    tokenCount: tokensEach,
    keptRequestCount: 0,
  })
  const gateway = await startGatewayProcess(provider.url, { SLUICE_TRANSPORT: transport, ...signingEnv })
  const tokens = await signTokens(fastCount + slowCount)
  let next = 0
  const dialect = sluiceDialect(gateway.socketUrl, () => tokens[next++ % fastCount] ?? '')
  const streams = { streamCount: fastCount, tokensEach, deadlineMs: 60_000 + 3_000 * seconds, spreadMs: 1_000 }
  const figures = {
    aloneP99Ms: [] as number[],
    besideP99Ms: [] as number[],
    aloneBytes: [] as number[],
    besideBytes: [] as number[],
  }
  try {
    await runStreams(dialect, streams)
    for (let round = 1; round <= roundCount; round++) {
      figures.aloneP99Ms.push((await runStreams(dialect, streams)).p99Ms)
      figures.aloneBytes.push(await residentBytes(gateway.pid))
      // A hundred tokens a second are far more than they read.
      const slow = tokens.slice(fastCount).map((token) => slowReader(gateway.socketUrl, token, 100 * seconds))
      figures.besideP99Ms.push((await runStreams(dialect, streams)).p99Ms)
      figures.besideBytes.push(await residentBytes(gateway.pid))
      for (const stop of slow) stop()
      say(
        `${transport}: round ${round}: fast p99 ${figures.aloneP99Ms.at(-1)?.toFixed(2)} ms alone, ${figures.besideP99Ms.at(-1)?.toFixed(2)} ms beside ${slowCount} slow ones`,
      )
    }
  } finally {
    await gateway.stop()
    await provider.close()
  }
  return { transport, ...figures }
}

export function slowBesideReport({
  transport,
  aloneP99Ms,
  besideP99Ms,
  aloneBytes,
  besideBytes,
}: SlowBesideFigures): string {
  const mib = (bytes: readonly number[]) =>
    spread(
      bytes.map((each) => each / 1024 ** 2),
      0,
    )
  return `${transport}: fast p99 ${spread(aloneP99Ms, 2)} ms alone, ${spread(besideP99Ms, 2)} ms beside slow ones; resident ${mib(aloneBytes)} and ${mib(besideBytes)} MiB`
}

/** Asks for a long answer and hardly reads it. Answers what ends it. */
function slowReader(url: string, token: string, tokenCount: number): () => void {
  const { hostname, port } = new URL(url)
  const buffer = Buffer.alloc(readBytes)
  let heard = ''
  let isAsked = false
  let timer: NodeJS.Timeout | undefined
  const socket: Socket = connect({
    host: hostname,
    port: Number(port),
    onread: {
      buffer,
      callback(byteCount) {
        if (!isAsked) {
          heard += buffer.toString('latin1', 0, byteCount)
          const session = /"type":"session.opened","session":"([\w-]+)"/.exec(heard)?.[1]
          if (session === undefined) return true
          isAsked = true
          const content = `slow\n[[tokens=${tokenCount} tps=100]]`
          socket.write(maskedText(JSON.stringify({ type: 'message.send', id: 'm', session, messageId: 'm1', content })))
        }
        timer = setTimeout(() => socket.resume(), readEveryMs)
        return false
      },
    },
  })
  socket.on('error', () => undefined)
  socket.write(upgradeRequest(url))
  socket.write(maskedText(JSON.stringify({ type: 'hello', token })))
  socket.write(maskedText(JSON.stringify({ type: 'session.open', id: 'o' })))
  return () => {
    clearTimeout(timer)
    socket.destroy()
  }
}
