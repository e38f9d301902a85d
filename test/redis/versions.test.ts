import { afterAll, beforeAll, expect, test } from 'vitest'
import { placeAfter } from '../../sessions/record-payload.ts'
import { answerTurn, history, listen, makeSession, owner, placeOf, session } from '../sessions/contract/bench.ts'
import { openRedisLog } from '../sessions/redis-bench.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'

/** A newer node writes what this one does not know, into sessions that both serve. */

let redis: RedisServer
beforeAll(async () => {
  redis = await startRedisServer()
})
afterAll(() => redis[Symbol.asyncDispose]())

const future = '{"record":{"type":"turn.paused","turn":"turn-1"},"v":9}'

test('[REDIS-62] a record of a later version keeps its place, says nothing and is counted', async () => {
  await using store = await openCounted()
  const { log, prefix } = store
  await makeSession(store)
  await answerTurn(log, 1, 'one')
  const [last] = (await history(log)).slice(-1)
  if (last === undefined) throw new Error('an empty log')
  const place = placeAfter(placeOf(last), future)
  await redis.client.xadd(`${prefix}{${session}}l`, `${place.seq}-${place.mark}`, 'r', future)
  await redis.client.hset(`${prefix}{${session}}m`, 'head', `${place.seq}-${place.mark}`)
  await answerTurn(log, 2, 'two')
  const types = (await history(log)).map(({ record }) => record.type)
  const turn = ['message.added', 'turn.started', 'turn.completed']
  expect(types).toEqual([...turn, 'record.skipped', ...turn])
  expect(store.unknownCount()).toBe(1)
  const opened = await log.open({ session, cursor: placeOf(last), limit: 1 })
  const skipped = { record: { type: 'record.skipped', timeMs: 0, ...place } }
  expect(opened).toMatchObject({ kind: 'ok', from: 'after', entries: [skipped], hasMore: true })
})

test('[REDIS-63] a message of a later version, or of no known form, is left out and counted', async () => {
  await using store = await openCounted()
  const { prefix } = store
  await makeSession(store)
  const ear = await listen(store)
  const place = placeAfter({ seq: 0, mark: 0 }, future)
  const told = [
    ['r', '9 record 0-0 1-1 {}'],
    ['r', '1 nudge sleep'],
    ['r', '1 paused'],
    ['r', ''],
    ['d', '9 token turn-1 1 0 0 4\ntext'],
    ['d', '1 token turn-1\ntext'],
    ['d', ''],
    ['r', `1 record 0-0 ${place.seq}-${place.mark} ${future}`],
  ] as const
  for (const [channel, message] of told) await redis.client.spublish(`${prefix}{${session}}${channel}`, message)
  expect(await ear.kinds()).toEqual(['confirmed', 'record.skipped'])
  expect(store.unknownCount()).toBe(told.length)
})

test('[REDIS-64] a session of a later version is refused, counted, and left out of its owner’s list', async () => {
  await using store = await openCounted()
  const { log, prefix } = store
  await makeSession(store, 'known')
  await makeSession(store, 'future')
  await redis.client.hset(`${prefix}{future}m`, 'info', '{"v":9,"owners":[]}')
  await expect(log.describe('future')).rejects.toThrow('the session store does not answer: VERSION')
  await expect(log.open({ session: 'future', limit: 1 })).rejects.toThrow('VERSION')
  for (const _again of [1, 2])
    expect(await log.list({ owner, limit: 10 })).toMatchObject({ kind: 'ok', sessions: [{ session: 'known' }] })
  expect(store.unknownCount()).toBe(4)
  const keys = await redis.client.keys(`${prefix}{o:*`)
  const types = await Promise.all(keys.map((key) => redis.client.type(key)))
  const owned = keys[types.indexOf('zset')] ?? ''
  expect(await redis.client.zrange(owned, '0', '-1')).toEqual(['known', 'future'])
})

async function openCounted() {
  let count = 0
  const unknownVersion = () => {
    count += 1
  }
  const made = await openRedisLog(redis, { events: { unknownVersion } })
  return { ...made, unknownCount: () => count, [Symbol.asyncDispose]: () => made.log.close() }
}
