import { expect, test } from 'vitest'
import type { LimitName, ReserveReply } from '../../sessions/budgets/ledger.ts'
import { countOk, type MakeLedger, noonMs, reserveAtOnce, reserving, settling, whole } from './bench.ts'

/** What becomes of a turn that needs more than it reserved, and of one that nobody settles. */

const refused = (scope: string, limit: LimitName, retryAfterMs: number) => ({
  kind: 'refused',
  scope,
  limit,
  retryAfterMs,
})
const ok: ReserveReply = { kind: 'ok' }

export function describeFurther(makeLedger: MakeLedger): void {
  test('[BUDGET-142] what lapses is booked whole, since nobody knows what it used, until its turn is settled or goes on', async () => {
    const { nodes, setNow } = await makeLedger()
    const [ledger, other] = nodes
    const limits = { subject: { microsPerDay: 250 } }
    for (const id of ['dead', 'slow', 'late'])
      expect(await ledger.reserve(reserving(id, limits, { micros: 80, forMs: 5_000 }))).toEqual(ok)
    await setNow(noonMs + 5_000)
    const subject = (dayMicros: number, heldMicros: number) => ({ scopes: { subject: { dayMicros, heldMicros } } })
    expect(await other.spent(whole)).toMatchObject(subject(240, 0))
    expect(await other.reserve(reserving('next', limits))).toMatchObject({ kind: 'refused', limit: 'microsPerDay' })
    await other.settle(settling('late', { tokens: 3, micros: 30 }))
    expect(await ledger.spent(whole)).toMatchObject(subject(190, 0))
    expect(await ledger.reserve(reserving('slow', limits, { micros: 80, forMs: 5_000 }))).toEqual(ok)
    expect(await ledger.spent(whole)).toMatchObject(subject(110, 80))
    await ledger.settle(settling('slow', undefined))
    expect(await other.spent(whole)).toMatchObject(subject(110, 0))
  })

  test('[BUDGET-143] a turn that asks for more is judged by the rest alone, and keeps what it has when that is refused', async () => {
    const { nodes } = await makeLedger()
    const [ledger, other] = nodes
    const all = { messagesPerMinute: 1, runningTurns: 1, tokensPerMinute: 30, microsPerDay: 300 }
    const limits = { subject: all, tenant: { microsPerDay: 350 } }
    expect(await ledger.reserve(reserving('turn-1', limits))).toEqual(ok)
    for (const node of nodes)
      expect(await node.reserve(reserving('turn-1', limits, { tokens: 20, micros: 250 }))).toEqual(ok)
    expect(await other.spent(whole)).toMatchObject({ scopes: { subject: { heldMicros: 250, runningTurns: 1 } } })
    const more = reserving('turn-1', limits, { tokens: 20, micros: 301 })
    expect(await other.reserve(more)).toEqual(refused('subject', 'microsPerDay', 1_000))
    const tokens = await other.reserve(reserving('turn-1', limits, { tokens: 31, micros: 250 }))
    expect(tokens).toMatchObject({ kind: 'refused', limit: 'tokensPerMinute' })
    expect(await ledger.spent(whole)).toMatchObject({ scopes: { subject: { heldMicros: 250, runningTurns: 1 } } })
    await ledger.settle(settling('turn-1', { tokens: 1, micros: 10 }))
    const subject = { dayMicros: 10, heldMicros: 0, runningTurns: 0 }
    expect(await other.spent(whole)).toMatchObject({ scopes: { subject, tenant: { dayMicros: 10, heldMicros: 0 } } })
  })

  test('[BUDGET-143] two nodes that ask for more at once get no more than the limit', async () => {
    const made = await makeLedger()
    const limits = { subject: { microsPerDay: 2_000 } }
    const ids = Array.from({ length: 10 }, (_, n) => n)
    expect(countOk(await reserveAtOnce(made, 10, (n) => reserving(`turn-${n}`, limits)))).toBe(10)
    const replies = await reserveAtOnce(made, 40, (n) =>
      reserving(`turn-${n % ids.length}`, limits, { micros: 100 + 200 * (1 + Math.floor(n / ids.length)) }),
    )
    expect(countOk(replies)).toBeGreaterThan(0)
    const { scopes } = await made.nodes[0].spent(whole)
    expect(scopes.subject?.heldMicros).toBeLessThanOrEqual(2_000)
    expect(scopes.subject?.runningTurns).toBe(10)
  })

  test('[BUDGET-143] a turn that was admitted under another id is judged by tokens and money alone', async () => {
    const { nodes } = await makeLedger()
    const [ledger, other] = nodes
    const limits = { subject: { messagesPerMinute: 1, runningTurns: 1, microsPerDay: 250 } }
    expect(await ledger.reserve(reserving('turn-1', limits))).toEqual(ok)
    expect(await other.reserve(reserving('turn-1.other', limits, { isAdmitted: true }))).toEqual(ok)
    const third = await other.reserve(reserving('turn-1.third', limits, { isAdmitted: true }))
    expect(third).toEqual(refused('subject', 'microsPerDay', 1_000))
    expect(await other.spent(whole)).toMatchObject({ scopes: { subject: { heldMicros: 200, runningTurns: 2 } } })
  })
}
