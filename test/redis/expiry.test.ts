import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerTurn, appending, asking, makeSession, owner, session, started } from '../sessions/contract/bench.ts'
import { openRedisLog } from '../sessions/redis-bench.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { eventually } from './stage.ts'

/** Sessions whose time is over, by Redis' own clock. */

let redis: RedisServer
beforeAll(async () => {
  redis = await startRedisServer()
})
afterAll(() => redis[Symbol.asyncDispose]())

/** Long enough for what is done within it on a busy machine. */
const ttlMs = 3_000

test('[REDIS-70] a session’s keys go at one instant, each use puts it off, and nothing is left but hints', {
  timeout: 60_000,
}, async () => {
  const made = await openRedisLog(redis, { ttlMs })
  await using _closing = { [Symbol.asyncDispose]: () => made.log.close() }
  const { log, prefix } = made
  const [meta, records] = [`${prefix}{${session}}m`, `${prefix}{${session}}l`]
  await makeSession(made)
  const whenMade = await redis.client.pexpiretime(meta)
  await answerTurn(log, 1, 'text')
  const ends = [await redis.client.pexpiretime(meta), await redis.client.pexpiretime(records)]
  // Redis reads its clock for each command of a script.
  expect(Math.abs(Number(ends[0]) - Number(ends[1]))).toBeLessThanOrEqual(1)
  expect(ends[0]).toBeGreaterThanOrEqual(whenMade)
  await eventually(async () => expect(await redis.client.keys(`${prefix}{${session}}*`)).toEqual([]))
  expect(await log.describe(session)).toEqual({ kind: 'gone' })
  expect(await log.list({ owner, limit: 10 })).toEqual({ kind: 'ok', sessions: [] })
  await eventually(async () => expect(await redis.client.keys(`${prefix}{o:*`)).toEqual([]))
})

test('[REDIS-71] a running turn’s tape goes with its session, and whoever seeks orphans takes it off their list', {
  timeout: 60_000,
}, async () => {
  const made = await openRedisLog(redis, { ttlMs })
  await using _closing = { [Symbol.asyncDispose]: () => made.log.close() }
  const { log, prefix } = made
  await makeSession(made)
  const { turn, token } = asking(1)
  await log.accept(asking(1))
  const open = started(turn, 1)
  await log.append(appending({ token, turn, attempt: 1 }, 0, 'text', { open, leaseMs: 1 }))
  expect(await redis.client.pttl(`${prefix}{${session}}t:${turn}:1:0`)).toBeGreaterThan(0)
  await eventually(async () => expect(await redis.client.keys(`${prefix}{${session}}*`)).toEqual([]))
  expect(await log.lapsed()).toEqual([{ session, turn }])
  expect(await log.takeOver({ session, turn, token: 'token-2', leaseMs: 1 })).toEqual({ kind: 'gone' })
  await eventually(async () => expect(await log.lapsed()).toEqual([]))
})
