import { describe, expect, test, vi } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import type { Ledger } from '../../orchestrator/budget-port.ts'
import type { TurnFlags } from '../../orchestrator/flags.ts'
import type { Policy, ScopeLimits } from '../../orchestrator/policy.ts'
import type { TerminalRecord } from '../../protocol/record.ts'
import { createMemoryLedger } from '../../sessions/budgets/memory-ledger.ts'
import { createRedisLedger, type RedisLedger } from '../../sessions/redis/budgets.ts'
import { createRedisLog } from '../../sessions/redis/redis-log.ts'
import { type RedisTarget, redisTarget } from '../../sessions/redis/redis-url.ts'
import { noLimits, targetAt } from '../support/policy.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { type Bench, owner, shown, startBench } from './bench.ts'

async function answered(bench: Bench, content: string, more: object = {}) {
  const session = await bench.session()
  const sent = await bench.turns.send(bench.request(session, content, more))
  if (sent.kind !== 'accepted') throw new Error(JSON.stringify(sent))
  const terminal = await bench.terminal(session, sent.turn)
  const text = (await bench.history(session)).at(-1)?.texts?.[0]?.toString() ?? ''
  expect(shown(bench.delivered, sent.turn)).toBe(text)
  expect(terminal.bytes).toBe(Buffer.byteLength(text))
  return { session, terminal, text }
}

const withCache = (policy: Policy): Policy => ({
  ...policy,
  cache: { isOn: true, maxEntries: 2, maxBytes: 1_000_000, ttlMs: 60_000 },
})

const asked = (bench: Bench) => bench.model.requests.length

describe('the cache', () => {
  test('[CACHE-1] gives the answer to the very same request again, to whoever allows it', async () => {
    await using bench = await startBench({ policy: withCache })
    const first = await answered(bench, 'What is a tape?', { mayCache: true })
    const second = await answered(bench, 'What is a tape?', { mayCache: true })
    expect(asked(bench)).toBe(1)
    expect(second.text).toBe(first.text)
    expect(second.terminal).toMatchObject({
      type: 'turn.completed',
      finishReason: 'stop',
      sha256: first.terminal.sha256,
      usage: { inputTokens: 0, outputTokens: 0, source: 'exact' },
    })
    expect(bench.metrics.filter(([name]) => name === 'cacheAsked')).toEqual([
      ['cacheAsked', false],
      ['cacheAsked', true],
    ])
  })

  test('[CACHE-160] an answer goes with the session that it was made in, and stays when another one goes', async () => {
    await using bench = await startBench({ policy: withCache })
    const first = await answered(bench, 'one', { mayCache: true })
    const second = await answered(bench, 'one', { mayCache: true })
    expect(asked(bench)).toBe(1)
    await bench.log.erase(second.session)
    await answered(bench, 'one', { mayCache: true })
    expect(asked(bench)).toBe(1)
    await bench.log.erase(first.session)
    await answered(bench, 'one', { mayCache: true })
    expect(asked(bench)).toBe(2)
  })

  test('[CACHE-161] it goes too when the session is erased on another node, or the news of that may be lost', {
    timeout: 60_000,
  }, async () => {
    await using redis = await startRedisServer()
    const target = redisTarget(redis.url)
    if (target === undefined) throw new Error('no target')
    const [here, there] = [createRedisLog({ target }), createRedisLog({ target })]
    await using _closing = { [Symbol.asyncDispose]: () => there.close() }
    await vi.waitFor(() => expect(here.isConnected && there.isConnected).toBe(true))
    await using bench = await startBench({ policy: withCache, log: here })
    const again = async (count: number) => {
      await vi.waitFor(async () => {
        await answered(bench, 'one', { mayCache: true })
        expect(asked(bench)).toBe(count)
      }, 10_000)
    }
    const { session } = await answered(bench, 'one', { mayCache: true })
    await again(1)
    await there.erase(session)
    await again(2)
    await again(2)
    // Who listens is cut off.
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await again(3)
  })

  test('[CACHE-2] keeps nothing for who does not allow it, for another tenant, or beyond its bounds', async () => {
    await using bench = await startBench({ policy: withCache })
    await answered(bench, 'one', { mayCache: true })
    await answered(bench, 'one')
    await answered(bench, 'one', { mayCache: true, owner: { ...owner, tenant: 'another' } })
    expect(asked(bench)).toBe(3)
    // Two are kept: the third takes the place of the first.
    await answered(bench, 'two', { mayCache: true })
    await answered(bench, 'one', { mayCache: true })
    expect(asked(bench)).toBe(5)
    await answered(bench, '[[fault=filtered tokens=20]]\nthree', { mayCache: true })
    await answered(bench, '[[fault=filtered tokens=20]]\nthree', { mayCache: true })
    expect(asked(bench)).toBe(7)
  })
})

