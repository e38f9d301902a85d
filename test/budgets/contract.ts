import { describe, expect, test } from 'vitest'
import type { LimitName, ReserveReply, ScopeLimits } from '../../sessions/budgets/ledger.ts'
import { heldRetryMs, keepScopeMs, rememberTurnMs } from '../../sessions/budgets/limits.ts'
import {
  countOk,
  type Limits,
  type MakeLedger,
  noonMs,
  reserveAtOnce,
  reserving,
  settling,
  tenants,
  whole,
} from './bench.ts'
import { describeFurther } from './contract-further.ts'
import { describeModel } from './model.ts'

/** What every ledger does, in memory, in Redis and in a cluster. */

const refused = (scope: string, limit: LimitName, retryAfterMs?: number) => ({
  kind: 'refused',
  scope,
  limit,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
})
const ok: ReserveReply = { kind: 'ok' }
const hourMs = 3_600_000
const dayMs = 24 * hourMs
const nothing = { dayMicros: 0, monthMicros: 0, heldMicros: 0, runningTurns: 0 }
const nobody = { subject: nothing, project: nothing, tenant: nothing }

export function describeLedgerContract(name: string, makeLedger: MakeLedger): void {
  describe(`${name}: reserving`, () => describeReserving(makeLedger))
  describe(`${name}: reserving more, and lapsing`, () => describeFurther(makeLedger))
  describe(`${name}: the last minute`, () => describeMinutes(makeLedger))
  describe(`${name}: money`, () => describeMoney(makeLedger))
  describe(`${name}: settling`, () => describeSettling(makeLedger))
  describe(`${name}: model`, () => describeModel(makeLedger))
}

/** Allows exactly `n` turns of 10 tokens and 100 millionths. */
const exactly: Readonly<Record<LimitName, (n: number) => Partial<ScopeLimits>>> = {
  messagesPerMinute: (n) => ({ messagesPerMinute: n }),
  tokensPerMinute: (n) => ({ tokensPerMinute: 10 * n + 9 }),
  runningTurns: (n) => ({ runningTurns: n }),
  microsPerDay: (n) => ({ microsPerDay: 100 * n + 99 }),
  microsPerMonth: (n) => ({ microsPerMonth: 100 * n + 99 }),
}
const limitKinds = Object.entries(exactly)
const scopeNames = ['subject', 'project', 'tenant'] as const

