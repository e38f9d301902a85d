import { expect, test } from 'vitest'
import type { Ledger } from '../../orchestrator/budget-port.ts'
import { createMemoryLedger } from '../../sessions/budgets/memory-ledger.ts'
import { noonMs, reserving, settling } from './bench.ts'
import { describeLedgerContract } from './contract.ts'

describeLedgerContract('memory', async () => {
  let nowMs = noonMs
  // The compiler checks that the store has the shape of the orchestrator's port.
  const ledger: Ledger & ReturnType<typeof createMemoryLedger> = createMemoryLedger({ now: () => nowMs })
  return {
    nodes: [ledger, ledger],
    setNow: async (ms) => {
      nowMs = ms
    },
  }
})

test('[BUDGET-19] in memory the longest unused scope is forgotten with what it spent, but never one that holds something', async () => {
  const ledger = createMemoryLedger({ now: () => noonMs, maxScopes: 3, maxTurns: 3, maxSessions: 2 })
  const limits = { subject: { runningTurns: 1 } }
  const of = (subject: string) => ({ tenant: 'acme', subject })
  const spend = async (subject: string) => {
    const { project: _project, ...request } = settling(`of ${subject}`, { tokens: 1, micros: 5 }, { subject })
    await ledger.settle(request)
  }
  const { project: _project, ...holding } = reserving('held', limits, { subject: 'holding' })
  await ledger.reserve(holding)
  for (const subject of ['a', 'b', 'c', 'd', 'e']) await spend(subject)
  const dayOf = async (subject: string) => (await ledger.spent(of(subject))).scopes.subject?.dayMicros
  expect([await dayOf('a'), await dayOf('b'), await dayOf('c'), await dayOf('d')]).toEqual([0, 0, 0, 0])
  expect(await dayOf('e')).toBe(5)
  expect((await ledger.spent({ tenant: 'acme' })).scopes.tenant?.dayMicros).toBe(25)
  expect(await ledger.reserve({ ...holding, id: 'another' })).toMatchObject({ kind: 'refused' })
  expect(await ledger.reserve(holding)).toEqual({ kind: 'ok' })
})