test('[CACHE-2] of an answer that went on after a break not even the rest is kept', async () => {
  await using bench = await startBench({
    policy: (policy) => ({ ...withCache(policy), retry: { ...policy.retry, afterContent: 'continue', breaks: 1 } }),
  })
  const question = '[[fault=reset-mid times=1 key=once tokens=20]]\nHalf?'
  const first = await answered(bench, question, { mayCache: true })
  const second = await answered(bench, question, { mayCache: true })
  expect(second.text).toBe(first.text)
  expect(asked(bench)).toBe(3)
})

const secret = 'ann.smith@example.com'

function hiding(policy: Policy): Policy {
  const everybody = { redact: ['email'], custom: [], filter: { words: ['Kumquat'] } } as const
  return { ...policy, privacy: { everybody, tenants: new Map() } }
}

describe('what a provider and a reader see', () => {
  test('[ANSWER-1] the provider sees placeholders, the reader the values', async () => {
    await using bench = await startBench({ policy: hiding })
    const question = `Write to ${secret}, and to ${secret} again.`
    const { text } = await answered(bench, question, { model: 'sluice-demo?answer=echo' })
    expect(text).toBe(question)
    expect(JSON.stringify(bench.model.requests.map(({ body }) => body))).not.toContain('smith')
    expect(bench.metrics).toContainEqual(['redacted', 'email', 2])
  })

  test('[ANSWER-2] what is continued after a break hides the values of what there is too', async () => {
    await using bench = await startBench({
      policy(policy) {
        const url = policy.targets.get('test')?.baseUrl ?? ''
        const ill = targetAt('ill', url, { model: 'm?answer=echo&fault=reset-mid&at=20' })
        const well = targetAt('well', url, { model: 'm?answer=echo' })
        const order = [ill, well].map(({ name }, tier) => ({ target: name, tier, weight: 1 }))
        return {
          ...hiding(policy),
          models: new Map([[policy.defaultModel, { targets: order }]]),
          targets: new Map([ill, well].map((target) => [target.name, target])),
          retry: { ...policy.retry, afterContent: 'continue', breaks: 1 },
        }
      },
    })
    const question = `Dear ${secret}, ${'and so on, '.repeat(12)}yours, ${secret}.`
    const { text, terminal } = await answered(bench, question)
    expect(terminal.type).toBe('turn.completed')
    expect(text).toBe(question)
    expect(asked(bench)).toBe(2)
    expect(JSON.stringify(bench.model.requests.map(({ body }) => body))).not.toContain('smith')
  })

  test('[ANSWER-3] a forbidden word stops the answer before it, and closes the provider', async () => {
    await using bench = await startBench({ policy: hiding })
    const { text, terminal } = await answered(bench, 'Say it: kumquat! And more, and more, and more.', {
      model: 'sluice-demo?answer=echo&tps=20',
    })
    expect(terminal).toMatchObject({ type: 'turn.failed', error: { kind: 'filtered' } })
    expect(text).toBe('Say it: ')
    await bench.model.waitFor((request) => request.status === 'closed-by-client')
    expect(bench.metrics).toContainEqual(['filtered'])
  })

  test('[ANSWER-4] when no target can answer the offline text does, and says so', async () => {
    const offline = 'Nobody can answer for now.'
    await using bench = await startBench({
      policy(policy) {
        const alias = { targets: [{ target: 'test', tier: 1, weight: 1 }], offline }
        return { ...policy, models: new Map([[policy.defaultModel, alias]]) }
      },
      model: { fault: '503' },
    })
    const { text, terminal } = await answered(bench, 'Hello?')
    expect(text).toBe(offline)
    expect(terminal).toMatchObject({ type: 'turn.completed', finishReason: 'offline', usage: { source: 'unknown' } })
  })
})

const price = { currency: 'USD', input: 1_000_000, cachedInput: 1_000_000, output: 1_000_000 }
const answerTokens = 20

/** At most so much for the subject, and every token costs a micro. */
function limited(limits: Partial<ScopeLimits>): (policy: Policy) => Policy {
  return (policy) => ({
    ...policy,
    targets: new Map([...policy.targets].map(([name, target]) => [name, { ...target, price }])),
    limits: {
      ...policy.limits,
      answerTokens,
      scopes: { ...policy.limits.scopes, subject: { ...noLimits, ...limits } },
    },
  })
}

async function connected(target: RedisTarget): Promise<RedisLedger> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const quiet = () => undefined
  const events = { connected: (is: boolean) => is && resolve(), failed: quiet, troubled: quiet }
  const ledger = createRedisLedger({ target, events })
  await promise
  return ledger
}

