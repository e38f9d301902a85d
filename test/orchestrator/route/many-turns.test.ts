import { expect, test } from 'vitest'
import { answerFor } from '../../../load/model-server/answer.ts'
import { FAULTS } from '../../../load/model-server/settings.ts'
import { createMemoryLog } from '../../../sessions/memory-log.ts'
import { Chance } from '../../simulation/random.ts'
import { targetAt } from '../../support/policy.ts'
import { startBench } from '../bench.ts'

const seed = Number(process.env.SLUICE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** 10,000 of them take minutes: SLUICE_TEST_TURNS=10000. */
const turnCount = Number(process.env.SLUICE_TEST_TURNS ?? 500)
const atOnce = 50

test(`[ROUTE-25] every turn ends under random faults, seed ${seed}`, async () => {
  const chance = new Chance(seed)
  await using bench = await startBench({
    log: createMemoryLog({ maxSessionsPerOwner: turnCount, maxSessions: turnCount }),
    model: { retryAfterSeconds: 0, retryAfterMs: 5 },
    policy(policy) {
      const url = policy.targets.get('test')?.baseUrl ?? ''
      const targets = ['a', 'b', 'c'].map((name) => targetAt(name, url))
      return {
        ...policy,
        models: new Map([
          [policy.defaultModel, { targets: targets.map(({ name }) => ({ target: name, tier: 1, weight: 1 })) }],
        ]),
        targets: new Map(targets.map((target) => [target.name, target])),
        retry: {
          totalMs: 20_000,
          triesPerTarget: 2,
          baseMs: 5,
          maxMs: 50,
          connectMs: 10_000,
          firstContentMs: 400,
          silenceMs: 400,
          thinkingMs: 60_000,
          afterContent: 'restart',
          breaks: 3,
          emptyAnswer: 'accept',
          hedgeMs: 300,
        },
      }
    },
  })
  const kinds = new Map<string, number>()
  const one = async (index: number) => {
    const session = await bench.session()
    // A fault that each call meets, one that a few of them meet, or none.
    // A key that is refused rests, for all: that would be another test.
    const fault = chance.is(0.8)
      ? chance.of(FAULTS.filter((name) => name !== '401' && name !== 'empty-account'))
      : undefined
    const times = chance.is(0.9) ? ` times=${chance.between(1, 3)}` : ''
    const isCancelled = chance.is(0.1)
    const directive = fault === undefined ? '' : `[[fault=${fault}${times} key=k${index} tokens=20]]\n`
    const sent = await bench.turns.send(bench.request(session, `${directive}question ${index}`))
    if (sent.kind !== 'accepted') throw new Error(JSON.stringify(sent))
    if (isCancelled) await bench.log.cancel({ session, turn: sent.turn })
    const terminal = await bench.terminal(session, sent.turn, 60_000)
    const text = (await bench.history(session)).at(-1)?.texts?.[0]?.toString() ?? ''
    expect(terminal.bytes).toBe(Buffer.byteLength(text))
    kinds.set(terminal.type, (kinds.get(terminal.type) ?? 0) + 1)
    if (terminal.type !== 'turn.completed' || terminal.finishReason !== 'stop') return
    const asked = { model: 'sluice-demo', messages: [{ role: 'user', content: `${directive}question ${index}` }] }
    expect(text).toBe(answerFor(asked as Parameters<typeof answerFor>[0]).text)
  }
  let next = 0
  const worker = async () => {
    while (next < turnCount) await one(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  expect([...kinds.values()].reduce((sum, count) => sum + count, 0)).toBe(turnCount)
  expect(bench.turns.running()).toBe(0)
  // The run was not trivial.
  for (const kind of ['turn.failed', 'turn.cancelled']) expect(kinds.get(kind)).toBeGreaterThan(0)
  expect(kinds.get('turn.completed')).toBeGreaterThan(turnCount / 2)
  const made = bench.metrics.filter(([name]) => name === 'callMade').map(([, , why]) => why)
  expect(new Set(made)).toEqual(new Set(['first', 'retry', 'fallback', 'hedge']))
  for (const { number } of bench.model.requests)
    await bench.model.waitFor((request) => request.number === number && request.status !== 'streaming')
}, 600_000)
