import { afterAll, beforeAll, expect, test } from 'vitest'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { answerTurn, owner, session } from './contract/bench.ts'
import { openRedisLog } from './redis-bench.ts'

/**
 * What an operation costs must not grow with what was written before: the log's records, a session's turns and feedback, and
 * its owner's sessions. Each is measured early and late in one store, in memory by time (the least of several batches, so
 * that a busy machine matters little) and in Redis by the commands that run, inside of scripts too.
 */

let redis: RedisServer
beforeAll(async () => {
  redis = await startRedisServer()
})
afterAll(() => redis[Symbol.asyncDispose]())

/** A turn is three records: what is late begins behind the 18,000th in memory, and behind the 3,000th in Redis. */
const earlyTurns = 50
const lateTurns = { memory: 6_000, redis: 1_000 }
const earlySessions = 20
const lateSessions = 900
const batchCount = 8
const batchSize = 10

type Operation = (log: SessionLog, n: number) => Promise<unknown>

/** `n` is another one each time. Those on a turn are on the first ones, which are the furthest back. */
const operations: Readonly<Record<string, Operation>> = {
  message: (log, n) => answerTurn(log, 1_000_000 + n, 'an answer'),
  feedback: (log, n) => log.addFeedback({ session, record: rating(`turn-${(n % 40) + 1}`, n) }),
  'feedback again': (log) => log.addFeedback({ session, record: rating('turn-41', 0) }),
  metadata: (log, n) => log.update({ session, metadata: { title: `title ${n % 10}` } }),
  'making and erasing a session': async (log, n) => {
    await log.create({ session: `made-${n}`, owner, attributes: {}, timeMs: 1 })
    await log.erase(`made-${n}`)
  },
  cancel: (log) => log.cancel({ session, turn: 'turn-1' }),
  opening: (log) => log.opening({ session, turn: 'turn-1' }),
  read: (log) => log.read({ session, turn: 'turn-1', part: 0, at: 0, maxBytes: 100 }),
  page: (log) => log.page({ session, limit: 10 }),
  open: (log) => log.open({ session, limit: 10 }),
  list: (log) => log.list({ owner, limit: 10 }),
}

test('[STORE-169] in memory no operation costs more after 18,000 records and 900 sessions', {
  timeout: 60_000,
}, async () => {
  const log = createMemoryLog({ maxBytesPerOwner: Number.POSITIVE_INFINITY })
  const cost = async (operate: () => Promise<void>) => {
    const beganMs = performance.now()
    await operate()
    return performance.now() - beganMs
  }
  const { early, late } = await compare(log, cost, lateTurns.memory)
  await log.close()
  for (const [name, ms] of late) expect(ms, name).toBeLessThan(8 * Math.max(early.get(name) ?? 0, 0.01))
})

test('[STORE-169] in Redis no operation runs more commands after 3,000 records and 900 sessions', {
  timeout: 120_000,
}, async () => {
  const { log } = await openRedisLog(redis)
  const cost = async (operate: () => Promise<void>) => {
    const before = await commandCount()
    await operate()
    return (await commandCount()) - before
  }
  const { early, late } = await compare(log, cost, lateTurns.redis)
  await log.close()
  for (const [name, count] of late) expect(count, name).toBeLessThanOrEqual(1.5 * (early.get(name) ?? 0))
})

type Cost = (operate: () => Promise<void>) => Promise<number>

async function compare(log: SessionLog, cost: Cost, turnCount: number) {
  await log.create({ session, owner, attributes: {}, timeMs: 1 })
  await grow(log, { turns: [1, earlyTurns], sessions: [1, earlySessions] })
  // Once for the compiler, and for scripts that Redis does not know yet.
  await measure(log, cost, 0)
  const early = await measure(log, cost, 100_000)
  await grow(log, { turns: [earlyTurns + 1, turnCount], sessions: [earlySessions + 1, lateSessions] })
  const late = await measure(log, cost, 200_000)
  return { early, late }
}

interface Range {
  readonly turns: readonly [number, number]
  readonly sessions: readonly [number, number]
}

async function grow(log: SessionLog, { turns, sessions }: Range): Promise<void> {
  for (let n = turns[0]; n <= turns[1]; n += 1) await answerTurn(log, n, 'an answer')
  const made: Promise<unknown>[] = []
  for (let n = sessions[0]; n <= sessions[1]; n += 1)
    made.push(log.create({ session: `of-owner-${n}`, owner, attributes: {}, timeMs: 1 }))
  await Promise.all(made)
}

/** The least of several batches, by operation. */
async function measure(log: SessionLog, cost: Cost, from: number): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  let n = from
  for (const [name, operate] of Object.entries(operations)) {
    const costs: number[] = []
    for (let batch = 0; batch < batchCount; batch += 1) {
      costs.push(
        await cost(async () => {
          for (let index = 0; index < batchSize; index += 1) {
            n += 1
            await operate(log, n)
          }
        }),
      )
    }
    found.set(name, Math.min(...costs))
  }
  return found
}

function rating(turn: string, n: number) {
  return { type: 'feedback.added', timeMs: n, turn, rating: n % 2 === 0 ? 1 : -1 } as const
}

async function commandCount(): Promise<number> {
  const stats = await redis.client.info('commandstats')
  return [...stats.matchAll(/^cmdstat_[^:]+:calls=(\d+)/gm)].reduce((sum, [, count]) => sum + Number(count), 0)
}
