import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OwnerShelf } from '../../sessions/owner-shelf.ts'

test('[STORE-9] a shelf keeps the order of use through any uses and losses', () => {
  const steps = fc.array(fc.record({ session: fc.nat(12), isLost: fc.nat(4).map((n) => n === 0) }), { maxLength: 300 })
  const tenant = { name: 't', sessions: 0, bytes: 0 }
  const property = fc.property(steps, fc.nat(320), (uses, before) => {
    const shelf = new OwnerShelf<{ usedOrder: number; slot: number }>({ tenant: 't', subject: 's' }, tenant)
    const live = new Map<number, { usedOrder: number; slot: number }>()
    for (const [index, { session: id, isLost }] of uses.entries()) {
      const session = live.get(id)
      if (session !== undefined) shelf.take(session)
      live.delete(id)
      if (isLost) continue
      const used = { usedOrder: index + 1, slot: 0 }
      live.set(id, used)
      shelf.put(used)
    }
    const expected = [...live.values()].map(({ usedOrder }) => usedOrder).filter((order) => order < before)
    expect([...shelf.usedBefore(before)].map(({ usedOrder }) => usedOrder)).toEqual(expected.sort((a, b) => b - a))
    expect(shelf.isEmpty).toBe(live.size === 0)
  })
  fc.assert(property, { numRuns: 300 })
})
