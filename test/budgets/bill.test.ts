import { expect, test } from 'vitest'
import { Bill } from '../../orchestrator/bill.ts'
import { reportedTokensMax, unreadTokens } from '../../orchestrator/limits.ts'
import type { Reasoning } from '../../orchestrator/policy.ts'
import { readChunk } from '../../orchestrator/providers/chunk.ts'
import { boundPrompt, boundTokens } from '../../orchestrator/token-bound.ts'

const price = { currency: 'USD', input: 1_000_000, cachedInput: 2_000_000, output: 3_000_000 }
const messages = [{ role: 'user', content: 'How many?' }] as const
const prompt = boundPrompt(messages)
const answer = 500
const text = 'As many as there are.'

/** A call that was sent and brought some text. */
function called(reasoning: Reasoning = 'none'): Bill {
  const bill = new Bill()
  bill.called(1, { price, reasoning }, { messages, maxOutputTokens: answer })
  bill.connected(1)
  bill.text(1, text)
  return bill
}
const seen = boundTokens(text)

test('[BUDGET-150] a report that cannot be true does not lower the books', () => {
  for (const usage of [
    { inputTokens: 0, outputTokens: 0 },
    { inputTokens: 0, outputTokens: 7 },
    { inputTokens: 9, outputTokens: 0 },
    { inputTokens: reportedTokensMax + 1, outputTokens: 7 },
    { inputTokens: 9, outputTokens: Number.MAX_SAFE_INTEGER },
  ]) {
    const bill = called()
    bill.counted(1, usage)
    bill.ended(1, usage)
    const { usage: booked } = bill.total()
    expect(booked.source).toBe('bound')
    expect(booked.inputTokens).toBeGreaterThanOrEqual(prompt)
    expect(booked.inputTokens).toBeLessThan(reportedTokensMax)
    expect(booked.outputTokens).toBeGreaterThanOrEqual(seen)
  }
  for (const prompt_tokens of [-1, 1.5, '7', null, 1e300, Number.NaN])
    expect(readChunk(JSON.stringify({ usage: { prompt_tokens, completion_tokens: 1 } }))).not.toHaveProperty('usage')
})

test('[BUDGET-150] what is said on the way only raises what is booked, and what is said at the end is exact', () => {
  const early = called()
  early.counted(1, { inputTokens: 1, outputTokens: 1 })
  early.closed(1)
  expect(early.total().usage).toEqual({ inputTokens: prompt, outputTokens: seen + unreadTokens, source: 'bound' })
  const cumulative = called()
  cumulative.counted(1, { inputTokens: 90, outputTokens: 400 })
  cumulative.counted(1, { inputTokens: 90, outputTokens: 300 })
  cumulative.closed(1)
  expect(cumulative.total().usage).toEqual({ inputTokens: 90, outputTokens: 400, source: 'bound' })
  const ended = called('hidden')
  ended.counted(1, { inputTokens: 90, outputTokens: 400 })
  ended.ended(1, { inputTokens: 5, outputTokens: 6 })
  expect(ended.total()).toEqual({
    usage: { inputTokens: 5, outputTokens: 6, source: 'exact' },
    cost: { amount: '0.000023', currency: 'USD' },
  })
})

test('[BUDGET-145] what a model may have thought unseen is booked for who thinks unseen alone', () => {
  const outputs = (reasoning: Reasoning, end: (bill: Bill) => void) => {
    const bill = called(reasoning)
    end(bill)
    return bill.total().usage.outputTokens
  }
  const closed = (bill: Bill) => bill.closed(1)
  const ended = (bill: Bill) => bill.ended(1, undefined)
  expect(outputs('hidden', closed)).toBe(answer)
  expect(outputs('hidden', ended)).toBe(answer)
  for (const reasoning of ['none', 'visible'] as const) {
    expect(outputs(reasoning, closed)).toBe(seen + unreadTokens)
    expect(outputs(reasoning, ended)).toBe(seen)
  }
})

test('[BUDGET-145] a connection that was not read may hold all of the answer', () => {
  const bill = called()
  bill.unread(1)
  expect(bill.most().tokens).toBe(prompt + answer)
  bill.closed(1)
  expect(bill.total().usage.outputTokens).toBe(answer)
})

test('[BUDGET-145] thinking that is sent is read, under either of its names', () => {
  for (const name of ['reasoning_content', 'reasoning'])
    expect(readChunk(JSON.stringify({ choices: [{ delta: { [name]: 'Hm.' } }] }))).toMatchObject({ thought: 'Hm.' })
})

test('[BUDGET-144] a call that was refused, or never sent, costs nothing, and no cached price is assumed', () => {
  const bill = new Bill()
  for (const call of [1, 2, 3]) bill.called(call, { price, reasoning: 'none' }, { messages, maxOutputTokens: answer })
  expect(bill.most()).toEqual({ tokens: 3 * (prompt + answer), micros: 3 * (2 * prompt + 3 * answer) })
  bill.broke(1)
  bill.closed(2)
  expect(bill.amounts()).toEqual({ tokens: 0, micros: 0 })
  bill.connected(3)
  bill.closed(3)
  expect(bill.amounts()).toEqual({ tokens: prompt + unreadTokens, micros: 2 * prompt + 3 * unreadTokens })
})
