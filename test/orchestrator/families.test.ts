/** The families of providers as the model server plays them, through a whole turn: each answers, thinks, refuses, limits and errs. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import { FAMILIES, type Family, thinkingIn } from '../../load/model-server/families.ts'
import { type Bench, startBench } from './bench.ts'

type Settled = Awaited<ReturnType<typeof endedOn>>

function benchOf(family: Family): Promise<Bench> {
  return startBench({
    policy: (policy) => {
      const targets = [...policy.targets].map(
        ([name, target]) =>
          [name, thinkingIn(family) === 'text' ? { ...target, thinkTags: 'paired' as const } : target] as const,
      )
      return { ...policy, targets: new Map(targets), limits: { ...policy.limits, answerTokens: 50 } }
    },
  })
}

async function endedOn(bench: Bench, family: Family, settings: string) {
  const [before, deliveredBefore] = [bench.model.requests.length, bench.delivered.length]
  const session = await bench.session()
  const model = `sluice-demo?family=${family}&tokens=30${settings}`
  const reply = await bench.turns.send(bench.request(session, 'Hello?', { model }))
  if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
  const terminal = await bench.terminal(session, reply.turn)
  const text = (await bench.history(session)).at(-1)?.texts?.[0]?.toString() ?? ''
  const calls = bench.model.requests.slice(before)
  const chat = calls[0]?.chat
  if (chat === undefined) throw new Error('the model was not asked')
  const deliveries = bench.delivered.length - deliveredBefore
  return { terminal, text, answer: answerFor(chat), deliveries, calls: calls.length }
}

const failed = (kind: string, retryable: boolean) => ({ type: 'turn.failed', error: { kind, retryable } })

describe.each(FAMILIES)('%s', (family) => {
  let bench: Bench
  beforeAll(async () => {
    bench = await benchOf(family)
  })
  afterAll(() => bench[Symbol.asyncDispose]())

  /** A key that was refused, or came too often, rests: such a fault has a gateway of its own. */
  async function ended(settings: string): Promise<Settled> {
    if (!/401|429|empty-account/.test(settings)) return endedOn(bench, family, settings)
    await using own = await benchOf(family)
    return await endedOn(own, family, settings)
  }

  test('[PROVIDER-310] answers, in pieces as it makes them, with what it used', async () => {
    const { terminal, text, answer, deliveries } = await ended('&tps=400')
    expect([text, terminal.type, terminal.finishReason]).toEqual([answer.text, 'turn.completed', 'stop'])
    expect(deliveries).toBeGreaterThan(1)
    const { prompt_tokens: inputTokens, completion_tokens: outputTokens } = answer.usage
    expect(terminal.usage).toMatchObject({ inputTokens, outputTokens, source: 'exact' })
  })

  test('[PROVIDER-310] thinks, and none of it is in the answer', async () => {
    const { terminal, text, answer } = await ended('&think=5')
    expect([text, terminal.finishReason]).toEqual([answer.text, 'stop'])
    expect(terminal.usage).toMatchObject({ outputTokens: 35, source: 'exact' })
  })

  test.each<[string, object, 'none' | 'partial']>([
    ['blocked', failed('filtered', false), 'none'],
    ['filtered', { type: 'turn.completed', finishReason: 'content_filter' }, 'partial'],
    ['429', failed('rate-limited', true), 'none'],
    ['empty-account', failed('provider', false), 'none'],
    ['too-long', failed('too-large', false), 'none'],
    ['400', failed('provider', false), 'none'],
    ['401', failed('provider', false), 'none'],
    ['403', failed('provider', false), 'none'],
    ['404', failed('provider', false), 'none'],
    ['503', failed('provider', true), 'none'],
    ['error-in-200', failed('provider', true), 'partial'],
    ['no-marker', failed('provider', true), 'partial'],
  ])('[PROVIDER-311] %s is told for what it is, with the text that came', async (fault, expected, due) => {
    const { terminal, text, answer, calls } = await ended(`&fault=${fault}&retry-after=60`)
    expect(terminal).toMatchObject(expected)
    expect(text).toBe(due === 'none' ? '' : answer.tokens.slice(0, answer.at).join(''))
    expect(calls).toBe(1)
  })

  test('[PROVIDER-311] an answer that is cut for its length says so', async () => {
    const { terminal, text } = await ended('&tokens=60')
    expect(terminal).toMatchObject({ type: 'turn.completed', finishReason: 'length' })
    expect(text).not.toBe('')
  })
})

describe('a model that thinks for longer than another may take', () => {
  const impatient = (thinkingMs: number) =>
    startBench({
      policy: (policy) => ({
        ...policy,
        retry: { ...policy.retry, totalMs: 150, firstContentMs: 150, silenceMs: 5_000, thinkingMs },
        breaker: { ...policy.breaker, minimumCalls: 1, errorRatio: 0.01, openMs: 60_000 },
      }),
    })
  const thinking = 'sluice-demo?family=deepseek&tokens=20&think=20&ttft=600'

  test('[ROUTE-302] is waited for while it shows its thinking, and is no ill target', async () => {
    await using bench = await impatient(5_000)
    for (let turns = 0; turns < 2; turns++) {
      const session = await bench.session()
      const reply = await bench.turns.send(bench.request(session, 'Think.', { model: thinking }))
      if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
      expect(await bench.terminal(session, reply.turn)).toMatchObject({ type: 'turn.completed', finishReason: 'stop' })
    }
    expect(bench.model.requests).toHaveLength(2)
  })

  test('[ROUTE-302] is given up at its own bound, without being an ill target, and says which bound that was', async () => {
    await using bench = await impatient(300)
    for (let turns = 0; turns < 2; turns++) {
      const session = await bench.session()
      const reply = await bench.turns.send(bench.request(session, 'Think.', { model: thinking }))
      if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
      expect(await bench.terminal(session, reply.turn)).toMatchObject({
        type: 'turn.failed',
        error: { kind: 'provider', message: 'the model thought for 300 ms without an answer' },
      })
    }
    expect(bench.model.requests).toHaveLength(2)
  })
})