describe('budgets on two nodes', () => {
  const turnCount = 7
  /** What one of these turns reserves: its prompt and the longest answer. */
  async function reservedMicros(): Promise<number> {
    const seen: number[] = []
    const ledger: Ledger = {
      async reserve({ micros }) {
        seen.push(micros)
        return { kind: 'ok' }
      },
      settle: async () => undefined,
    }
    await using bench = await startBench({ ledger, policy: limited({ microsPerDay: 1 }) })
    await answered(bench, 'How much?')
    return seen[0] ?? 0
  }

  test.each([
    ['messages a minute', { messagesPerMinute: turnCount }, 'rate-limited'],
    ['running turns', { runningTurns: turnCount }, 'busy'],
    ['money a day', { microsPerDay: turnCount }, 'over-budget'],
    ['money a month', { microsPerMonth: turnCount }, 'over-budget'],
  ] as const)(
    '[ANSWER-5] exactly as many turns pass as %s allow, and what they used is booked',
    async (_, given, kind) => {
      await using redis = await startRedisServer()
      const target = redisTarget(redis.url)
      if (target === undefined) throw new Error('no target')
      const factor = kind === 'over-budget' ? await reservedMicros() : 1
      const limits = Object.fromEntries(Object.entries(given).map(([name, count]) => [name, count * factor]))
      const ledgers = [await connected(target), await connected(target)] as const
      const nodes = await Promise.all(
        ledgers.map((ledger) => startBench({ ledger, policy: limited(limits), model: { fault: 'stall-mid' } })),
      )
      const send = async (index: number) => {
        const bench = nodes[index % 2]
        if (bench === undefined) throw new Error('no node')
        const session = await bench.session()
        return { bench, session, reply: await bench.turns.send(bench.request(session, 'How much?')) }
      }
      const sent = await Promise.all(Array.from({ length: 6 * turnCount }, (_unused, index) => send(index)))
      const passed = sent.flatMap(({ bench, session, reply }) =>
        reply.kind === 'accepted' ? [{ bench, session, turn: reply.turn }] : [],
      )
      expect(passed).toHaveLength(turnCount)
      for (const { reply } of sent)
        if (reply.kind === 'refused') expect(reply.refusal).toMatchObject({ kind, retryable: true })
      for (const bench of nodes)
        for (let number = 1; number <= passed.filter((one) => one.bench === bench).length; number++)
          await bench.model.waitFor(
            (request) => request.number === number && request.sentTokenCount === answerTokens / 2,
          )
      const ends: TerminalRecord[] = []
      for (const { bench, session, turn } of passed) {
        await bench.log.cancel({ session, turn })
        ends.push(await bench.terminal(session, turn))
      }
      // A node that leaves books what its turns used first.
      for (const node of nodes) await node[Symbol.asyncDispose]()
      const micros = ends.reduce((sum, { cost }) => sum + Math.round(Number(cost?.amount ?? 0) * 1_000_000), 0)
      expect(micros).toBeGreaterThan(0)
      const { tenant, subject } = owner
      const { scopes } = await ledgers[0].spent({ tenant, subject })
      expect(scopes.subject).toMatchObject({ dayMicros: micros, monthMicros: micros, heldMicros: 0, runningTurns: 0 })
      for (const ledger of ledgers) await ledger.close()
    },
  )

  test('[ANSWER-5] a message that is in is answered so, also when its subject may send no more', async () => {
    await using bench = await startBench({ policy: limited({ runningTurns: 1 }), model: { fault: 'stall-mid' } })
    const session = await bench.session()
    const request = bench.request(session, 'Once')
    const first = await bench.turns.send(request)
    if (first.kind !== 'accepted') throw new Error(JSON.stringify(first))
    expect(await bench.turns.send(request)).toMatchObject({ kind: 'accepted', turn: first.turn, isRepeat: true })
    const other = await bench.turns.send(bench.request(await bench.session(), 'Other'))
    expect(other).toMatchObject({ refusal: { kind: 'busy' } })
    expect(bench.metrics).toContainEqual(['budgetRefused', 'subject', 'runningTurns'])
  })

  test('[ANSWER-7] a conversation goes on when a minute does not take all of its history', async () => {
    await using bench = await startBench({ policy: limited({ tokensPerMinute: 400 }) })
    const session = await bench.session()
    for (const question of ['one', 'two', 'three', 'four']) {
      const sent = await bench.turns.send(bench.request(session, `${question} ${'word '.repeat(20)}`))
      if (sent.kind === 'refused') expect(sent.refusal.kind).toBe('rate-limited')
      else await bench.terminal(session, sent.turn)
    }
    const prompts = bench.model.requests.map(({ chat }) => chat?.messages.length ?? 0)
    expect(prompts.length).toBeGreaterThan(1)
  })

  test('[ANSWER-5] an answer whose session is erased in the middle is paid for', async () => {
    const settled = Promise.withResolvers<number>()
    const ledger: Ledger = {
      reserve: async () => ({ kind: 'ok' }),
      settle: async ({ used }) => settled.resolve(used?.micros ?? 0),
    }
    await using bench = await startBench({ ledger, policy: limited({}), model: { fault: 'stall-mid' } })
    const session = await bench.session()
    const sent = await bench.turns.send(bench.request(session, 'Gone?'))
    if (sent.kind !== 'accepted') throw new Error(JSON.stringify(sent))
    await bench.model.waitFor((request) => request.sentTokenCount === answerTokens / 2)
    await bench.log.erase(session)
    expect(await settled.promise).toBeGreaterThan(0)
  })

  test('[BUDGET-151] a reservation whose reply was lost is given back', async () => {
    const ledger = createMemoryLedger()
    let isLossy = true
    const lossy: Ledger = {
      async reserve(request) {
        const reply = await ledger.reserve(request)
        if (isLossy) throw new Error('the reply was lost')
        return reply
      },
      settle: (settlement) => ledger.settle(settlement),
    }
    await using bench = await startBench({ ledger: lossy, policy: limited({ microsPerDay: 100_000, runningTurns: 1 }) })
    const request = bench.request(await bench.session(), 'Lost?')
    expect(await bench.turns.send(request)).toMatchObject({ refusal: { kind: 'unavailable' } })
    isLossy = false
    expect((await ledger.spent(owner)).scopes.subject).toMatchObject({ heldMicros: 0, dayMicros: 0, runningTurns: 0 })
    expect(await bench.turns.send(request)).toMatchObject({ kind: 'accepted' })
  })

  test('[ANSWER-5] a message that is refused, repeated or broken gives back all that it held', async () => {
    await using bench = await startBench({ policy: limited({ runningTurns: 1 }) })
    const session = await bench.session()
    const request = bench.request(session, 'Again and again')
    const first = await bench.turns.send(request)
    if (first.kind !== 'accepted') throw new Error(JSON.stringify(first))
    await bench.terminal(session, first.turn)
    for (let round = 0; round < 3; round++)
      expect(await bench.turns.send(request)).toMatchObject({ kind: 'accepted', isRepeat: true })
    expect(await bench.turns.send({ ...request, content: 'Other' })).toMatchObject({ refusal: { kind: 'conflict' } })
    const gone = await bench.turns.send(bench.request('nowhere', 'Hello'))
    expect(gone).toMatchObject({ refusal: { kind: 'not-found' } })
    await answered(bench, '[[fault=500]]\nbroken')
    expect((await answered(bench, 'Next')).terminal.type).toBe('turn.completed')
  })
})

