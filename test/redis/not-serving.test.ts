import { expect, test, vi } from 'vitest'
import { StoreAway } from '../../sessions/redis/redis-link.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { socketAt } from '../nodes/two-nodes.ts'
import { asking, makeSession } from '../sessions/contract/bench.ts'
import { openRedisLog } from '../sessions/redis-bench.ts'
import { startTestGateway } from '../support/gateway.ts'
import { freePort, startRedisServer } from '../support/redis-server.ts'
import { eventually, readiness } from './stage.ts'

/** A Redis that is there, and serves nobody. */

vi.setConfig({ testTimeout: 60_000 })

const away = { status: 503, reasons: ['the session store does not answer'] }
const incomplete = { status: 503, reasons: ['not all of the session store answers'] }
const ready = { status: 200, reasons: [] }
/** Ten seconds of loading, at 20 ms for each; the test ends it earlier. */
const keysToLoad = 500

test('[REDIS-6] once something failed, what is asked is refused at once until Redis answers', async () => {
  await using redis = await startRedisServer()
  let lost = Promise.withResolvers<void>()
  const connected = (isConnected: boolean) => isConnected || lost.resolve()
  const made = await openRedisLog(redis, { events: { connected } })
  await using _closing = { [Symbol.asyncDispose]: () => made.log.close() }
  await makeSession(made)
  redis.process.kill('SIGSTOP')
  try {
    await expect(made.log.accept(asking(1))).rejects.toThrow(StoreAway)
    await lost.promise
    expect(await orderOfRefusal(made.log)).toEqual(['refused', 'a turn of the event loop'])
    // The next connection is made to a process that says nothing.
    lost = Promise.withResolvers()
    await lost.promise
    expect(await orderOfRefusal(made.log)).toEqual(['refused', 'a turn of the event loop'])
  } finally {
    redis.process.kill('SIGCONT')
  }
  expect(await eventually(() => made.log.accept(asking(1)))).toMatchObject({ kind: 'yours' })
})

test('[REDIS-7] one that loads its data is away until it has it', async () => {
  const user = ['--user', 'gateway', 'on', 'nopass', '+@all', '~*', '&*']
  const events = ['--loading-process-events-interval-bytes', '1024', '--rdbcompression', 'no']
  // In microseconds for each key, at the second start alone: at the first there is none.
  await using redis = await startRedisServer({ args: [...user, ...events, '--key-load-delay', '20000'] })
  for (let n = 0; n < keysToLoad; n += 1) await redis.client.set(`key-${n}`, 'x'.repeat(1_024))
  await redis.client.save()
  await using node = await startTestGateway({ env: { REDIS_URL: `redis://gateway:any@127.0.0.1:${redis.port}` } })
  const socket = await socketAt(node)
  await eventually(async () => expect(await readiness(node)).toEqual(ready))
  const restarted = redis.restart()
  const probe = redis.client.duplicate({ enableReadyCheck: false })
  probe.on('error', () => undefined)
  await eventually(async () => expect(await probe.client('LIST')).toMatch(/cmd=(?!hello).* user=gateway /))
  await expect(probe.ping()).rejects.toThrow('LOADING')
  expect(await readiness(node)).toEqual(away)
  expect(await socket.ask({ type: 'session.open' }, 'error')).toMatchObject({ kind: 'unavailable' })
  await expect(probe.ping()).rejects.toThrow('LOADING')
  await probe.config('SET', 'key-load-delay', 0)
  probe.disconnect()
  await restarted
  await eventually(async () => expect(await readiness(node)).toEqual(ready))
  await socket.ask({ type: 'session.open' }, 'session.opened')
})

test('[REDIS-8] one that keeps its connections and refuses everything is found out', async () => {
  await using redis = await startRedisServer({ args: ['--replica-serve-stale-data', 'no'] })
  await using node = await startTestGateway({ env: { REDIS_URL: redis.url } })
  await eventually(async () => expect(await readiness(node)).toEqual(ready))
  await redis.client.replicaof('127.0.0.1', await freePort())
  await eventually(async () => expect(await readiness(node)).toEqual(incomplete))
  await redis.client.replicaof('NO', 'ONE')
  await eventually(async () => expect(await readiness(node)).toEqual(ready))
})

/** What comes first: that a message is refused, or whatever else this process has to do. */
async function orderOfRefusal(log: SessionLog): Promise<readonly string[]> {
  const order: string[] = []
  const note = (what: string) => () => void order.push(what)
  const refused = log.accept(asking(2)).catch(note('refused'))
  await new Promise<void>((resolve) => setImmediate(resolve)).then(note('a turn of the event loop'))
  await refused
  return order
}
