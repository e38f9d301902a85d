import { describe, expect, test } from 'vitest'
import { Breaker, type CallResult } from '../../../orchestrator/route/breaker.ts'

const policy = { windowMs: 10_000, minimumCalls: 4, errorRatio: 0.5, openMs: 5_000, probes: 1 }

/** One call, with its result. */
function call(breaker: Breaker, result: CallResult, nowMs: number): void {
  expect(breaker.openForMs(nowMs)).toBe(0)
  breaker.ended(result, breaker.enter(nowMs), nowMs)
}

function opened(): Breaker {
  const breaker = new Breaker(policy)
  for (const result of ['well', 'well', 'ill', 'ill'] as const) call(breaker, result, 1_000)
  expect(breaker.state(1_000)).toBe('open')
  return breaker
}

describe('a breaker', () => {
  test('[ROUTE-10] opens at the ratio, and not before enough calls were made', () => {
    const breaker = new Breaker(policy)
    for (let calls = 1; calls < policy.minimumCalls; calls++) call(breaker, 'ill', 1_000)
    expect(breaker.state(1_000)).toBe('closed')
    call(breaker, 'ill', 1_000)
    expect(breaker.state(1_000)).toBe('open')
    expect(breaker.openForMs(2_000)).toBe(4_000)
  })

  test('[ROUTE-10] forgets what was before the window', () => {
    const breaker = new Breaker(policy)
    for (let calls = 0; calls < 3; calls++) call(breaker, 'ill', 1_000)
    call(breaker, 'ill', 12_000)
    expect(breaker.state(12_000)).toBe('closed')
  })

  test('[ROUTE-10] a call that was given up proves nothing', () => {
    const breaker = new Breaker(policy)
    for (let calls = 0; calls < 100; calls++) call(breaker, 'unknown', 1_000)
    expect(breaker.state(1_000)).toBe('closed')
  })

  test('[ROUTE-11] half open it lets one call through, whose result decides', () => {
    const well = opened()
    expect(well.state(6_000)).toBe('half-open')
    const probe = well.enter(6_000)
    expect(well.openForMs(6_000)).toBeGreaterThan(0)
    well.ended('well', probe, 6_100)
    expect(well.state(6_100)).toBe('closed')
    const ill = opened()
    ill.ended('ill', ill.enter(6_000), 6_100)
    expect(ill.openForMs(6_200)).toBe(4_900)
  })

  test('[ROUTE-11] a probe that was given up leaves its place to the next one', () => {
    const breaker = opened()
    breaker.ended('unknown', breaker.enter(6_000), 6_100)
    expect(breaker.openForMs(6_200)).toBe(0)
  })

  test('[ROUTE-11] results of calls from before it opened or closed say nothing', () => {
    const breaker = new Breaker(policy)
    const old = [1, 2, 3].map(() => breaker.enter(1_000))
    for (let calls = 0; calls < policy.minimumCalls; calls++) call(breaker, 'ill', 1_000)
    for (const epoch of old) breaker.ended('unknown', epoch, 6_000)
    const probe = breaker.enter(6_000)
    for (const epoch of old) breaker.ended('well', epoch, 6_000)
    expect(breaker.state(6_000)).toBe('half-open')
    breaker.ended('well', probe, 6_100)
    for (const epoch of [...old, ...old]) breaker.ended('ill', epoch, 6_200)
    expect(breaker.state(6_200)).toBe('closed')
  })
})
