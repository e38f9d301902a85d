import { expect, test } from 'vitest'
import { settleRetryMaxMs, settleTotalMs, unsettledMax } from '../../orchestrator/budget-limits.ts'
import type { Settlement } from '../../orchestrator/budget-port.ts'
import { createSettler } from '../../orchestrator/budget-settler.ts'
import { createMemoryLedger } from '../../sessions/budgets/memory-ledger.ts'
import { settling, whole } from './bench.ts'

/** A clock that goes on to its next timer when it is told to. */
function steppedClock() {
  let nowMs = 0
  const timers = new Map<object, { readonly atMs: number; readonly run: () => void }>()
  return {
    monotonicMs: () => nowMs,
    after(delayMs: number, run: () => void) {
      const key = {}
      timers.set(key, { atMs: nowMs + delayMs, run })
      return () => void timers.delete(key)
    },
    get timerCount() {
      return timers.size
    },
    async next() {
      const [first] = [...timers].sort(([, a], [, b]) => a.atMs - b.atMs)
      if (first === undefined) throw new Error('nothing waits')
      const [key, { atMs, run }] = first
      timers.delete(key)
      nowMs = Math.max(nowMs, atMs)
      run()
      await calm()
    },
  }
}

/** Everything that was promised and waits for nothing has happened. */
const calm = () => new Promise((resolve) => setImmediate(resolve))

function makeSettler() {
  const ledger = createMemoryLedger()
  const clock = steppedClock()
  const warned: object[] = []
  const store = { isAway: false, losesReplies: false, asked: 0, atOnce: 0, atOnceMax: 0 }
  const settle = async (settlement: Settlement) => {
    store.asked += 1
    store.atOnce += 1
    store.atOnceMax = Math.max(store.atOnceMax, store.atOnce)
    await Promise.resolve()
    store.atOnce -= 1
    if (store.isAway) throw new Error('away')
    await ledger.settle(settlement)
    if (store.losesReplies) throw new Error('the reply was lost')
  }
  const settler = createSettler({ settle }, clock, { warn: (fields, _message) => warned.push(fields) })
  const booked = async () => (await ledger.spent(whole)).session?.micros
  return { settler, store, clock, warned, booked }
}

const one = (n: number) => settling(`turn-${n}`, { tokens: 1, micros: 1 })

test('[BUDGET-36] what turns used is booked once the store is back, each turn once, first by a single try', async () => {
  const { settler, store, clock, booked, warned } = makeSettler()
  store.isAway = true
  for (let n = 0; n < 1_000; n += 1) settler.settle(one(n))
  await calm()
  expect([settler.unsettledCount, store.asked, clock.timerCount]).toEqual([1_000, 1_000, 1])
  store.atOnceMax = 0
  for (let n = 0; n < 5; n += 1) await clock.next()
  expect([store.asked, store.atOnceMax]).toEqual([1_005, 1])
  store.isAway = false
  store.losesReplies = true
  for (let n = 0; n < 5; n += 1) await clock.next()
  store.losesReplies = false
  await clock.next()
  expect([settler.unsettledCount, clock.timerCount, await booked()]).toEqual([0, 0, 1_000])
  expect([settler.lostCount, warned]).toEqual([0, []])
})

test('[BUDGET-37] the booking of a turn is tried for a bounded time, at bounded intervals, then lost and said', async () => {
  const { settler, store, clock, warned } = makeSettler()
  store.isAway = true
  settler.settle(one(1))
  await calm()
  while (settler.lostCount === 0) await clock.next()
  expect(clock.monotonicMs()).toBeGreaterThanOrEqual(settleTotalMs)
  expect(clock.monotonicMs()).toBeLessThanOrEqual(settleTotalMs + settleRetryMaxMs)
  expect(store.asked).toBeLessThan((2.5 * settleTotalMs) / settleRetryMaxMs)
  expect(warned).toEqual([expect.objectContaining({ turn: 'turn-1', reason: 'the store was away for too long' })])
  expect([settler.unsettledCount, clock.timerCount]).toEqual([0, 0])
})

test('[BUDGET-37] so many turns wait to be booked and no more', async () => {
  const { settler, store, warned, clock, booked } = makeSettler()
  store.isAway = true
  for (let n = 0; n < unsettledMax + 3; n += 1) settler.settle(one(n))
  expect([settler.unsettledCount, settler.lostCount]).toEqual([unsettledMax, 3])
  expect(warned).toHaveLength(3)
  await calm()
  store.isAway = false
  await clock.next()
  expect(await booked()).toBe(unsettledMax)
})

test('[BUDGET-38] a settler that closes waits for what is under way, for so long, and says what it leaves', async () => {
  const { settler, store, clock, warned, booked } = makeSettler()
  settler.settle(one(1))
  await settler.close(1_000)
  expect([await booked(), warned, clock.timerCount]).toEqual([1, [], 0])

  const other = makeSettler()
  other.store.isAway = true
  other.settler.settle(one(1))
  await calm()
  const closed = other.settler.close(1_000)
  while (other.settler.lostCount === 0) await other.clock.next()
  await closed
  other.settler.settle(one(2))
  expect(other.warned).toMatchObject([{ turn: 'turn-1', reason: 'closed' }, { turn: 'turn-2' }])
  expect([other.settler.unsettledCount, other.clock.timerCount]).toEqual([0, 0])
  expect(store.asked).toBe(1)
})
