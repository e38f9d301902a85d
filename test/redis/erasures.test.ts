import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { readConfig } from '../../gateway/config.ts'
import { openStore, type Store } from '../../gateway/store.ts'
import { settleGraceMs } from '../../orchestrator/limits.ts'
import { erasuresMax } from '../../sessions/redis/limits.ts'
import { answerTurn, history, makeSession, session, startTurn } from '../sessions/contract/bench.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { quietTelemetry } from '../support/telemetry.ts'

/** A failover brings back what was erased, played as putting back a dump of it; the grace after it passes on a fake clock. */

let redis: RedisServer
let store: Store
beforeEach(async () => {
  redis = await startRedisServer()
  store = await openRedisStore()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(async () => {
  vi.useRealTimers()
  await store.close()
  await redis[Symbol.asyncDispose]()
})

test('[REDIS-53] a session that comes back after it was erased is erased again, with its running turn', async () => {
  await makeSession(made())
  await answerTurn(store.log, 1, 'one')
  await startTurn(store.log, 2, 'two')
  const restore = await dump()
  await store.log.erase(session)
  await restore()
  expect((await history(store.log)).length).toBe(5)
  await vi.advanceTimersByTimeAsync(settleGraceMs)
  await isErased()
  expect(await keysOf(session)).toEqual([])
})

test('[REDIS-53] that is tried again while Redis is away', async () => {
  await makeSession(made())
  const restore = await dump()
  await store.log.erase(session)
  await redis.kill()
  await vi.waitFor(() => expect(store.troubles()).not.toEqual([]))
  await vi.advanceTimersByTimeAsync(settleGraceMs)
  const restarted = redis.restart()
  // Connections are made again on the fake clock, which goes on with each look.
  await vi.waitFor(() => expect(redis.client.status).toBe('ready'), { timeout: 10_000 })
  await restarted
  await restore()
  await vi.waitFor(() => store.log.describe(session), { timeout: 10_000 })
  await vi.advanceTimersByTimeAsync(settleGraceMs)
  await isErased()
})

test('[REDIS-54] what was made under the same id meanwhile stays', async () => {
  await makeSession(made())
  await makeSession(made(), 'other')
  const restore = await dump('other')
  await store.log.erase(session)
  await store.log.erase('other')
  await restore()
  await makeSession(made())
  await answerTurn(store.log, 1, 'of the new one')
  await vi.advanceTimersByTimeAsync(settleGraceMs)
  // It was due later, and goes the same way.
  await isErased('other')
  expect((await history(store.log)).map(({ record }) => record.type)).toEqual([
    'message.added',
    'turn.started',
    'turn.completed',
  ])
})

test('[REDIS-55] of more than can be remembered the oldest is erased again at once', async () => {
  const sessions = Array.from({ length: erasuresMax }, (_, index) => `session-${index + 1}`)
  await Promise.all([...sessions, 'last'].map((id) => makeSession(made(), id)))
  const restore = await dump()
  // The first of them is first.
  for (const id of sessions) await store.log.erase(id)
  await restore()
  await store.log.erase('last')
  await isErased()
})

async function openRedisStore(): Promise<Store> {
  const limits = { SLUICE_SESSIONS_PER_SUBJECT: String(erasuresMax + 1) }
  const read = readConfig({ PORT: '0', SLUICE_METRICS_PORT: 'off', REDIS_URL: redis.url, ...limits })
  if (read.kind !== 'ok') throw new Error(read.problems.join('\n'))
  return openStore(read.config.store, quietTelemetry())
}

function made() {
  return { log: store.log, advance: () => undefined }
}

function keysOf(id: string): Promise<string[]> {
  return redis.client.keys(`sluice:{${id}}*`)
}

/** All keys of a session, to be put back. */
async function dump(id = session): Promise<() => Promise<void>> {
  const keys = await keysOf(id)
  const values = await Promise.all(keys.map((key) => redis.client.dumpBuffer(key)))
  return async () => {
    for (const [index, key] of keys.entries()) {
      await redis.client.restore(key, 0, values[index] ?? Buffer.alloc(0))
    }
  }
}

async function isErased(id = session): Promise<void> {
  await vi.waitFor(async () => expect(await store.log.describe(id)).toEqual({ kind: 'gone' }), { timeout: 10_000 })
}
