import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { keepScopeMs, rememberTurnMs } from '../../sessions/budgets/limits.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { sluiceUser } from '../support/sluice-user.ts'
import {
  connectedLedger,
  noonMs,
  openRedisLedgers,
  type RedisUnderTest,
  reserving,
  settling,
  targetOf,
  whole,
} from './bench.ts'
import { describeLedgerContract } from './contract.ts'

/** What the decision on budgets promises, in bytes of Redis' memory: of a scope that is idle, and of its last minute, … */
const scopeBytes = 256
const minuteBytes = 2_560
/** … of a turn that runs with limits in all three scopes, and of one that is settled. */
const runningBytes = 640
const settledBytes = 192

let server: RedisServer
const made: RedisUnderTest[] = []

beforeAll(async () => {
  server = await startRedisServer()
  await server.client.call('ACL', 'SETUSER', ...sluiceUser())
})
afterEach(async () => {
  for (const one of made.splice(0)) await one[Symbol.asyncDispose]()
})
afterAll(() => server[Symbol.asyncDispose]())

/** As the user that the documentation describes. */
async function open(): Promise<RedisUnderTest> {
  const url = `redis://sluice:password@127.0.0.1:${server.port}`
  const opened = await openRedisLedgers(url, (key, value) => server.client.set(key, value))
  made.push(opened)
  if (made.length > 8) await made.shift()?.[Symbol.asyncDispose]()
  return opened
}

describeLedgerContract('redis', open)

const limits = {
  subject: { messagesPerMinute: 100, tokensPerMinute: 10_000, runningTurns: 90, microsPerDay: 1_000_000 },
}

async function keysOf({ keys }: RedisUnderTest): Promise<readonly string[]> {
  const [prefix = ''] = keys.budget('acme', '').split('{')
  return (await server.client.keys(`${prefix}*`)).filter((key) => !key.endsWith('}now'))
}

test('[BUDGET-20] every key of the books has a time to live and no name in it, and what is over is gone', async () => {
  const books = await open()
  const [ledger] = books.nodes
  const all = { subject: limits.subject, project: limits.subject, tenant: limits.subject }
  await ledger.reserve(reserving('turn-1', all))
  await ledger.settle(settling('turn-1', { tokens: 3, micros: 30 }))
  await ledger.reserve(reserving('turn-2', all))
  const found = await keysOf(books)
  expect(found.length).toBe(12)
  for (const key of found) {
    expect(key).not.toMatch(/acme|search|ada/)
    const ttlMs = await server.client.pttl(key)
    expect(ttlMs, key).toBeGreaterThan(0)
    expect(ttlMs, key).toBeLessThanOrEqual(keepScopeMs)
    if (key.includes('}t:')) expect(ttlMs, key).toBeLessThanOrEqual(60_000 + rememberTurnMs)
    if (key.includes('}w:')) expect(ttlMs, key).toBeLessThanOrEqual(61_000)
  }
  await ledger.settle(settling('turn-2', undefined))
  expect((await keysOf(books)).filter((key) => key.includes('}h:'))).toEqual([])
})

test('[BUDGET-21] a scope costs no more of Redis’ memory than is promised, nor does a turn', async () => {
  const books = await open()
  const [ledger] = books.nodes
  const bytesOf = async (kind: string) => {
    const found = (await keysOf(books)).filter((key) => key.includes(`}${kind}:`))
    const sizes = await Promise.all(found.map((key) => server.client.memory('USAGE', key, 'SAMPLES', 0)))
    return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
  }
  const turnsCount = 300
  const many = {
    messagesPerMinute: 1_000,
    tokensPerMinute: 1e9,
    runningTurns: 1_000,
    microsPerDay: 1e9,
    microsPerMonth: 0,
  }
  const all = { subject: many, project: many, tenant: many }
  for (let n = 0; n < turnsCount; n += 1) {
    await books.setNow(noonMs + n * 500)
    await ledger.reserve(reserving(`t${String(n).padStart(21, '0')}`, all, { tokens: 12_345, forMs: 600_000 }))
  }
  expect((await bytesOf('c')) / 3).toBeLessThan(scopeBytes)
  expect((await bytesOf('w')) / 3).toBeLessThan(minuteBytes)
  expect(((await bytesOf('t')) + (await bytesOf('h'))) / turnsCount).toBeLessThan(runningBytes)
  await ledger.settle(settling('t000000000000000000000', undefined))
  const settled = books.keys.budget('acme', 't:t000000000000000000000')
  expect(await server.client.memory('USAGE', settled)).toBeLessThan(settledBytes)
})

