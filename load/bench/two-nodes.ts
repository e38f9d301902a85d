import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts'
import { type RedisProcess, startRedisProcess } from './redis-process.ts'

/** Two gateway processes over one Redis. */
export interface TwoNodes {
  readonly one: GatewayProcess
  readonly other: GatewayProcess
  readonly redis: RedisProcess
  stop(): Promise<void>
}

export async function startTwoNodes(
  providerUrl: string,
  env: Readonly<Record<string, string>> = {},
): Promise<TwoNodes> {
  const redis = await startRedisProcess()
  const settings = { REDIS_URL: redis.url, ...env }
  const one = await startGatewayProcess(providerUrl, settings)
  const other = await startGatewayProcess(providerUrl, settings)
  return {
    one,
    other,
    redis,
    async stop() {
      await one.stop()
      await other.stop()
      await redis.stop()
    },
  }
}