describe('a flag', () => {
  const off: TurnFlags = { hedging: false, continue: false, cache: false, experiment: () => false }

  test('[ANSWER-6] switches hedging, going on and the cache off', async () => {
    await using bench = await startBench({
      flags: { of: async () => off },
      policy(policy) {
        const url = policy.targets.get('test')?.baseUrl ?? ''
        const slow = targetAt('slow', url, { model: 'm?ttft=60&tokens=20' })
        const ill = targetAt('ill', url, { model: 'm?fault=reset-mid&tokens=20' })
        const well = targetAt('well', url, { model: 'm?tokens=20' })
        const order = (names: string[]) => ({ targets: names.map((target, tier) => ({ target, tier, weight: 1 })) })
        return {
          ...withCache(policy),
          models: new Map([
            [policy.defaultModel, order(['slow', 'well'])],
            ['broken', order(['ill', 'well'])],
          ]),
          targets: new Map([slow, ill, well].map((target) => [target.name, target])),
          retry: { ...policy.retry, hedgeMs: 1, afterContent: 'continue', breaks: 1 },
        }
      },
    })
    await answered(bench, 'Slow?', { mayCache: true })
    await answered(bench, 'Slow?', { mayCache: true })
    const calls = () => bench.metrics.filter(([name]) => name === 'callMade').map(([, target, why]) => [target, why])
    expect(calls()).toEqual([
      ['slow', 'first'],
      ['slow', 'first'],
    ])
    const { session, text } = await answered(bench, 'Broken?', { model: 'broken' })
    const restarted = (await bench.history(session)).find(({ record }) => record.type === 'turn.restarted')
    expect(restarted?.record).not.toHaveProperty('keep')
    const last = bench.model.requests.at(-1)?.chat
    expect(last && text === answerFor(last).text).toBe(true)
  })
})
