import { expect, test } from 'vitest'
import { orderFor } from '../../../orchestrator/route/order.ts'

const targets = [
  { target: 'a', tier: 1, weight: 3 },
  { target: 'b', tier: 1, weight: 1 },
  { target: 'c', tier: 2, weight: 1 },
]
const sessions = Array.from({ length: 4_000 }, (_, index) => `session-${index}`)

test('[ROUTE-12] within a tier targets come first by weight, and lower tiers come before', () => {
  const orders = sessions.map((session) => orderFor({ targets }, session))
  expect(orders.every((order) => order[2] === 'c')).toBe(true)
  const first = orders.filter(([target]) => target === 'a').length / sessions.length
  expect(first).toBeGreaterThan(0.72)
  expect(first).toBeLessThan(0.78)
})

test('[ROUTE-12] a session keeps to its target, also when another one is taken away', () => {
  for (const session of sessions.slice(0, 200)) {
    const [first] = orderFor({ targets }, session)
    expect(orderFor({ targets: targets.toReversed() }, session)[0]).toBe(first)
    const without = targets.filter(({ target }) => target === first || target === 'c')
    expect(orderFor({ targets: without }, session)[0]).toBe(first)
  }
})

test('[ROUTE-12] a target of weight 0 is left out', () => {
  expect(orderFor({ targets: [...targets, { target: 'd', tier: 1, weight: 0 }] }, 's')).not.toContain('d')
})
