import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import type { RecordedRequest } from '../../load/model-server/recorded-request.ts'
import type { Ledger as LedgerPort } from '../../orchestrator/budget-port.ts'
import type { Policy, Reasoning, RetryPolicy, ScopeLimits } from '../../orchestrator/policy.ts'
import type { Ledger } from '../../sessions/budgets/ledger.ts'
import { createMemoryLedger } from '../../sessions/budgets/memory-ledger.ts'
import { type Bench, owner, startBench } from '../orchestrator/bench.ts'
import { connectedLog } from '../sessions/redis-bench.ts'
import { noLimits, targetAt } from '../support/policy.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { connectedLedger, targetOf } from './bench.ts'
import { tokenCounts } from './token-counts.ts'
import { denseTexts } from './token-texts.ts'

/**
 * A provider that counts with a real tokenizer and bills until its connection is closed, against the books: however a call
 * ends, they have at least what it bills, and all calls together are within the budget.
 */

vi.setConfig({ testTimeout: 60_000 })

/** A micro for each token. */
const price = { currency: 'USD', input: 1_000_000, cachedInput: 1_000_000, output: 1_000_000 }
const answerTokens = 4_096
const dense = denseTexts()['digits with blanks'] ?? ''
const denseTokens = Math.max(...(tokenCounts['digits with blanks'] ?? [0]))

/** As o200k counts `1 2 3 …`: a blank is a token of its own, and so are three digits. */
function countedTokens(pieces: number): number {
  let tokens = 0
  for (let number = 1; number <= pieces; number++) tokens += Math.ceil(String(number).length / 3) + (number > 1 ? 1 : 0)
  return tokens
}

/** What it reports when it comes to its end, else what was made until the connection closed; no more than was asked for. */
function billOf(request: RecordedRequest, longest: number): number {
  const { chat, fault, status, thoughtTokenCount, sentTokenCount } = request
  if (chat === undefined) return 0
  if (status === 'completed' && fault === undefined) return answerFor(chat).usage.total_tokens
  const asksDense = chat.messages.some(({ content }) => content === dense)
  return (asksDense ? denseTokens : 0) + Math.min(longest, thoughtTokenCount + countedTokens(sentTokenCount))
}

interface Given {
  readonly reasoning?: Reasoning
  readonly subject?: Partial<ScopeLimits>
  readonly retry?: Partial<RetryPolicy>
  readonly longest?: number
  /** Models of the targets, by tier. Default: one, `count`. */
  readonly models?: readonly string[]
}

function policyOf({ reasoning = 'none', subject, retry, longest = answerTokens, models = ['m?answer=count'] }: Given) {
  return (policy: Policy): Policy => {
    const url = policy.targets.get('test')?.baseUrl ?? ''
    const targets = models.map((model, index) => targetAt(`t${index}`, url, { model, price, reasoning }))
    const order = targets.map(({ name }, tier) => ({ target: name, tier, weight: 1 }))
    return {
      ...policy,
      models: new Map([[policy.defaultModel, { targets: order }]]),
      targets: new Map(targets.map((target) => [target.name, target])),
      retry: { ...policy.retry, ...retry },
      limits: {
        ...policy.limits,
        answerTokens: longest,
        scopes: { ...policy.limits.scopes, subject: { ...noLimits, microsPerDay: 1_000_000, ...subject } },
      },
    }
  }
}

async function spentMicros(ledger: Ledger): Promise<number> {
  const { scopes } = await ledger.spent(owner)
  return (scopes.subject?.dayMicros ?? 0) + (scopes.subject?.heldMicros ?? 0)
}

async function begun(bench: Bench, content = dense) {
  const session = await bench.session()
  const sent = await bench.turns.send(bench.request(session, content))
  if (sent.kind !== 'accepted') throw new Error(JSON.stringify(sent))
  return { session, turn: sent.turn }
}

async function allClosed(bench: Bench): Promise<readonly RecordedRequest[]> {
  for (const { number } of bench.model.requests)
    await bench.model.waitFor((request) => request.number === number && request.closedAtMs !== undefined)
  return bench.model.requests
}

