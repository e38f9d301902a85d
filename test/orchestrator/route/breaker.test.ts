import { describe, expect, test } from 'vitest'
import { Breaker } from '../../../orchestrator/route/breaker.ts'

const policy = { windowMs: 10_000, minimumCalls: 4, errorRatio: 0.5, openMs: 5_000, probes: 1 }

function opened(): Breaker {
  const breaker = new Breaker(policy)
  for (const result of ['well', 'well', 'ill', 'ill'] as const) {
    expect(breaker.enter(1_000)).toBe(0)
    breaker.ended(result, 1_000)
  }
  return breaker
}

describe('a breaker', () => {
  test('[ROUTE-10] opens at the ratio, and not before enough calls were made', () => {
    const breaker = new Breaker(policy)
    for (let calls = 1; calls < policy.minimumCalls; calls++) breaker.ended('ill', 1_000)
    expect(breaker.state(1_000)).toBe('closed')
    breaker.ended('ill', 1_000)
    expect(breaker.state(1_000)).toBe('open')
    expect(breaker.enter(2_000)).toBe(4_000)
  })

  test('[ROUTE-10] forgets what was before the window', () => {
    const breaker = new Breaker(policy)
    for (let calls = 0; calls < 3; calls++) breaker.ended('ill', 1_000)
    breaker.ended('ill', 12_000)
    expect(breaker.state(12_000)).toBe('closed')
  })

  test('[ROUTE-10] a call that was given up proves nothing', () => {
    const breaker = new Breaker(policy)
    for (let calls = 0; calls < 100; calls++) breaker.ended('unknown', 1_000)
    expect(breaker.state(1_000)).toBe('closed')
  })

  test('[ROUTE-11] half open it lets one call through, whose result decides', () => {
    const well = opened()
    expect(well.state(6_000)).toBe('half-open')
    expect(well.enter(6_000)).toBe(0)
    expect(well.enter(6_000)).toBeGreaterThan(0)
    well.ended('well', 6_100)
    expect(well.state(6_100)).toBe('closed')
    const ill = opened()
    ill.enter(6_000)
    ill.ended('ill', 6_100)
    expect(ill.enter(6_200)).toBe(4_900)
  })

  test('[ROUTE-11] a probe that was given up leaves its place to the next one', () => {
    const breaker = opened()
    breaker.enter(6_000)
    breaker.ended('unknown', 6_100)
    expect(breaker.enter(6_200)).toBe(0)
  })

  test('[ROUTE-11] a late failure of a call from before does not keep it open', () => {
    const breaker = opened()
    breaker.ended('ill', 2_000)
    expect(breaker.enter(6_000)).toBe(0)
  })
})
