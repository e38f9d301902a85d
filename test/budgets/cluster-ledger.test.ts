import { afterAll, afterEach, beforeAll, vi } from 'vitest'
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import { openRedisLedgers, type RedisUnderTest } from './bench.ts'
import { describeLedgerContract } from './contract.ts'

/** The books in a cluster: whatever a script touches is in one slot. */

vi.setConfig({ testTimeout: 90_000 })

let cluster: RedisCluster
const made: RedisUnderTest[] = []

beforeAll(async () => {
  cluster = await startRedisCluster()
})
afterEach(async () => {
  for (const one of made.splice(0)) await one[Symbol.asyncDispose]()
})
afterAll(() => cluster[Symbol.asyncDispose]())

describeLedgerContract('redis cluster', async () => {
  const opened = await openRedisLedgers(cluster.url, (key, value) => cluster.client.set(key, value))
  made.push(opened)
  if (made.length > 4) await made.shift()?.[Symbol.asyncDispose]()
  return opened
})
