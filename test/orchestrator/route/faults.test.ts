import { createServer, type Server } from 'node:net'
import { describe, expect, test } from 'vitest'
import { answerFor } from '../../../load/model-server/answer.ts'
import { unreadTokens } from '../../../orchestrator/limits.ts'
import type { AfterContent, Policy, TargetPolicy } from '../../../orchestrator/policy.ts'
import { tokensOfWeight, tokenWeight } from '../../../orchestrator/token-bound.ts'
import { targetAt } from '../../support/policy.ts'
import { portOf } from '../../support/port-of.ts'
import { type Bench, shown, startBench } from '../bench.ts'

/**
 * What a fault of the first target does to a turn, whose second target is well. `calls`: made, by target and why, and how
 * each ended. Before the first content nobody sees any of it; after it, the policy decides.
 */
interface Row {
  readonly phase: 'connect' | 'headers' | 'before content' | 'in mid-answer' | 'before the end marker'
  readonly fault: string
  readonly calls: readonly string[]
}

const once = ['ill first failed', 'well fallback ended']
const twice = ['ill first failed', 'ill retry failed', 'well fallback ended']
const late = ['ill first late', 'well fallback ended']

const before: readonly Row[] = [
  { phase: 'connect', fault: 'refused', calls: twice },
  { phase: 'connect', fault: 'silent TLS', calls: ['ill first late', 'ill retry late', 'well fallback ended'] },
  { phase: 'headers', fault: 'stall-before', calls: late },
  { phase: 'headers', fault: 'reset-before', calls: twice },
  { phase: 'headers', fault: '401', calls: once },
  { phase: 'headers', fault: '403', calls: once },
  { phase: 'headers', fault: '404', calls: once },
  { phase: 'headers', fault: '408', calls: twice },
  { phase: 'headers', fault: '409', calls: twice },
  { phase: 'headers', fault: '429', calls: once },
  { phase: 'headers', fault: '500', calls: twice },
  { phase: 'headers', fault: '503', calls: twice },
  { phase: 'headers', fault: 'html', calls: twice },
  { phase: 'before content', fault: 'stall-headers', calls: late },
  { phase: 'before content', fault: 'reset-mid&at=0', calls: twice },
  { phase: 'before content', fault: 'no-marker&at=0', calls: twice },
  { phase: 'before content', fault: 'error-in-200&at=0', calls: twice },
]

const after: readonly (Row & { readonly sent: number })[] = [
  { phase: 'in mid-answer', fault: 'stall-mid&at=7', calls: ['ill first silent'], sent: 7 },
  { phase: 'in mid-answer', fault: 'reset-mid&at=7', calls: ['ill first failed'], sent: 7 },
  { phase: 'in mid-answer', fault: 'error-in-200&at=7', calls: ['ill first failed'], sent: 7 },
  { phase: 'before the end marker', fault: 'no-marker&at=20', calls: ['ill first failed'], sent: 20 },
]

const policies: readonly AfterContent[] = ['restart', 'continue', 'fail']

/** A micro for each token that goes in, a million for each that comes out: the bill shows both. */
const price = { currency: 'USD', input: 1_000_000, cachedInput: 1_000_000, output: 1e12 }

function policyWith(fault: string, afterContent: AfterContent, elsewhere: string): (policy: Policy) => Policy {
  return (policy) => {
    const url = policy.targets.get('test')?.baseUrl ?? ''
    const tokens = '?tokens=20'
    const model = elsewhere === '' ? `m${tokens}&fault=${fault}` : 'm'
    const ill: Partial<TargetPolicy> = { model, price, reasoning: 'none' }
    const targets = [
      targetAt('ill', elsewhere === '' ? url : elsewhere, ill),
      targetAt('well', url, { model: `m${tokens}`, price }),
    ]
    const order = targets.map(({ name }, tier) => ({ target: name, tier, weight: 1 }))
    return {
      ...policy,
      models: new Map([[policy.defaultModel, { targets: order }]]),
      targets: new Map(targets.map((target) => [target.name, target])),
      retry: {
        totalMs: 20_000,
        triesPerTarget: 2,
        baseMs: 1,
        maxMs: 5,
        connectMs: fault === 'silent TLS' ? 100 : 10_000,
        firstContentMs: fault.startsWith('stall') ? 100 : 10_000,
        silenceMs: fault.startsWith('stall') ? 150 : 10_000,
        thinkingMs: 60_000,
        afterContent,
        breaks: 1,
        emptyAnswer: 'accept',
        hedgeMs: 0,
      },
    }
  }
}

