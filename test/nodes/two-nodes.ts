import { startTestGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { WireClient } from '../support/wire.ts'

/** Two gateways in this process over one real Redis. */
export interface TwoNodes extends AsyncDisposable {
  readonly redis: RedisServer
  readonly one: TestGateway
  readonly other: TestGateway
}

export async function startTwoNodes(options: TestGatewayOptions = {}): Promise<TwoNodes> {
  const redis = await startRedisServer()
  const env = { REDIS_URL: redis.url, ...options.env }
  const one = await startTestGateway({ ...options, env })
  const other = await startTestGateway({ ...options, env })
  return {
    redis,
    one,
    other,
    async [Symbol.asyncDispose]() {
      await one[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
      await redis[Symbol.asyncDispose]()
    },
  }
}

/** A welcome socket of `subject` at a gateway. */
export async function socketAt(gateway: TestGateway, subject = 'ada'): Promise<WireClient> {
  const client = new WireClient(gateway.url)
  await client.opened()
  client.send({ type: 'hello', token: await gateway.token(subject) })
  await client.next('welcome')
  return client
}
