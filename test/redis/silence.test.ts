import { describe, expect, test } from 'vitest'
import { listen, makeSession } from '../sessions/contract/bench.ts'
import { openRedisLog } from '../sessions/redis-bench.ts'
import { startCuttableProxy } from '../support/cuttable-proxy.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { eventually } from './stage.ts'

/** A network that swallows everything, while every connection looks healthy. */

describe('a store behind a network that swallows everything', { timeout: 60_000 }, () => {
  test('[REDIS-5] a connection that falls silent while it is made is given up too, and the next one serves', async () => {
    await using redis = await startRedisServer()
    await using proxy = await startCuttableProxy(redis.port)
    const made = await openRedisLog({ ...redis, url: `redis://127.0.0.1:${proxy.port}` })
    await using _closing = { [Symbol.asyncDispose]: () => made.log.close() }
    await makeSession(made)
    const ear = await listen(made)
    proxy.mute()
    await expect(made.log.describe('session-1')).rejects.toThrow('the session store does not answer')
    // By now it tries to connect anew, and is accepted by somebody who says nothing.
    await eventually(() => expect(made.log.isConnected).toBe(false))
    await eventually(() => expect(proxy.mutedCount).toBeGreaterThan(0))
    proxy.heal()
    await eventually(async () => expect(await made.log.describe('session-1')).toMatchObject({ kind: 'ok' }))
    await eventually(async () => expect(await ear.kinds()).toContain('lost'))
    await listen(made)
  })
})
