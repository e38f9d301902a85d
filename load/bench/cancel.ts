import { createClient } from '../../client/index.ts'
import { startModelServer } from '../model-server/server.ts'
import { percentile } from './figures.ts'
import { startGatewayProcess } from './gateway-process.ts'

/** `npm run bench -- cancel`: from a client's `cancel` to the moment the provider sees its connection closed. */
export async function benchCancel(options: {
  readonly times: number
  readonly transport: 'ws' | 'uws'
}): Promise<string> {
  const provider = await startModelServer({ ttftMs: 20, tokensPerSecond: 50, tokenCount: 10_000 })
  const gateway = await startGatewayProcess(provider.url, {
    SLUICE_TRANSPORT: options.transport,
  })
  const token = await gateway.token('ada')
  const client = createClient({ url: gateway.socketUrl, getToken: () => token })
  try {
    client.connect()
    const waits: number[] = []
    for (let n = 0; n < options.times; n++) {
      const answer = client.newSession().send(`never ends ${n}`)
      for await (const _text of answer) break
      const cancelledMs = performance.timeOrigin + performance.now()
      answer.cancel()
      const closed = await provider.waitFor(
        (request) => request.number === n + 1 && request.status === 'closed-by-client',
      )
      waits.push((closed.closedAtMs ?? Number.NaN) - cancelledMs)
      const { kind } = await answer.result
      // Slower than the SDK's own limit of frames a second, which would be measured instead.
      await new Promise((resolve) => setTimeout(resolve, 100))
      if (kind !== 'cancelled') throw new Error(`a cancelled answer ended ${kind}`)
    }
    const times = [0.5, 0.95, 1].map((share) => percentile(waits, share).toFixed(1))
    return `cancel to the provider's closed connection: p50 ${times[0]} ms, p95 ${times[1]} ms, most ${times[2]} ms of ${waits.length}`
  } finally {
    client.close()
    await gateway.stop()
    await provider.close()
  }
}