test('[BUDGET-22] books of a later version are refused, not guessed at', async () => {
  const books = await open()
  const [ledger] = books.nodes
  await ledger.reserve(reserving('turn-1', limits))
  const found = await keysOf(books)
  const counters = found.find((key) => key.includes('}c:subject')) ?? ''
  const turn = found.find((key) => key.includes('}t:')) ?? ''
  await server.client.hset(counters, 'v', '9')
  await expect(ledger.reserve(reserving('turn-2', limits))).rejects.toThrow('VERSION')
  await expect(ledger.spent(whole)).rejects.toThrow('VERSION')
  await server.client.hset(counters, 'v', '1')
  await server.client.set(turn, '9 resting')
  await expect(ledger.settle(settling('turn-1', { tokens: 1, micros: 1 }))).rejects.toThrow('VERSION')
})

test('[BUDGET-23] when Redis is full nothing is reserved, and what runs is settled', async () => {
  const books = await open()
  const [ledger] = books.nodes
  await ledger.reserve(reserving('turn-1', limits))
  await server.client.config('SET', 'maxmemory', 1)
  try {
    await expect(ledger.reserve(reserving('turn-2', limits))).rejects.toMatchObject({ name: 'StoreFull' })
    await ledger.settle(settling('turn-1', { tokens: 1, micros: 7 }))
    const subject = { dayMicros: 7, heldMicros: 0, runningTurns: 0 }
    expect(await ledger.spent(whole)).toMatchObject({ scopes: { subject } })
  } finally {
    await server.client.config('SET', 'maxmemory', 0)
  }
})

test('[BUDGET-6] without a limit Redis is not asked, and rejects nothing while it is away', async () => {
  await using own = await startRedisServer()
  const ledger = await connectedLedger({ target: targetOf(own.url) })
  await own.kill()
  expect(await ledger.reserve(reserving('turn-1', {}))).toEqual({ kind: 'ok' })
  await expect(ledger.reserve(reserving('turn-1', limits))).rejects.toMatchObject({ name: 'StoreAway' })
  await expect(ledger.settle(settling('turn-1', undefined))).rejects.toMatchObject({ name: 'StoreAway' })
  await ledger.close()
})

test('[BUDGET-24] sums that Redis evicted in part leak nothing: who runs nothing holds nothing', async () => {
  const books = await open()
  const [ledger] = books.nodes
  const budget = { subject: { microsPerDay: 100 } }
  await ledger.reserve(reserving('turn-1', budget))
  const held = (await keysOf(books)).find((key) => key.includes('}h:')) ?? ''
  await server.client.del(held)
  expect(await ledger.reserve(reserving('turn-2', budget))).toEqual({ kind: 'ok' })
})

test('[BUDGET-11] the clock is Redis’ own: unpatched, the day and the wait are today’s', async () => {
  const ledger = await connectedLedger({ target: targetOf(server.url), prefix: 'sluice:own-clock:' })
  const budget = { subject: { microsPerDay: 100 } }
  const [seconds = '0'] = (await server.client.time()).map(String)
  const leftMs = 86_400_000 - ((Number(seconds) * 1_000) % 86_400_000)
  await ledger.settle(settling('turn-1', { tokens: 1, micros: 100 }))
  const reply = await ledger.reserve(reserving('turn-2', budget))
  await ledger.close()
  if (reply.kind !== 'refused') throw new Error('the day is over: run it again')
  expect(reply).toMatchObject({ scope: 'subject', limit: 'microsPerDay' })
  // Read earlier, so no less was left; the whole test takes less than its time limit.
  expect(reply.retryAfterMs).toBeLessThanOrEqual(leftMs)
  expect(reply.retryAfterMs).toBeGreaterThan(leftMs - 20_000)
})