function describeReserving(makeLedger: MakeLedger): void {
  test.each(limitKinds)('[BUDGET-1] two nodes at once let exactly N turns through %s', async (limit, allow) => {
    for (const scope of scopeNames) {
      const made = await makeLedger()
      const limits: Limits = { [scope]: allow(37) }
      const replies = await reserveAtOnce(made, 200, (n) => reserving(`turn-${n}`, limits))
      expect(countOk(replies)).toBe(37)
      const others = replies.filter(({ kind }) => kind === 'refused')
      expect(new Set(others.map((reply) => reply.kind === 'refused' && `${reply.scope} ${reply.limit}`))).toEqual(
        new Set([`${scope} ${limit}`]),
      )
    }
  })

  test('[BUDGET-2] a turn that one scope refuses reserves in none', async () => {
    const { nodes } = await makeLedger()
    const [ledger] = nodes
    const all = { messagesPerMinute: 2, tokensPerMinute: 100, microsPerDay: 1_000 }
    const limits = { subject: all, project: all, tenant: { ...all, runningTurns: 1 } }
    expect(await ledger.reserve(reserving('turn-1', limits))).toEqual(ok)
    const before = await ledger.spent(whole)
    for (const n of [2, 3, 4])
      expect(await ledger.reserve(reserving(`turn-${n}`, limits))).toEqual(refused('tenant', 'runningTurns', 1_000))
    expect(await ledger.spent(whole)).toEqual(before)
    await ledger.settle(settling('turn-1', undefined))
    // Had the refused ones been counted, the minute would be full.
    expect(await ledger.reserve(reserving('turn-5', limits))).toEqual(ok)
  })

  test('[BUDGET-3] asked again for a turn, it answers as before and counts it once, also when the limit is reached', async () => {
    const made = await makeLedger()
    const limits = { subject: { messagesPerMinute: 2, tokensPerMinute: 20, runningTurns: 2, microsPerDay: 200 } }
    const replies = await reserveAtOnce(made, 100, () => reserving('turn-1', limits))
    expect(countOk(replies)).toBe(100)
    const [ledger, other] = made.nodes
    expect(await ledger.reserve(reserving('turn-2', limits))).toEqual(ok)
    expect((await ledger.reserve(reserving('turn-3', limits))).kind).toBe('refused')
    expect(await other.reserve(reserving('turn-1', limits))).toEqual(ok)
    const subject = { ...nothing, heldMicros: 200, runningTurns: 2 }
    expect(await other.spent({ tenant: 'acme', subject: 'ada' })).toMatchObject({ scopes: { subject } })
  })

  test('[BUDGET-4] what a dead node reserved lapses, to the millisecond, and what is asked for again does not', async () => {
    const { nodes, setNow } = await makeLedger()
    const [ledger, other] = nodes
    const limits = { project: { runningTurns: 2, microsPerMonth: 250 } }
    const dead = reserving('dead', limits, { forMs: 5_000 })
    const alive = reserving('alive', limits, { forMs: 5_000, micros: 50 })
    expect([await ledger.reserve(dead), await ledger.reserve(alive)]).toEqual([ok, ok])
    await setNow(noonMs + 4_000)
    expect(await other.reserve(alive)).toEqual(ok)
    await setNow(noonMs + 4_999)
    expect((await other.reserve(reserving('next', limits))).kind).toBe('refused')
    await setNow(noonMs + 5_000)
    const held = { scopes: { project: { heldMicros: 50, runningTurns: 1 } } }
    expect(await ledger.spent(whole)).toMatchObject(held)
    expect(await other.reserve(reserving('next', limits))).toEqual(ok)
    // The dead one was only slow: what was accepted goes on, and takes its place above the limit.
    expect(await ledger.reserve(dead)).toEqual(ok)
    expect(await ledger.spent(whole)).toMatchObject({ scopes: { project: { heldMicros: 250, runningTurns: 3 } } })
  })

  test('[BUDGET-5] of several limits the one is named that asks to wait longest, and one that never lets it through before all', async () => {
    const { nodes } = await makeLedger()
    const [ledger] = nodes
    const limits = { subject: { messagesPerMinute: 1 }, tenant: { runningTurns: 1, microsPerDay: 199 } }
    expect(await ledger.reserve(reserving('turn-1', limits))).toEqual(ok)
    expect(await ledger.reserve(reserving('turn-2', limits))).toEqual(refused('subject', 'messagesPerMinute', 61_000))
    const larger = reserving('turn-2', limits, { micros: 200 })
    expect(await ledger.reserve(larger)).toEqual(refused('tenant', 'microsPerDay'))
    const more = reserving('turn-2', { ...limits, project: { tokensPerMinute: 9 } })
    expect(await ledger.reserve(more)).toEqual(refused('project', 'tokensPerMinute'))
  })

  test('[BUDGET-6] no limit holds nothing; what was used is booked all the same', async () => {
    const { nodes } = await makeLedger()
    const [ledger] = nodes
    const replies = await Promise.all([1, 2, 3].map((n) => ledger.reserve(reserving(`turn-${n}`, {}))))
    expect(countOk(replies)).toBe(3)
    expect((await ledger.spent(whole)).scopes).toEqual(nobody)
    await ledger.settle(settling('turn-1', { tokens: 7, micros: 70 }))
    const spent = { ...nothing, dayMicros: 70, monthMicros: 70 }
    expect(await ledger.spent(whole)).toEqual({
      scopes: { subject: spent, project: spent, tenant: spent },
      session: { tokens: 7, micros: 70 },
    })
  })

  test('[BUDGET-7] tenants, projects and subjects of the same name share nothing, whatever the names are', async () => {
    const { nodes } = await makeLedger()
    const [ledger] = nodes
    const one = { runningTurns: 1 }
    const name = 'a}{b: \u0000\n☃'
    const asks = tenants.flatMap((tenant) => [
      reserving('turn-1', { subject: one }, { tenant, subject: name }),
      reserving('turn-2', { project: one }, { tenant, project: name, subject: 'ada' }),
      reserving('turn-3', { subject: one, tenant: one }, { tenant, subject: `${name} ` }),
    ])
    for (const ask of asks) expect(await ledger.reserve(ask)).toEqual(ok)
    for (const ask of asks) expect((await ledger.reserve({ ...ask, id: 'turn-4' })).kind).toBe('refused')
    const { project: _project, ...without } = reserving('turn-5', { project: one })
    expect(await ledger.reserve(without)).toEqual(ok)
  })
}