/** Somebody accepts connections and never says a word; nobody is at the other one's port. */
async function placeOf(fault: string): Promise<{ readonly url: string; readonly server?: Server }> {
  if (fault !== 'refused' && fault !== 'silent TLS') return { url: '' }
  const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const port = portOf(server)
  if (fault === 'silent TLS') return { url: `https://127.0.0.1:${port}/v1`, server }
  await new Promise((resolve) => server.close(resolve))
  return { url: `http://127.0.0.1:${port}/v1` }
}

async function answered(bench: Bench) {
  const session = await bench.session()
  const sent = await bench.turns.send(bench.request(session, 'What goes wrong?'))
  if (sent.kind !== 'accepted') throw new Error(JSON.stringify(sent))
  const terminal = await bench.terminal(session, sent.turn)
  const entries = await bench.history(session)
  const text = entries.at(-1)?.texts?.[0]?.toString() ?? ''
  const events = entries.map(({ record }) => record.type).slice(1)
  const restarted = entries.map(({ record }) => record).find(({ type }) => type === 'turn.restarted')
  expect(shown(bench.delivered, sent.turn)).toBe(text)
  return { terminal, text, events, restarted }
}

function callsOf(bench: Bench): readonly string[] {
  const made = bench.metrics.filter(([name]) => name === 'callMade')
  const ended = bench.metrics.filter(([name]) => name === 'callEnded')
  return made.map(([, target, why], index) => `${String(target)} ${String(why)} ${String(ended[index]?.[2])}`)
}

/** Nothing is under way at any provider. */
async function noneOpen(bench: Bench): Promise<void> {
  for (const { number } of bench.model.requests)
    await bench.model.waitFor((request) => request.number === number && request.status !== 'streaming')
}

/** What the two calls cost: the healthy one is reported, the broken one bounded from what it brought. */
function microsOf(amount: string | undefined): number {
  return Math.round(Number(amount ?? 0) * 1e6)
}