type Begun = Awaited<ReturnType<typeof begun>>
type End = (bench: Bench, turn: Begun) => Promise<unknown>

const cancel: End = async (bench, { session, turn }) => {
  await bench.log.cancel({ session, turn })
  await bench.terminal(session, turn)
}
const erase: End = (bench, { session }) => bench.log.erase(session)
const itself: End = (bench, { session, turn }) => bench.terminal(session, turn)
const drain: End = (bench) => bench.turns.drain(0)
const replaceAndCancel: End = async (bench, { session, turn }) => {
  await bench.terminal(session, turn)
  const again = await bench.turns.send(bench.request(session, dense, { replaces: turn }))
  if (again.kind !== 'accepted') throw new Error(JSON.stringify(again))
  await bench.model.waitFor(({ number, sentTokenCount }) => number === 2 && sentTokenCount > 20)
  await cancel(bench, { session, turn: again.turn })
}
const arrived = (request: RecordedRequest) => request.chat !== undefined
const sent = (count: number) => (request: RecordedRequest) => request.sentTokenCount >= count

interface Phase {
  readonly name: string
  readonly model: string
  readonly more?: readonly string[]
  readonly until: (request: RecordedRequest) => boolean
  readonly end: End
  readonly retry?: Partial<RetryPolicy>
}

const slow = 'm?answer=count&tokens=1000&tps=400'
const phases: readonly Phase[] = [
  { name: 'cancelled before the head', model: 'm?answer=count&fault=stall-before', until: arrived, end: cancel },
  { name: 'cancelled before the first token', model: 'm?fault=stall-headers', until: arrived, end: cancel },
  { name: 'cancelled in the middle', model: slow, until: sent(60), end: cancel },
  { name: 'cancelled at once', model: slow, until: sent(1), end: cancel },
  { name: 'cancelled near the end', model: 'm?answer=count&tokens=400&tps=4000', until: sent(380), end: cancel },
  { name: 'whose session is deleted', model: slow, until: sent(60), end: erase },
  { name: 'whose node leaves', model: slow, until: sent(60), end: drain },
  { name: 'that is asked again', model: 'm?answer=count&tokens=100&tps=1000', until: sent(1), end: replaceAndCancel },
  { name: 'that runs to its end', model: 'm?answer=count&tokens=30', until: sent(1), end: itself },
  {
    name: 'that falls silent',
    model: 'm?answer=count&tokens=300&fault=stall-mid',
    until: sent(150),
    end: itself,
    retry: { silenceMs: 100 },
  },
  {
    name: 'that breaks and is asked anew',
    model: 'm?answer=count&tokens=300&fault=reset-mid',
    more: ['m?answer=count&tokens=30'],
    until: sent(150),
    end: itself,
    retry: { afterContent: 'restart', breaks: 1 },
  },
  {
    name: 'that is hedged',
    model: 'm?answer=count&fault=stall-before',
    more: ['m?answer=count&tokens=300&tps=1000'],
    until: sent(20),
    end: cancel,
    retry: { hedgeMs: 20 },
  },
  {
    name: 'whose first call is late',
    model: 'm?answer=count&fault=stall-headers',
    more: ['m?answer=count&tokens=300&tps=1000'],
    until: sent(20),
    end: cancel,
    retry: { firstContentMs: 50 },
  },
]

