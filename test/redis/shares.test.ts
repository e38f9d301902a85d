import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { goThroughMs } from '../../sessions/redis/limits.ts'
import { answerTurn, asking, expectKind, makeSession, owner, session, startTurn } from '../sessions/contract/bench.ts'
import { type BenchOptions, openRedisLog, type RedisUnderTest } from '../sessions/redis-bench.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { eventually } from './stage.ts'

/** The accounts of subjects and tenants, which are in other slots than their sessions, and may be wrong for a while. */

let redis: RedisServer
const made: RedisUnderTest[] = []
beforeAll(async () => {
  redis = await startRedisServer()
})
afterEach(async () => {
  for (const { log } of made.splice(0)) await log.close()
})
afterAll(() => redis[Symbol.asyncDispose]())

async function open(options: BenchOptions = {}): Promise<RedisUnderTest> {
  const opened = await openRedisLog(redis, options)
  made.push(opened)
  return opened
}

const feedback = { type: 'feedback.added', timeMs: 5, turn: 'turn-1', rating: 1 } as const

test('[REDIS-160] an owner’s account has of each session what the session says itself, and a tenant’s the sums', async () => {
  const opened = await open()
  const { log } = opened
  await makeSession(opened)
  await makeSession(opened, 'other')
  await makeSession(opened, 'third')
  await isCounted(opened)
  await answerTurn(log, 1, 'an answer')
  await log.addFeedback({ session, record: feedback })
  await log.addFeedback({ session, record: { ...feedback, timeMs: 6 } })
  await log.update({ session, metadata: { title: 'long enough to be seen' } })
  await log.update({ session, metadata: {} })
  await isCounted(opened)
  await startTurn(log, 2, 'running')
  expectKind(await log.accept(asking(3)), 'busy')
  expectKind(await log.accept(asking(2)), 'yours')
  await log.create({ session, owner, attributes: {}, timeMs: 1 })
  await log.erase('other')
  // What a running attempt wrote is told with its end.
  await log.cancel({ session, turn: 'turn-2' })
  await isCounted(opened, 'turn-2')
})

test('[REDIS-161] bytes that were charged and never written are found out when the owner is full', async () => {
  const opened = await open({ maxBytesPerOwner: 64 * 1024 })
  const { log, advance } = opened
  await makeSession(opened)
  await isCounted(opened)
  const [, account] = await accountsOf(opened)
  // A node that died between the charge and the message.
  await redis.client.hincrby(account, session, 60 * 1024)
  await redis.client.hincrby(account, '=b', 60 * 1024)
  expectKind(await log.accept(asking(1, { record: message(8 * 1024) })), 'yours')
  await isCounted(opened)
  await redis.client.hincrby(account, session, 60 * 1024)
  await redis.client.hincrby(account, '=b', 60 * 1024)
  const refused = { kind: 'share-full' }
  expect(await log.update({ session, metadata: { note: 'x'.repeat(8 * 1024) } })).toMatchObject(refused)
  await advance(goThroughMs)
  expect(await log.update({ session, metadata: { note: 'x'.repeat(8 * 1024) } })).toEqual({ kind: 'ok' })
})

test('[REDIS-162] an owner that is full is gone through at most once in five seconds, however often it asks', async () => {
  const opened = await open({ maxSessionsPerOwner: 100 })
  for (let n = 0; n < 100; n += 1) await makeSession(opened, `s${n}`)
  const ask = (id: string) => opened.log.create({ session: id, owner, attributes: {}, timeMs: 1 })
  expectKind(await ask('first'), 'share-full')
  const before = await scriptCalls()
  for (let n = 0; n < 20; n += 1) expectKind(await ask(`more${n}`), 'share-full')
  // The charge, and whether the session is there already.
  expect((await scriptCalls()) - before).toBeLessThanOrEqual(20 * 3)
})