describe('a fault of the first target', () => {
  test.each(before.flatMap((row) => policies.map((policy) => ({ ...row, policy }))))(
    '[ROUTE-20] $phase: $fault, with $policy, is seen by nobody',
    async ({ phase, fault, calls, policy }) => {
      const place = await placeOf(fault)
      await using bench = await startBench({ policy: policyWith(fault, policy, place.url) })
      const { terminal, text, events } = await answered(bench)
      const asked = bench.model.requests.at(-1)?.chat
      if (asked === undefined) throw new Error('the model was not asked')
      const whole = answerFor(asked)
      expect(text).toBe(whole.text)
      expect(events).toEqual(['turn.started', 'turn.completed'])
      expect(callsOf(bench)).toEqual(calls)
      const { prompt_tokens, completion_tokens } = whole.usage
      // A provider that began to stream, or that we did not wait for, has read the prompt; what that cost it does not say.
      const readers = fault.startsWith('stall') ? 1 : phase === 'before content' ? 2 : 0
      expect(terminal.usage.source).toBe(readers === 0 ? 'exact' : 'bound')
      // Nor what it had made already that had not come.
      const outputs = completion_tokens + readers * unreadTokens
      expect(terminal.usage.outputTokens).toBe(outputs)
      const inputs = microsOf(terminal.cost?.amount) - outputs * 1_000_000
      expect(inputs).toBe(terminal.usage.inputTokens)
      expect((inputs - prompt_tokens) % Math.max(1, readers)).toBe(0)
      expect(inputs - prompt_tokens > 0).toBe(readers > 0)
      await noneOpen(bench)
      place.server?.close()
    },
  )

  test.each(after.flatMap((row) => policies.map((policy) => ({ ...row, policy }))))(
    '[ROUTE-21] $phase: $fault, with $policy',
    async ({ fault, calls, sent, policy }) => {
      await using bench = await startBench({ policy: policyWith(fault, policy, '') })
      const { terminal, text, events, restarted } = await answered(bench)
      const asked = bench.model.requests[0]?.chat
      if (asked === undefined) throw new Error('the model was not asked')
      const whole = answerFor({ ...asked, model: 'm?tokens=20' })
      const begun = whole.tokens.slice(0, sent).join('')
      const isMended = policy !== 'fail'
      expect(callsOf(bench)).toEqual(isMended ? [...calls, 'well fallback ended'] : calls)
      expect(text).toBe(isMended ? whole.text : begun)
      expect(events).toEqual(
        isMended ? ['turn.started', 'turn.restarted', 'turn.completed'] : ['turn.started', 'turn.failed'],
      )
      expect(restarted === undefined || 'keep' in restarted).toBe(policy !== 'restart')
      if (policy === 'continue')
        expect(restarted).toMatchObject({ keep: { attempt: 1, end: Buffer.byteLength(begun) } })
      expect(terminal.usage.source).toBe('bound')
      // Of the broken call what it brought is counted; of the other one what it reports.
      const outputs = Math.floor(microsOf(terminal.cost?.amount) / 1_000_000)
      const reported = policy === 'restart' ? 20 : policy === 'continue' ? 20 - sent : 0
      const weight = whole.tokens.slice(0, sent).reduce((sum, token) => sum + tokenWeight(token), 0)
      expect(outputs).toBe(reported + tokensOfWeight(weight) + unreadTokens)
      await noneOpen(bench)
    },
  )

  test('[ROUTE-21] with restart and nobody else who answers, the text so far stays', async () => {
    await using bench = await startBench({
      policy(policy) {
        const of = policyWith('reset-mid&at=7', 'restart', '')(policy)
        const down = targetAt('well', 'http://127.0.0.1:9/v1', { price })
        const ill = of.targets.get('ill') ?? down
        const once = { ...ill, model: 'm?tokens=20&fault=reset-mid&at=7' }
        const alias = {
          targets: [
            { target: 'ill', tier: 1, weight: 1 },
            { target: 'well', tier: 2, weight: 1 },
          ],
        }
        return {
          ...of,
          models: new Map([[of.defaultModel, alias]]),
          targets: new Map([
            ['ill', once],
            ['well', down],
          ]),
          breaker: { windowMs: 60_000, minimumCalls: 1, errorRatio: 0.01, openMs: 60_000, probes: 1 },
        }
      },
    })
    const { terminal, text, events } = await answered(bench)
    expect(terminal).toMatchObject({ type: 'turn.failed', error: { kind: 'provider' } })
    expect(events).toEqual(['turn.started', 'turn.failed'])
    const chat = bench.model.requests[0]?.chat
    if (chat === undefined) throw new Error('the model was not asked')
    expect(text).toBe(answerFor(chat).tokens.slice(0, 7).join(''))
  })

  test.each(policies)('[ROUTE-22] a refused request is tried nowhere else, with %s', async (policy) => {
    await using bench = await startBench({ policy: policyWith('400', policy, '') })
    const { terminal, events, text } = await answered(bench)
    expect(callsOf(bench)).toEqual(['ill first failed'])
    expect([...events, text]).toEqual(['turn.started', 'turn.failed', ''])
    expect(terminal).toMatchObject({ usage: { source: 'unknown', inputTokens: 0 } })
    expect(terminal.cost).toBeUndefined()
    await noneOpen(bench)
  })

  test.each(['429', '500', 'stall-mid&at=7'])(
    '[ROUTE-23] a cancel ends it whatever it waits for: %s',
    async (fault) => {
      await using bench = await startBench({
        policy(policy) {
          const of = policyWith(fault, 'restart', '')(policy)
          const alias = { targets: [{ target: 'ill', tier: 1, weight: 1 }] }
          const retry = {
            ...of.retry,
            totalMs: 60_000,
            firstContentMs: 60_000,
            silenceMs: 60_000,
            baseMs: 50_000,
            maxMs: 50_000,
          }
          return { ...of, models: new Map([[of.defaultModel, alias]]), retry }
        },
        model: { retryAfterSeconds: 20 },
      })
      const session = await bench.session()
      const sent = await bench.turns.send(bench.request(session, 'Never mind'))
      if (sent.kind !== 'accepted') throw new Error(JSON.stringify(sent))
      await bench.model.waitFor((request) => request.sentTokenCount === 7 || request.status === 'completed')
      await bench.log.cancel({ session, turn: sent.turn })
      expect(await bench.terminal(session, sent.turn)).toMatchObject({ type: 'turn.cancelled' })
      expect(bench.model.requests.length).toBe(1)
      await noneOpen(bench)
    },
  )
})