function describeMinutes(makeLedger: MakeLedger): void {
  test('[BUDGET-8] in no minute are there more messages than allowed, and the wait that is told is enough', async () => {
    const { nodes, setNow } = await makeLedger()
    const [ledger] = nodes
    const limits = { subject: { messagesPerMinute: 3 } }
    const send = (n: number) => ledger.reserve(reserving(`turn-${n}`, limits))
    expect([await send(1), await send(2)]).toEqual([ok, ok])
    await setNow(noonMs + 30_999)
    expect(await send(3)).toEqual(ok)
    expect(await send(4)).toEqual(refused('subject', 'messagesPerMinute', 30_001))
    await setNow(noonMs + 60_999)
    expect(await send(4)).toEqual(refused('subject', 'messagesPerMinute', 1))
    await setNow(noonMs + 61_000)
    expect([await send(4), await send(5)]).toEqual([ok, ok])
    expect(await send(6)).toEqual(refused('subject', 'messagesPerMinute', 30_000))
  })

  test('[BUDGET-9] tokens of a minute are those reserved, then those used, at the time of the message', async () => {
    const { nodes, setNow } = await makeLedger()
    const [ledger] = nodes
    const limits = { tenant: { tokensPerMinute: 100 } }
    const send = (n: number, tokens: number) => ledger.reserve(reserving(`turn-${n}`, limits, { tokens }))
    expect(await send(1, 60)).toEqual(ok)
    await setNow(noonMs + 10_000)
    expect(await send(2, 40)).toEqual(ok)
    expect(await send(3, 1)).toEqual(refused('tenant', 'tokensPerMinute', 51_000))
    expect(await send(3, 61)).toEqual(refused('tenant', 'tokensPerMinute', 61_000))
    expect(await send(3, 101)).toEqual(refused('tenant', 'tokensPerMinute'))
    await ledger.settle(settling('turn-1', { tokens: 50, micros: 0 }))
    expect(await send(3, 11)).toEqual(refused('tenant', 'tokensPerMinute', 51_000))
    expect(await send(3, 10)).toEqual(ok)
    await ledger.settle(settling('turn-2', { tokens: 90, micros: 0 }))
    await setNow(noonMs + 61_000)
    expect(await send(4, 1)).toEqual(refused('tenant', 'tokensPerMinute', 10_000))
    await setNow(noonMs + 71_000)
    await ledger.settle(settling('turn-3', { tokens: 900, micros: 0 }))
    expect(await send(4, 100)).toEqual(ok)
  })
}

