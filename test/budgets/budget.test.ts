import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  costFor,
  estimateTurn,
  formatAmount,
  microsOf,
  picosOf,
  refuseInput,
  refuseOverrun,
} from '../../orchestrator/budget.ts'
import type { Overrun } from '../../orchestrator/budget-port.ts'
import type { ModelAlias, Price, TargetPolicy } from '../../orchestrator/policy.ts'
import { cost } from '../../protocol/shapes.ts'
import { unlimited } from './bench.ts'

/** 2.50, 1.25 and 10 USD for a million tokens. */
const price: Price = { currency: 'USD', input: 2_500_000, cachedInput: 1_250_000, output: 10_000_000 }

test('[BUDGET-30] an attempt costs its tokens at their prices, cached ones apart', () => {
  expect(picosOf({ inputTokens: 1_000, outputTokens: 100 }, price)).toBe(3_500_000_000n)
  expect(picosOf({ inputTokens: 1_000, outputTokens: 100, cachedTokens: 400 }, price)).toBe(3_000_000_000n)
  // More cached than there was: a provider's mistake, which makes nothing cheaper than all of it cached.
  expect(picosOf({ inputTokens: 1_000, outputTokens: 0, cachedTokens: 1_400 }, price)).toBe(1_250_000_000n)
  expect(picosOf({ inputTokens: 0, outputTokens: 0 }, price)).toBe(0n)
})

test('[BUDGET-30] money is exact beyond what a double counts, and is rounded up once, at the end of the turn', () => {
  const large = { ...price, input: 1_000_000_007, output: 999_999_937 }
  const usage = { inputTokens: 123_456_789, outputTokens: 987_654_321 }
  expect(picosOf(usage, large)).toBe(123_456_789n * 1_000_000_007n + 987_654_321n * 999_999_937n)
  const cheap = { ...price, input: 75_000 }
  const attempt = picosOf({ inputTokens: 1, outputTokens: 0 }, cheap)
  expect(microsOf(attempt)).toBe(1)
  expect(microsOf(attempt * 13n)).toBe(1)
  expect(microsOf(attempt * 14n)).toBe(2)
  expect([microsOf(0n), microsOf(1_000_000n), microsOf(1_000_001n)]).toEqual([0, 1, 2])
})

test('[BUDGET-31] an amount is a decimal number without noise, and reads back as it was', () => {
  const amounts = [0, 1, 10, 999_999, 1_000_000, 1_500_000, 20_000_000, 123_456_789, Number.MAX_SAFE_INTEGER]
  expect(amounts.map(formatAmount)).toEqual([
    '0',
    '0.000001',
    '0.00001',
    '0.999999',
    '1',
    '1.5',
    '20',
    '123.456789',
    '9007199254.740991',
  ])
  fc.assert(
    fc.property(fc.maxSafeNat(), (micros) => {
      const said = costFor(micros, 'EUR')
      expect(cost.parse(said)).toEqual(said)
      const [units = '', digits = ''] = said.amount.split('.')
      expect(Number(units + digits.padEnd(6, '0'))).toBe(micros)
      expect(digits.endsWith('0')).toBe(false)
    }),
  )
})

function target(name: string, itsPrice?: Price): readonly [string, TargetPolicy] {
  const limits = { concurrent: 0, requestsPerMinute: 0, tokensPerMinute: 0, waiting: 0 }
  const whole = { name, baseUrl: 'http://127.0.0.1/v1', model: name, provider: 'openai', keys: [], limits }
  return [name, itsPrice === undefined ? whole : { ...whole, price: itsPrice }]
}

const aliasOf = (...names: readonly string[]): ModelAlias => ({
  targets: names.map((name, tier) => ({ target: name, tier, weight: 1 })),
})

