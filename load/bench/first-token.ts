import { createClient } from '../../client/index.ts'
import { startModelServer } from '../model-server/server.ts'
import { percentile } from './figures.ts'
import { startGatewayProcess } from './gateway-process.ts'

/**
 * `npm run bench -- first-token`: what a user waits for the first words, from `send` to the first text that the client SDK
 * yields, when the provider's own first token takes `providerMs`. Sockets ask again and again, each at its own pace.
 */
export interface FirstTokenOptions {
  readonly socketCount: number
  readonly questionsEach: number
  readonly providerMs: number
  readonly transport: 'ws' | 'uws'
}

export interface FirstTokenFigures {
  readonly count: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

/**
 * Of a gateway that has just started. The readers and the provider are in this process, and their own first answers would
 * cost more than the gateway's: another gateway, which is ended again, has these.
 */
export async function benchFirstToken(options: FirstTokenOptions): Promise<FirstTokenFigures> {
  await waits({ ...options, questionsEach: warmUpQuestions })
  const all = await waits(options)
  return {
    count: all.length,
    p50Ms: percentile(all, 0.5),
    p95Ms: percentile(all, 0.95),
    p99Ms: percentile(all, 0.99),
  }
}

const warmUpQuestions = 4

async function waits({ socketCount, questionsEach, providerMs, transport }: FirstTokenOptions): Promise<number[]> {
  const provider = await startModelServer({
    ttftMs: providerMs,
    tokensPerSecond: 50,
    tokenCount: 50,
    keptRequestCount: 0,
  })
  const gateway = await startGatewayProcess(provider.url, { SLUICE_TRANSPORT: transport })
  try {
    const each = Array.from({ length: socketCount }, async (_, n) => {
      const token = await gateway.token(`user-${n}`)
      return askOverAndOver(gateway.socketUrl, token, questionsEach, (n * 1_000) / socketCount)
    })
    return (await Promise.all(each)).flat()
  } finally {
    await gateway.stop()
    await provider.close()
  }
}

/** Spread over the first second, as people are. */
async function askOverAndOver(url: string, token: string, times: number, startMs: number): Promise<number[]> {
  const client = createClient({ url, getToken: () => token })
  client.connect()
  await new Promise((resolve) => setTimeout(resolve, startMs))
  const waits: number[] = []
  for (let n = 0; n < times; n++) {
    const sentMs = performance.now()
    const answer = client.newSession().send(`question ${n}`)
    for await (const _text of answer) {
      waits.push(performance.now() - sentMs)
      break
    }
    const { kind } = await answer.result
    if (kind !== 'completed') throw new Error(`an answer ended ${kind}`)
  }
  client.close()
  return waits
}