describe('the books have at least what an answer bills', () => {
  test.each(phases.flatMap((phase) => (['none', 'hidden'] as const).map((reasoning) => ({ ...phase, reasoning }))))(
    '[BUDGET-144] $name, with reasoning $reasoning',
    async ({ model, more = [], until, end, retry = {}, reasoning }) => {
      const ledger = createMemoryLedger()
      const policy = policyOf({ reasoning, retry, models: [model, ...more] })
      await using bench = await startBench({ ledger, policy })
      const turn = await begun(bench)
      await bench.model.waitFor(until)
      await end(bench, turn)
      const requests = await allClosed(bench)
      // What it used is booked behind its end.
      await bench.turns.drain(0)
      const bill = requests.reduce((sum, request) => sum + billOf(request, answerTokens), 0)
      const { scopes } = await ledger.spent(owner)
      expect(scopes.subject?.dayMicros).toBeGreaterThanOrEqual(bill)
      expect(scopes.subject?.heldMicros).toBe(0)
    },
  )

  test.each([100, 300])('[BUDGET-144] cancelled while it thinks unseen, after %i ms', async (afterMs) => {
    const ledger = createMemoryLedger()
    const policy = policyOf({ reasoning: 'hidden', models: ['m?answer=count&think=3000&ttft=400'] })
    await using bench = await startBench({ ledger, policy })
    const turn = await begun(bench)
    const request = await bench.model.waitFor(arrived)
    while (Date.now() < request.receivedMs + afterMs) await new Promise((resolve) => setTimeout(resolve, 5))
    await cancel(bench, turn)
    const bill = billOf((await allClosed(bench))[0] ?? request, answerTokens)
    await bench.turns.drain(0)
    expect(bill).toBeGreaterThan(denseTokens + 500)
    expect(await spentMicros(ledger)).toBeGreaterThanOrEqual(bill)
    const terminal = await bench.terminal(turn.session, turn.turn)
    expect(terminal.usage).toMatchObject({ outputTokens: answerTokens, source: 'bound' })
  })

  test('[BUDGET-145] a model that does not think unseen is booked with what came, and little more', async () => {
    const ledger = createMemoryLedger()
    await using bench = await startBench({ ledger, policy: policyOf({ models: [slow] }) })
    const turn = await begun(bench, 'Count')
    await bench.model.waitFor(sent(60))
    await cancel(bench, turn)
    const { outputTokens } = (await bench.terminal(turn.session, turn.turn)).usage
    const [request] = await allClosed(bench)
    expect(outputTokens).toBeLessThan(countedTokens(request?.sentTokenCount ?? 0) + 150)
  })
})

/** Ledgers of two nodes. */
type MakeLedgers = () => Promise<readonly [Ledger, Ledger]>

let redis: RedisServer
beforeAll(async () => {
  redis = await startRedisServer()
})
afterAll(() => redis[Symbol.asyncDispose]())

const stores: readonly (readonly [string, MakeLedgers])[] = [
  [
    'memory',
    async () => {
      const ledger = createMemoryLedger()
      return [ledger, ledger]
    },
  ],
  [
    'Redis',
    async () => {
      await redis.client.flushall()
      const target = targetOf(redis.url)
      return [await connectedLedger({ target }), await connectedLedger({ target })]
    },
  ],
]

async function closeLedgers(ledgers: readonly Ledger[]): Promise<void> {
  for (const ledger of ledgers) if ('close' in ledger && typeof ledger.close === 'function') await ledger.close()
}