test('[BUDGET-32] a turn is estimated at the dearest target of its alias, with the longest answer and nothing cached', () => {
  const deepThought = { ...price, output: 40_000_000 }
  const targets = new Map([
    target('small', price),
    target('large', deepThought),
    target('own'),
    target('unused', { ...price, input: 1e12 }),
  ])
  const tokens = { prompt: 1_000, answer: 500 }
  expect(estimateTurn(targets, aliasOf('small', 'own'), tokens)).toEqual({ tokens: 1_500, micros: 7_500 })
  expect(estimateTurn(targets, aliasOf('small', 'large'), tokens)).toEqual({ tokens: 1_500, micros: 22_500 })
  expect(estimateTurn(targets, aliasOf('own', 'gone'), tokens)).toEqual({ tokens: 1_500, micros: 0 })
  const figures = fc.record({
    inputTokens: fc.nat(1_000),
    outputTokens: fc.nat(500),
    cachedTokens: fc.nat(1_000),
    input: fc.nat(1e9),
    cachedInput: fc.nat(1e9),
    output: fc.nat(1e9),
  })
  fc.assert(
    fc.property(figures, ({ input, cachedInput, output, ...usage }) => {
      const one = { currency: 'USD', input, cachedInput, output }
      const estimate = estimateTurn(new Map([target('one', one)]), aliasOf('one'), tokens)
      expect(estimate.micros).toBeGreaterThanOrEqual(microsOf(picosOf(usage, one)))
    }),
  )
})

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const limits = {
  ...unlimited,
  messagesPerMinute: 1,
  tokensPerMinute: 4_000,
  runningTurns: 2,
  microsPerDay: 500_000,
  microsPerMonth: 20_000_000,
}
const refuse = (scope: Overrun['scope'], limit: Overrun['limit'], retryAfterMs?: number) => {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs }
  return refuseOverrun({ kind: 'refused', scope, limit, ...wait }, limits, 'USD')
}

test('[BUDGET-33] a refusal says whose limit it is, which, and when to come back, never too early', () => {
  expect(refuse('subject', 'messagesPerMinute', 11_001)).toEqual({
    kind: 'rate-limited',
    message: 'you may send 1 message a minute; send again in 12 seconds',
    retryable: true,
    retryAfterMs: 11_001,
  })
  const said = [
    refuse('project', 'tokensPerMinute', 61_000),
    refuse('tenant', 'runningTurns', 1_000),
    refuse('subject', 'microsPerDay', 3 * hourMs + 1),
    refuse('project', 'microsPerMonth', 71 * hourMs),
    refuse('tenant', 'microsPerMonth', 5 * minuteMs),
  ]
  expect(said.map(({ kind, message }) => `${kind}: ${message}`)).toEqual([
    'rate-limited: this project may use 4000 tokens a minute; send again in 61 seconds',
    'busy: this tenant may have 2 answers under way; send again in 1 second',
    'over-budget: you may spend 0.50 USD a day; send again in 4 hours',
    'over-budget: this project may spend 20.00 USD a month; send again in 3 days',
    'over-budget: this tenant may spend 20.00 USD a month; send again in 5 minutes',
  ])
})

test('[BUDGET-34] what alone is more than a limit is not worth sending again, and the refusal says so', () => {
  expect(refuse('subject', 'tokensPerMinute')).toEqual({
    kind: 'too-large',
    message: 'you may use 4000 tokens a minute; this message and its answer alone could take more: shorten it',
    retryable: false,
  })
  expect(refuse('project', 'microsPerDay')).toEqual({
    kind: 'over-budget',
    message: 'this project may spend 0.50 USD a day; this message and its answer alone could take more',
    retryable: false,
  })
})

test('[BUDGET-35] one message may have as many tokens as the policy says', () => {
  expect(refuseInput(100, { inputTokens: 100 })).toBeUndefined()
  expect(refuseInput(1_000_000, { inputTokens: 0 })).toBeUndefined()
  expect(refuseInput(101, { inputTokens: 100 })).toMatchObject({ kind: 'too-large', retryable: false })
})
