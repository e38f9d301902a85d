import { afterAll, afterEach, beforeAll, vi } from 'vitest'
import type { RedisLog } from '../../sessions/redis/redis-log.ts'
import type { LogUnderTest } from '../sessions/contract/bench.ts'
import { describeSessionLogContract } from '../sessions/contract.ts'
import { connectedLog, freshPrefix, settle } from '../sessions/redis-bench.ts'
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'

/** The rules of the port on a cluster: whatever a script touches is in one slot, and news come from three nodes. */

// One test plays 150 histories, each in a store of its own.
vi.setConfig({ testTimeout: 90_000 })
/** No test compares more stores than this; those before them only cost connections. */
const storesAtOnce = 8

let cluster: RedisCluster
const made: RedisLog[] = []

beforeAll(async () => {
  cluster = await startRedisCluster()
})
afterEach(async () => {
  for (const log of made.splice(0)) await log.close()
})
afterAll(() => cluster[Symbol.asyncDispose]())

/**
 * A script may read no key of another slot, but it may read a setting: the clock is stepped by what `maxmemory` is above
 * a tebibyte, which is no limit to anybody.
 */
const noLimit = 1024 ** 4
const skewMs = `tonumber(string.match(redis.call('INFO', 'memory'), 'maxmemory:(%d+)')) - ${noLimit}`

describeSessionLogContract('redis cluster', async (limits): Promise<LogUnderTest> => {
  let skew = 0
  const step = async () => {
    for (const { client } of cluster.masters) await client.config('SET', 'maxmemory', noLimit + skew)
  }
  await step()
  const prefix = freshPrefix()
  const log = await connectedLog(cluster.url, skewMs, { prefix, ...limits })
  made.push(log)
  if (made.length > storesAtOnce) await made.shift()?.close()
  return {
    log,
    async advance(ms) {
      skew += ms
      await step()
    },
    settle: async () => {
      for (const session of sessionsOfEachMaster)
        await settle(log, session, (message) => cluster.client.spublish(`${prefix}{${session}}r`, message))
    },
  }
})

/** In slots 1,515, 9,641 and 13,704. */
const sessionsOfEachMaster = ['settle-0', 'settle-2', 'settle-3']
