import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AfterContent, Policy, RetryPolicy } from '../../orchestrator/policy.ts'
import type { Provider, ProviderSink } from '../../orchestrator/ports.ts'
import { type CallWitness, RoutedAnswer } from '../../orchestrator/route/routed-answer.ts'
import type { Question } from '../../orchestrator/route/target.ts'
import { Targets } from '../../orchestrator/route/targets.ts'
import { systemClock } from '../../orchestrator/turns.ts'
import { refusal } from '../../protocol/error.ts'
import { policyOf, targetAt } from '../support/policy.ts'
import { type Bench, shown, startBench } from './bench.ts'
import { startWireServer, type WireServer } from './wire-server.ts'

/** How answers end: what a reader was shown stays, and an answer without text says so. */

const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n'
const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const content = (text: string) =>
  event({ id: 'c', choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })
const finish = (reason: string) => event({ id: 'c', choices: [{ index: 0, delta: {}, finish_reason: reason }] })
const done = 'data: [DONE]\n\n'
const hello = [head, content('Hello'), content(' wide'), content(' world')]
const broken = event({ error: { message: 'x', code: 500 } })

const defaults: Partial<RetryPolicy> = { triesPerTarget: 2, baseMs: 1, maxMs: 5, afterContent: 'restart', breaks: 2 }

let server: WireServer
let second: WireServer
beforeEach(async () => {
  server = await startWireServer()
  second = await startWireServer()
})
afterEach(async () => {
  await server[Symbol.asyncDispose]()
  await second[Symbol.asyncDispose]()
})

const withRetry =
  (retry: Partial<RetryPolicy>, urls = [server.url]) =>
  (policy: Policy): Policy => {
    const targets = urls.map((url, at) => targetAt(`t${at}`, url))
    return {
      ...policy,
      models: new Map([
        ['sluice-demo', { targets: targets.map(({ name }, tier) => ({ target: name, tier, weight: 1 })) }],
      ]),
      targets: new Map(targets.map((target) => [target.name, target])),
      retry: { ...policy.retry, ...defaults, ...retry },
    }
  }

async function ask(bench: Bench, text = 'hi') {
  const session = await bench.session()
  const sent = await bench.turns.send(bench.request(session, text))
  if (sent.kind !== 'accepted') throw new Error(JSON.stringify(sent))
  const terminal = await bench.terminal(session, sent.turn)
  const answer = (await bench.history(session)).at(-1)?.texts?.[0]?.toString() ?? ''
  expect(terminal.bytes).toBe(Buffer.byteLength(answer))
  return { session, turn: sent.turn, terminal, answer, seen: shown(bench.delivered, sent.turn) }
}

const breaks = {
  'an error object': [broken],
  'no finish reason': [],
  'an event that is not readable': ['data: {"choices":[{"index":0,"del\n\n'],
  'an error as a string': [event({ error: 'overloaded' })],
  "vLLM's error": [event({ object: 'error', message: 'x', type: 'InternalServerError', code: 500 })],
  "OpenRouter's error chunk": [
    event({
      choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error', error: { code: 502, message: 'x' } }],
    }),
    done,
  ],
} as const

describe.each(['restart', 'continue', 'fail'] as const)('every call breaks, %s', (afterContent: AfterContent) => {
  test.each(Object.entries(breaks))('[TURN-360] what readers saw stays: %s', async (_name, last) => {
    await using bench = await startBench({ policy: withRetry({ afterContent }) })
    for (const pieces of [[...hello, ...last], [[...hello, ...last].join('')]]) {
      server.answer(pieces)
      const { terminal, answer, seen } = await ask(bench)
      expect(terminal).toMatchObject({ type: 'turn.failed', error: { kind: 'provider' } })
      expect(answer.startsWith('Hello wide world')).toBe(true)
      expect(seen).toBe(answer)
    }
  })
})