function describeMoney(makeLedger: MakeLedger): void {
  test('[BUDGET-10] what is spent and what is held stay within the budget, and only what is spent waits for the next day', async () => {
    const { nodes } = await makeLedger()
    const [ledger] = nodes
    const limits = { subject: { microsPerDay: 1_000 } }
    const send = (n: number, micros: number) => ledger.reserve(reserving(`turn-${n}`, limits, { micros }))
    expect([await send(1, 600), await send(2, 400)]).toEqual([ok, ok])
    expect(await send(3, 1)).toEqual(refused('subject', 'microsPerDay', heldRetryMs))
    await ledger.settle(settling('turn-1', { tokens: 1, micros: 300 }))
    expect(await send(3, 301)).toEqual(refused('subject', 'microsPerDay', heldRetryMs))
    expect(await send(3, 300)).toEqual(ok)
    expect(await send(4, 701)).toEqual(refused('subject', 'microsPerDay', dayMs / 2))
    expect(await send(4, 1_001)).toEqual(refused('subject', 'microsPerDay'))
    // What costs nothing is over no budget.
    expect(await send(4, 0)).toEqual(ok)
  })

  test.each([
    ['a day', 'microsPerDay', Date.UTC(2026, 7, 15, 12), Date.UTC(2026, 7, 16)],
    ['a day with one millisecond left', 'microsPerDay', Date.UTC(2026, 11, 31, 23, 59, 59, 999), Date.UTC(2027, 0, 1)],
    ['a leap year’s February', 'microsPerMonth', Date.UTC(2028, 1, 1), Date.UTC(2028, 2, 1)],
    ['a leap day', 'microsPerMonth', Date.UTC(2028, 1, 29, 12), Date.UTC(2028, 2, 1)],
    ['a common February', 'microsPerMonth', Date.UTC(2027, 1, 28, 23, 59, 59, 999), Date.UTC(2027, 2, 1)],
    [
      'a February that is not a leap year’s for its century',
      'microsPerMonth',
      Date.UTC(2100, 1, 2),
      Date.UTC(2100, 2, 1),
    ],
    ['a month of 30 days', 'microsPerMonth', Date.UTC(2026, 3, 1, 0, 0, 0, 1), Date.UTC(2026, 4, 1)],
    ['the last day of 31', 'microsPerMonth', Date.UTC(2026, 6, 31, 1), Date.UTC(2026, 7, 1)],
    ['a year’s end', 'microsPerMonth', Date.UTC(2026, 11, 1), Date.UTC(2027, 0, 1)],
  ] as const)(
    '[BUDGET-11] a budget begins anew when its day or month does in UTC: %s',
    async (_what, limit, startMs, nextMs) => {
      const { nodes, setNow } = await makeLedger()
      const [ledger] = nodes
      const limits = { tenant: { [limit]: 500 } }
      const send = (id: string) => ledger.reserve(reserving(id, limits, { micros: 500 }))
      await setNow(startMs)
      expect(await send('turn-1')).toEqual(ok)
      await ledger.settle(settling('turn-1', { tokens: 1, micros: 500 }))
      expect(await send('turn-2')).toEqual(refused('tenant', limit, nextMs - startMs))
      await setNow(nextMs - 1)
      expect(await send('turn-2')).toEqual(refused('tenant', limit, 1))
      await setNow(nextMs)
      expect(await ledger.spent(whole)).toMatchObject({ scopes: { tenant: { dayMicros: 0, heldMicros: 0 } } })
      expect(await send('turn-2')).toEqual(ok)
    },
  )

  test('[BUDGET-12] amounts up to 2^53 are exact', async () => {
    const { nodes } = await makeLedger()
    const [ledger] = nodes
    const limit = Number.MAX_SAFE_INTEGER
    const limits = { subject: { microsPerMonth: limit } }
    expect(await ledger.reserve(reserving('turn-1', limits, { micros: limit - 1 }))).toEqual(ok)
    expect((await ledger.reserve(reserving('turn-2', limits, { micros: 2 }))).kind).toBe('refused')
    await ledger.settle(settling('turn-1', { tokens: limit - 1, micros: limit - 2 }))
    expect(await ledger.reserve(reserving('turn-2', limits, { micros: 2 }))).toEqual(ok)
    await ledger.settle(settling('turn-2', { tokens: 1, micros: 1 }))
    expect(await ledger.spent(whole)).toMatchObject({
      scopes: { tenant: { monthMicros: limit - 1, heldMicros: 0 } },
      session: { tokens: limit, micros: limit - 1 },
    })
  })
}