describe.each(stores)('two nodes with books in %s', (_name, make) => {
  test.each(['none', 'hidden'] as const)(
    '[BUDGET-146] 60 dense messages at once, cancelled at the first word, bill no more than the budget, with reasoning %s',
    async (reasoning) => {
      const ledgers = await make()
      const longest = 100
      const budget = 10 * (denseTokens + longest)
      const given = { reasoning, longest, subject: { microsPerDay: budget }, models: [slow] }
      const nodes = await Promise.all(ledgers.map((ledger) => startBench({ ledger, policy: policyOf(given) })))
      const send = async (index: number) => {
        const bench = nodes[index % 2]
        if (bench === undefined) throw new Error('no node')
        const session = await bench.session()
        const reply = await bench.turns.send(bench.request(session, dense))
        return reply.kind === 'accepted' ? [{ bench, session, turn: reply.turn }] : []
      }
      const passed = (await Promise.all(Array.from({ length: 60 }, (_unused, index) => send(index)))).flat()
      expect(passed.length).toBeGreaterThan(2)
      for (const bench of nodes)
        for (let number = 1; number <= passed.filter((one) => one.bench === bench).length; number++)
          await bench.model.waitFor((request) => request.number === number && request.sentTokenCount > 0)
      for (const { bench, session, turn } of passed) await cancel(bench, { session, turn })
      let bill = 0
      for (const bench of nodes) for (const request of await allClosed(bench)) bill += billOf(request, longest)
      for (const bench of nodes) await bench[Symbol.asyncDispose]()
      const spent = await spentMicros(ledgers[0])
      expect(spent).toBeGreaterThanOrEqual(bill)
      expect(spent).toBeLessThanOrEqual(budget)
      await closeLedgers(ledgers)
    },
  )

  test('[BUDGET-147] a hedge that the budget does not allow is not made, and the answer comes all the same', async () => {
    const ledgers = await make()
    const longest = 100
    // One call, and not two.
    const given = { longest, retry: { hedgeMs: 20 }, subject: { microsPerDay: denseTokens + 3 * longest + 400 } }
    const models = ['m?answer=count&tokens=20&ttft=200', 'm?answer=count&tokens=20']
    await using bench = await startBench({ ledger: ledgers[1], policy: policyOf({ ...given, models }) })
    const turn = await begun(bench)
    expect((await bench.terminal(turn.session, turn.turn)).type).toBe('turn.completed')
    expect(bench.model.requests).toHaveLength(1)
    expect(bench.metrics).toContainEqual(['budgetRefused', 'subject', 'microsPerDay'])
    await closeLedgers(ledgers)
  })

  test.each(['restart', 'continue'] as const)(
    '[BUDGET-147] a break that the budget does not allow to be mended by %s ends the answer, and says why',
    async (afterContent) => {
      const ledgers = await make()
      const retry = { afterContent, breaks: 2 }
      const given = { longest: 100, retry, subject: { microsPerDay: denseTokens + 700 } }
      const models = ['m?answer=count&tokens=90&fault=reset-mid', 'm?answer=count&tokens=20']
      await using bench = await startBench({ ledger: ledgers[0], policy: policyOf({ ...given, models }) })
      const turn = await begun(bench)
      const terminal = await bench.terminal(turn.session, turn.turn)
      expect(terminal).toMatchObject({ type: 'turn.failed', error: { kind: 'over-budget' } })
      expect(terminal.bytes).toBeGreaterThan(0)
      expect(bench.model.requests).toHaveLength(1)
      await bench.turns.drain(0)
      expect(await spentMicros(ledgers[1])).toBeLessThanOrEqual(denseTokens + 700)
      await closeLedgers(ledgers)
    },
  )
})

describe('a node that is lost', () => {
  test('[BUDGET-148] what its calls may have used is booked, and who takes the turn over reserves for itself', async () => {
    const ledger = createMemoryLedger()
    await redis.client.flushall()
    const logs = [await connectedLog(redis.url, '0', {}), await connectedLog(redis.url, '0', {})] as const
    const turns = { leaseMs: 300, renewMs: 100 }
    /** Its words to the books are lost from then on. */
    let isDead = false
    const dying: LedgerPort = {
      reserve: (request) => (isDead ? Promise.reject(new Error('dead')) : ledger.reserve(request)),
      settle: (request) => (isDead ? Promise.reject(new Error('dead')) : ledger.settle(request)),
    }
    const policy = policyOf({ models: [slow] })
    const first = await startBench({ log: logs[0], ledger: dying, policy, turns })
    await using second = await startBench({
      log: logs[1],
      ledger,
      policy: policyOf({ models: ['m?answer=count&tokens=30'] }),
      turns,
    })
    const turn = await begun(first)
    await first.model.waitFor(sent(60))
    isDead = true
    first.turns.close()
    second.turns.seek()
    const terminal = await second.terminal(turn.session, turn.turn, 20_000)
    expect(terminal).toMatchObject({ type: 'turn.completed', usage: { source: 'estimated' } })
    const bill = [...(await allClosed(first)), ...(await allClosed(second))]
    await second.turns.drain(0)
    const billed = bill.reduce((sum, request) => sum + billOf(request, answerTokens), 0)
    expect(await spentMicros(ledger)).toBeGreaterThanOrEqual(billed)
    await first[Symbol.asyncDispose]()
  })
})