describe('an answer without visible text', () => {
  const nothing = { none: [], blanks: [content(' '), content('\n\n'), content('\u00a0')] } as const

  test.each(Object.entries(nothing))('[ROUTE-360] stands as an empty one: %s', async (_name, pieces) => {
    await using bench = await startBench({ policy: withRetry({}, [server.url, second.url]) })
    server.answer([head, ...pieces, finish('stop'), done])
    second.answer([...hello, finish('stop'), done])
    const { terminal, answer, seen } = await ask(bench)
    expect(terminal).toMatchObject({ type: 'turn.completed', finishReason: 'stop', bytes: 0 })
    expect([answer, seen, second.requestCount]).toEqual(['', '', 0])
  })

  test.each(Object.entries(nothing))(
    '[ROUTE-361] asks the next target where the policy says so: %s',
    async (_name, pieces) => {
      const policy = withRetry({ emptyAnswer: 'retry' }, [server.url, second.url])
      await using bench = await startBench({
        policy: (base) => ({ ...policy(base), breaker: { ...base.breaker, minimumCalls: 1, errorRatio: 0.01 } }),
      })
      server.answer([head, ...pieces, finish('stop'), done])
      second.answer([...hello, finish('stop'), done])
      for (const count of [1, 2, 3]) {
        const { terminal, answer } = await ask(bench)
        expect(terminal).toMatchObject({ type: 'turn.completed', attempt: 1 })
        expect(answer).toBe('Hello wide world')
        // It is not ill: it is asked first, again and again.
        expect(server.requestCount).toBe(count)
      }
    },
  )

  test.each([
    ['stop', 'provider', 'the model gave no answer'],
    ['length', 'provider', 'the model gave no answer before it reached its greatest length'],
    ['content_filter', 'filtered', "the answer was held back by the content filter of the model's provider"],
  ])('[ROUTE-361] fails the turn when no target has one: %s', async (reason, kind, message) => {
    await using bench = await startBench({ policy: withRetry({ emptyAnswer: 'retry' }, [server.url, second.url]) })
    for (const each of [server, second]) each.answer([head, finish(reason), done])
    const { terminal } = await ask(bench)
    expect(terminal).toMatchObject({ type: 'turn.failed', error: { kind, message } })
    expect([server.requestCount, second.requestCount]).toEqual([1, 1])
  })

  test.each(['accept', 'retry'] as const)(
    '[TURN-362] never takes the place of text that readers saw: %s',
    async (emptyAnswer) => {
      await using bench = await startBench({ policy: withRetry({ emptyAnswer }) })
      server.answerInTurn([
        [...hello, broken],
        [head, content(' '), finish('stop'), done],
      ])
      const { terminal, answer, seen } = await ask(bench)
      expect(terminal).toMatchObject({ type: 'turn.failed', error: { message: 'the model gave no answer' } })
      expect([answer, seen]).toEqual(['Hello wide world', 'Hello wide world'])
    },
  )

  test('[TURN-362] a call that brings blanks and breaks takes no place either', async () => {
    await using bench = await startBench({ policy: withRetry({}) })
    server.answerInTurn([
      [...hello, broken],
      [head, content('\n'), broken],
    ])
    const { answer, terminal } = await ask(bench)
    expect([answer, terminal.attempt]).toEqual(['Hello wide world', 1])
  })

  test('[ROUTE-362] blanks before the first visible character stay, also where an answer is continued', async () => {
    await using bench = await startBench({ policy: withRetry({ afterContent: 'continue' }) })
    server.answerInTurn([
      [head, content('  '), content('\n'), content('Hello'), broken],
      [head, content(' '), content('world'), finish('stop'), done],
    ])
    const { answer, terminal } = await ask(bench)
    expect([answer, terminal.type]).toEqual(['  \nHello world', 'turn.completed'])
  })

  test('[ROUTE-362] a continued answer to which nothing is added is whole', async () => {
    await using bench = await startBench({ policy: withRetry({ afterContent: 'continue', emptyAnswer: 'retry' }) })
    server.answerInTurn([
      [...hello, broken],
      [head, finish('stop'), done],
    ])
    const { answer, terminal } = await ask(bench)
    expect([answer, terminal.type]).toEqual(['Hello wide world', 'turn.completed'])
  })

  test('[ROUTE-363] is not kept by the cache', async () => {
    const policy = withRetry({})
    await using bench = await startBench({
      policy: (base) => ({ ...policy(base), cache: { isOn: true, maxEntries: 2, maxBytes: 1_000, ttlMs: 60_000 } }),
    })
    server.answerInTurn([
      [head, finish('stop'), done],
      [...hello, finish('stop'), done],
    ])
    for (const expected of ['', 'Hello wide world']) {
      const session = await bench.session()
      const sent = await bench.turns.send(bench.request(session, 'hi', { mayCache: true }))
      if (sent.kind !== 'accepted') throw new Error(JSON.stringify(sent))
      await bench.terminal(session, sent.turn)
      expect(shown(bench.delivered, sent.turn)).toBe(expected)
    }
  })
})

