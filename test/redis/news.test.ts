import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Feeds } from '../../sessions/feeds.ts'
import type { PatchScript } from '../../sessions/redis/scripts.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { appending, ending, listen, makeSession, owner, session, startTurn } from '../sessions/contract/bench.ts'
import { type BenchOptions, openRedisLog, type RedisUnderTest } from '../sessions/redis-bench.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { endsOf, eventually, startStage, wholeAnswer } from './stage.ts'

/** What Redis publishes, through connections that break and channels that bring nothing. */

let redis: RedisServer
const made: RedisUnderTest[] = []
beforeAll(async () => {
  redis = await startRedisServer()
})
afterEach(async () => {
  for (const { log } of made.splice(0)) await log.close()
})
afterAll(() => redis[Symbol.asyncDispose]())

const open = async (options: BenchOptions = {}) => {
  const opened = await openRedisLog(redis, options)
  made.push(opened)
  return opened
}

/** Breaks every connection that listens; answers how many there were. */
const killListeners = async () => Number(await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))

test('[REDIS-80] who listened on a connection that broke is told that it is lost, and hears again when it asks again', async () => {
  const store = await open()
  await makeSession(store)
  const ear = await listen(store)
  expect(await killListeners()).toBe(1)
  await eventually(async () => expect(await ear.kinds()).toEqual(['confirmed', 'lost']))
  const again = await listen(store)
  await startTurn(store.log, 1, 'text')
  expect(await again.kinds()).toEqual(['confirmed', 'message.added', 'turn.started', 'delta'])
  expect(await ear.kinds()).toEqual(['confirmed', 'lost'])
})

test('[REDIS-81] watchers of an answer whose connections break all the time have it whole', {
  timeout: 60_000,
}, async () => {
  await using stage = await startStage({ env: { REDIS_URL: redis.url } })
  const [reading] = stage.readings
  for (let times = 0; times < 5; times += 1) {
    await eventually(async () => expect(await killListeners()).toBeGreaterThan(0))
    await reading.atLeast(reading.sizeBytes + 100)
  }
  expect(await endsOf(stage)).toEqual(wholeAnswer)
})

test('[REDIS-82] a channel that brings nothing is found out by looking, while a turn runs within about a second', {
  timeout: 60_000,
}, async () => {
  const store = await open({ patchScript: publishNothing })
  await makeSession(store)
  const fence = await startTurn(store.log, 1, 'one')
  let repairedCount = 0
  const onRepair = () => {
    repairedCount += 1
  }
  const feeds = new Feeds(store.log, { checksSilence: true, onRepair })
  const watcher = new CountingWatcher()
  const feed = await feeds.watch(session, { owner, createdMs: 1 }, watcher)
  expect(feed?.run?.turn).toBe(fence.turn)
  await store.log.append(appending(fence, 3, ' two'))
  await eventually(() => expect(feed?.run?.tapes[0]?.length).toBe(7))
  await store.log.end(ending(fence, ['one two']))
  await eventually(() => expect(feed?.head.seq).toBe(3))
  expect(repairedCount).toBeGreaterThan(0)
  feeds.unwatch(session, watcher)
})

test('[REDIS-83] two thousand watched sessions come back after their connection broke', {
  timeout: 60_000,
}, async () => {
  const store = await open({ maxSessionsPerOwner: watchedCount })
  const sessions = Array.from({ length: watchedCount }, (_, index) => `session-${index}`)
  const feeds = new Feeds(store.log, { checksSilence: true })
  const watchers = new Map(sessions.map((name) => [name, new CountingWatcher()]))
  await inBatches(sessions, async (name) => {
    await makeSession(store, name)
    await feeds.watch(name, { owner, createdMs: 1 }, watchers.get(name) ?? new CountingWatcher())
  })
  await eventually(async () => expect(await channelCount(store.prefix)).toBe(2 * watchedCount))
  const heard = () => [...watchers.values()].filter(({ updatedCount }) => updatedCount > 0).length
  await killListeners()
  await eventually(async () => expect(await channelCount(store.prefix)).toBe(2 * watchedCount), 30_000)
  await updateAll(store.log, sessions)
  await eventually(() => expect(heard()).toBe(watchedCount), 30_000)
  for (const [name, watcher] of watchers) feeds.unwatch(name, watcher)
  await eventually(async () => expect(await channelCount(store.prefix)).toBe(0))
})

const watchedCount = 2_000

class CountingWatcher {
  readonly seq = 0
  updatedCount = 0
  moved(): void {
    // What a feed has is looked at directly.
  }
  updated(): void {
    this.updatedCount += 1
  }
  gone(): void {
    throw new Error('the session is not gone')
  }
}

async function channelCount(prefix: string): Promise<number> {
  const channels = (await redis.client.call('PUBSUB', 'SHARDCHANNELS', `${prefix}*[rd]`)) as unknown[]
  return channels.length
}

function updateAll(log: SessionLog, sessions: readonly string[]): Promise<void> {
  return inBatches(sessions, (name) => log.update({ session: name, metadata: { title: name } }))
}

async function inBatches(names: readonly string[], run: (name: string) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < names.length; from += 200) await Promise.all(names.slice(from, from + 200).map(run))
}

const publishNothing: PatchScript = (_name, source) => {
  const [first, ...rest] = source.split('\n')
  const mute = `local heard = redis
  local redis = setmetatable({ call = function(name, ...)
    if name == 'SPUBLISH' then return 0 end
    return heard.call(name, ...)
  end }, { __index = heard })`
  return [first, mute, ...rest].join('\n')
}