test('[REDIS-163] a session whose time is over leaves the accounts with the next write of its owner', {
  timeout: 60_000,
}, async () => {
  const ttlMs = 2_000
  const opened = await open({ ttlMs })
  await makeSession(opened)
  await makeSession(opened, 'other')
  await isCounted(opened)
  await eventually(async () => expect(await redis.client.keys(`${opened.prefix}{other}*`)).toEqual([]))
  await eventually(async () => {
    await opened.log.create({ session, owner, attributes: {}, timeMs: 1 })
    const [, account] = await accountsOf(opened)
    expect(await redis.client.hexists(account, 'other')).toBe(0)
  })
  await isCounted(opened)
})

test('[REDIS-164] where Redis has a `maxmemory`, shares that are not set are parts of it', async () => {
  const opened = await open()
  await redis.client.config('SET', 'maxmemory', String(100 * 1024 * 1024))
  try {
    await opened.log.warnings()
    const reply = await opened.log.create({
      session,
      owner,
      attributes: {},
      metadata: { note: 'x'.repeat(26 * 1024 * 1024) },
      timeMs: 1,
    })
    expect(reply).toEqual({ kind: 'share-full', of: 'subject', unit: 'bytes', limit: 25 * 1024 * 1024 })
  } finally {
    await redis.client.config('SET', 'maxmemory', '0')
  }
})

test('[REDIS-165] text that is appended asks for no share', async () => {
  const opened = await open()
  await makeSession(opened)
  const fence = await startTurn(opened.log, 1, 'x')
  await isCounted(opened, 'turn-1')
  const [, account] = await accountsOf(opened)
  const before = await redis.client.hgetall(account)
  const calls = await scriptCalls()
  for (let at = 1; at < 50; at += 1)
    expectKind(
      await opened.log.append({ session, fence, part: 0, at, text: Buffer.from('y'), leaseMs: 0, maxBytes: 1_000_000 }),
      'ok',
    )
  // The first of a kind is sent twice: Redis does not know the script yet.
  expect((await scriptCalls()) - calls).toBeLessThanOrEqual(50)
  expect(await redis.client.hgetall(account)).toEqual(before)
})

async function accountsOf({ prefix }: RedisUnderTest): Promise<readonly [string, string]> {
  const [list] = (await redis.client.keys(`${prefix}{o:*`)).filter((key) => key.endsWith('}'))
  if (list === undefined) throw new Error('there is no list')
  return [list, `${list}b`]
}

/** That the accounts are right, but for what `running` wrote since its message. */
async function isCounted(opened: RedisUnderTest, running?: string): Promise<void> {
  await eventually(async () => {
    const [list, account] = await accountsOf(opened)
    const held = await redis.client.hgetall(account)
    let sum = 0
    for (const id of await redis.client.zrange(list, '0', '-1')) {
      const own = Number(await redis.client.hget(`${opened.prefix}{${id}}m`, 'by'))
      const counted = Number(held[id])
      if (running !== undefined && id === session) expect(own - counted).toBeGreaterThanOrEqual(0)
      else expect([id, counted]).toEqual([id, own])
      sum += counted
    }
    expect(Number(held['=b'])).toBe(sum)
    const [tenant] = (await redis.client.keys(`${opened.prefix}{n:*`)).filter((key) => key.endsWith('}b'))
    const totals = await redis.client.hgetall(tenant ?? '')
    expect(totals['=b']).toBe(String(sum))
    expect(totals['=s']).toBe(String(await redis.client.zcard(list)))
  })
}

async function scriptCalls(): Promise<number> {
  const stats = await redis.client.info('commandstats')
  const calls = [...stats.matchAll(/^cmdstat_(?:evalsha|eval):calls=(\d+)/gm)]
  return calls.reduce((sum, [, count]) => sum + Number(count), 0)
}

function message(bytes: number) {
  const { record } = asking(1)
  return { ...record, message: { ...record.message, content: 'x'.repeat(bytes) } }
}