test.each([
  ['context_length_exceeded', 'too-large'],
  ['content_filter', 'filtered'],
])('[ROUTE-364] the offline text does not stand in where the request is at fault: %s', async (code, kind) => {
  const policy = withRetry({})
  const targets = [{ target: 't0', tier: 0, weight: 1 }]
  await using bench = await startBench({
    policy: (base) => ({
      ...policy(base),
      models: new Map([['sluice-demo', { targets, offline: 'Nobody is here.' }]]),
    }),
  })
  const body = JSON.stringify({ error: { message: 'x', code } })
  server.answer([`HTTP/1.1 400 No\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`])
  const { terminal, answer } = await ask(bench)
  expect(terminal).toMatchObject({ type: 'turn.failed', error: { kind } })
  expect(answer).toBe('')
})

test('[TURN-360] while the attempt for a broken call is being opened, the next call takes its place', async () => {
  const failure = { refusal: refusal('provider', 'broke'), cure: 'other-target', isIllness: false } as const
  const sinks: ProviderSink[] = []
  const asked: PromiseWithResolvers<void>[] = [0, 1, 2].map(() => Promise.withResolvers<void>())
  const quiet = { pause: () => undefined, resume: () => undefined, close: () => undefined }
  const provider: Provider = {
    name: 'played',
    close: () => undefined,
    call(_request, sink) {
      asked[sinks.push(sink) - 1]?.resolve()
      return quiet
    },
  }
  const policy = policyOf([targetAt('a', '')])
  const targets = new Targets(policy, { clock: systemClock, connect: () => provider })
  const told: string[] = []
  const proceeds: (() => void)[] = []
  const question: Question = { messages: [], maxOutputTokens: 1, tokens: 1 }
  const answer = new RoutedAnswer(question, {
    plan: { retry: { ...policy.retry, ...defaults, emptyAnswer: 'accept' }, order: ['a'], hasOffline: false },
    targetOf: (name) => targets.current().get(name),
    sink: {
      text: (piece) => void told.push(piece),
      broke: (how, _refusal, proceed) => {
        told.push(how)
        proceeds.push(() => proceed(question))
      },
      finish: ({ finishReason }) => void told.push(finishReason),
      offline: () => void told.push('offline'),
      fail: ({ message }) => void told.push(message),
      bug: (error) => void told.push(String(error)),
    },
    witness: quietWitness,
    allow: () => undefined,
    clock: systemClock,
    chance: () => 0,
  })
  answer.start()
  for (const [at, text] of ['one', 'two', 'three'].entries()) {
    await asked[at]?.promise
    sinks[at]?.text(text)
    if (at < 2) sinks[at]?.failed(failure)
    else sinks[at]?.ended({ finishReason: 'stop' })
  }
  expect(told).toEqual(['one', 'restart'])
  for (const proceed of proceeds) proceed()
  expect(told).toEqual(['one', 'restart', 'three', 'stop'])
  targets.close()
})

const nothing = () => undefined
const quietWitness: CallWitness = {
  called: nothing,
  passed: nothing,
  taken: nothing,
  counted: nothing,
  unread: nothing,
  started: nothing,
  firstContent: nothing,
  text: nothing,
  over: nothing,
  connected: nothing,
}