function describeSettling(makeLedger: MakeLedger): void {
  test('[BUDGET-25] an erased session leaves no sum, and what it used stays spent', async () => {
    const { nodes } = await makeLedger()
    const [ledger] = nodes
    const used = { tokens: 10, micros: 100 }
    const { session = '', ...of } = settling('turn-1', used)
    await ledger.settle({ ...of, session })
    await ledger.forget({ tenant: of.tenant, session })
    await ledger.settle({ ...of, id: 'turn-2' })
    const { tenant, subject } = of
    const spent = await ledger.spent({ tenant, subject, session })
    expect(spent.session).toEqual({ tokens: 0, micros: 0 })
    expect(spent.scopes.subject).toMatchObject({ dayMicros: 200 })
  })

  const limits = { subject: { runningTurns: 1, messagesPerMinute: 5, tokensPerMinute: 100, microsPerDay: 1_000 } }
  const used = { tokens: 5, micros: 50 }
  const spent = { ...nothing, dayMicros: 50, monthMicros: 50 }
  const once = { scopes: { subject: spent, project: spent, tenant: spent }, session: used }

  test('[BUDGET-13] a turn is settled once, by whoever and however often', async () => {
    const { nodes } = await makeLedger()
    const [ledger, other] = nodes
    expect(await ledger.reserve(reserving('turn-1', limits))).toEqual(ok)
    const late = [used, { tokens: 9, micros: 900 }, undefined]
    for (const ask of late) await Promise.all(nodes.map((node) => node.settle(settling('turn-1', ask))))
    expect(await ledger.spent(whole)).toEqual(once)
    expect(await other.reserve(reserving('turn-2', limits))).toEqual(ok)
  })

  test('[BUDGET-13] a reservation that arrives after its turn was settled holds nothing', async () => {
    const { nodes, setNow } = await makeLedger()
    const [ledger] = nodes
    await ledger.settle(settling('turn-1', used))
    await setNow(noonMs + rememberTurnMs - 1)
    expect(await ledger.reserve(reserving('turn-1', limits))).toEqual(ok)
    expect(await ledger.spent(whole)).toEqual(once)
  })

  test('[BUDGET-14] what a turn used is booked also when its reservation has lapsed', async () => {
    const { nodes, setNow } = await makeLedger()
    const [ledger] = nodes
    expect(await ledger.reserve(reserving('turn-1', limits, { forMs: 1_000 }))).toEqual(ok)
    await setNow(noonMs + 1_000)
    expect(await ledger.reserve(reserving('turn-2', limits))).toEqual(ok)
    await ledger.settle(settling('turn-1', used))
    const held = { ...spent, heldMicros: 100, runningTurns: 1 }
    expect((await ledger.spent(whole)).scopes).toMatchObject({ subject: held })
    await setNow(noonMs + rememberTurnMs)
    await ledger.settle(settling('turn-2', undefined))
    expect(await ledger.spent(whole)).toEqual(once)
  })

  test('[BUDGET-15] a turn that did not come about gives back all, its message too', async () => {
    const { nodes } = await makeLedger()
    const [ledger] = nodes
    const one = { subject: { messagesPerMinute: 1, tokensPerMinute: 10, microsPerDay: 100 } }
    for (let n = 0; n < 5; n += 1) {
      expect(await ledger.reserve(reserving(`turn-${n}`, one))).toEqual(ok)
      expect((await ledger.reserve(reserving('next', one))).kind).toBe('refused')
      await ledger.settle(settling(`turn-${n}`, undefined))
    }
    expect(await ledger.spent(whole)).toEqual({ scopes: nobody, session: { tokens: 0, micros: 0 } })
  })

  test('[BUDGET-16] the turns of a session are summed, and only those', async () => {
    const { nodes } = await makeLedger()
    const [ledger] = nodes
    for (const [n, session] of ['session-1', 'session-2', 'session-1'].entries())
      await ledger.settle(settling(`turn-${n}`, { tokens: 10 + n, micros: 100 + n }, { session }))
    const sumOf = async (session: string) => (await ledger.spent({ tenant: 'acme', session })).session
    expect(await sumOf('session-1')).toEqual({ tokens: 22, micros: 202 })
    expect(await sumOf('session-2')).toEqual({ tokens: 11, micros: 101 })
    expect(await ledger.spent({ tenant: 'other', session: 'session-1' })).toMatchObject({ session: { micros: 0 } })
    const { scopes, session } = await ledger.spent({ tenant: 'acme' })
    expect(session).toBeUndefined()
    expect(scopes).toEqual({ tenant: { ...nothing, dayMicros: 303, monthMicros: 303 } })
  })

  test('[BUDGET-17] a clock that steps back an hour over midnight gives nobody its budget anew', async () => {
    const { nodes, setNow } = await makeLedger()
    const [ledger] = nodes
    const money = { tenant: { microsPerDay: 100, microsPerMonth: 150, messagesPerMinute: 9 } }
    await setNow(Date.UTC(2026, 8, 1, 0, 30))
    expect(await ledger.reserve(reserving('turn-1', money))).toEqual(ok)
    await ledger.settle(settling('turn-1', { tokens: 10, micros: 100 }))
    await setNow(Date.UTC(2026, 7, 31, 23, 30))
    expect(await ledger.reserve(reserving('turn-2', money))).toMatchObject({ kind: 'refused' })
    await setNow(Date.UTC(2026, 8, 1, 0, 31))
    expect(await ledger.reserve(reserving('turn-2', money))).toMatchObject({ limit: 'microsPerMonth' })
    expect(keepScopeMs).toBeGreaterThan(31 * dayMs)
  })

  test('[BUDGET-17] a clock that steps back lets nobody wait for more than a minute', async () => {
    const { nodes, setNow } = await makeLedger()
    const [ledger] = nodes
    const one = { subject: { messagesPerMinute: 1 } }
    expect(await ledger.reserve(reserving('turn-1', one))).toEqual(ok)
    await setNow(noonMs - hourMs)
    expect(await ledger.reserve(reserving('turn-2', one))).toEqual(ok)
    expect(await ledger.reserve(reserving('turn-3', one))).toEqual(refused('subject', 'messagesPerMinute', 61_000))
    await setNow(noonMs - hourMs + 61_000)
    expect(await ledger.reserve(reserving('turn-3', one))).toEqual(ok)
  })
}
