/** Requests as a target is configured to want them. */
import { describe, expect, it } from 'vitest'
import type { NamedSecret, Policy, TargetPolicy } from '../../orchestrator/policy.ts'
import { loadPrompts } from '../../orchestrator/prompts/load-prompts.ts'
import { connectTarget } from '../../orchestrator/providers/connect.ts'
import { createOpenAiProvider, type OpenAiOptions } from '../../orchestrator/providers/openai.ts'
import { TargetRequests } from '../../orchestrator/providers/request-body.ts'
import { Targets } from '../../orchestrator/route/targets.ts'
import { systemClock } from '../../orchestrator/turns.ts'
import { policyOf, targetAt } from '../support/policy.ts'
import { startBench } from './bench.ts'
import { folderOf, promptOf } from './prompts-folder.ts'
import { ask, type ProviderServer, question, startProvider } from './provider-server.ts'

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
const stopped = { finishReason: 'stop' }

/** What one call with this form is, as the endpoint sees it. */
async function sent(form: NonNullable<OpenAiOptions['form']>, more: Partial<typeof question> = {}, path = '') {
  await using server = await startProvider(() => undefined)
  const logs: object[] = []
  const log = { ...logger, warn: (fields: object, message: string) => void logs.push({ ...fields, message }) }
  const provider = createOpenAiProvider({ baseUrl: server.url + path, headersMs: 5_000, form }, log)
  expect(await ask(provider, { ...question, ...more })).toEqual(stopped)
  provider.close()
  const [seen] = server.seen
  if (seen === undefined) throw new Error('it was not asked')
  const { model, messages, ...body } = seen.body
  return { path: seen.path, headers: seen.headers, body, model, messages, logs }
}

const options = { stream: true, stream_options: { include_usage: true } }

describe('the request of a target', () => {
  it.each([
    [{}, { max_tokens: 50, ...options }],
    [{ tokenLimit: 'auto' }, { max_tokens: 50, ...options }],
    [{ tokenLimit: 'max_tokens' }, { max_tokens: 50, ...options }],
    [{ tokenLimit: 'max_completion_tokens' }, { max_completion_tokens: 50, ...options }],
    [{ tokenLimit: 'none' }, options],
    [{ sendsStreamOptions: false }, { max_tokens: 50, stream: true }],
    [{ parameters: { temperature: 0, stop: ['x'] } }, { max_tokens: 50, ...options, temperature: 0, stop: ['x'] }],
  ] as const)('[PROVIDER-346] of the form %j has the members that it says', async (form, body) => {
    expect((await sent(form)).body).toEqual(body)
  })

  it('[PROVIDER-358] is let go once it was taken, since an answer may stream for long', () => {
    const outgoing = new TargetRequests({}, () => undefined).start(question)
    expect([outgoing.json?.length, outgoing.body]).toEqual([expect.any(Number), expect.anything()])
    outgoing.taken()
    expect([outgoing.json, outgoing.body]).toEqual([undefined, undefined])
  })

  it('[PROVIDER-347] has the key in the header that is configured, and no other', async () => {
    const { headers } = await sent({ keyHeader: 'api-key' })
    expect([headers['api-key'], headers.authorization]).toEqual(['key', undefined])
    expect((await sent({})).headers.authorization).toBe('Bearer key')
  })

  it('[PROVIDER-347] has the configured headers, of which secrets are read for each call', async () => {
    let tenant = 'first'
    const secret = { from: 'file tenant', secret: { reveal: () => tenant } }
    const headers = new Map<string, string | NamedSecret>([
      ['openai-project', 'proj_1'],
      ['x-tenant', secret],
    ])
    await using server = await startProvider(() => undefined)
    const provider = createOpenAiProvider({ baseUrl: server.url, headersMs: 5_000, form: { headers } }, logger)
    await ask(provider)
    tenant = 'second'
    await ask(provider)
    provider.close()
    expect(server.seen.map((seen) => [seen.headers['openai-project'], seen.headers['x-tenant']])).toEqual([
      ['proj_1', 'first'],
      ['proj_1', 'second'],
    ])
  })

  it('[PROVIDER-347] has the configured query beside that of the base address', async () => {
    expect((await sent({ query: { 'api-version': '2026-01-01' } }, {}, '?a=b')).path).toBe(
      '/v1/chat/completions?a=b&api-version=2026-01-01',
    )
  })

  it('[PROVIDER-348] takes those parameters of a prompt that the target allows, in place of its own', async () => {
    const form = { parameters: { temperature: 0.2, top_p: 1 }, promptMayChange: ['temperature', 'seed'] }
    const { body, logs } = await sent(form, { parameters: { temperature: 1, seed: 7, top_p: 0, model: 'dear' } })
    expect(body).toEqual({ max_tokens: 50, ...options, temperature: 1, top_p: 1, seed: 7 })
    expect(logs).toMatchObject([{ parameter: 'top_p' }, { parameter: 'model' }])
  })
})

const refusing = ({ body }: { readonly body: object }) =>
  'max_tokens' in body
    ? {
        status: 400,
        body: {
          error: { message: "Unsupported parameter: 'max_tokens'", param: 'max_tokens', code: 'unsupported_parameter' },
        },
      }
    : undefined

function targetsOf(server: ProviderServer, more: Partial<TargetPolicy> = {}) {
  return policyOf([targetAt('a', server.url, more)])
}

/** One call by the target, as an answer makes it. */
function callOnce(targets: Targets): Promise<unknown> {
  const target = targets.current().get('a')
  if (target === undefined) throw new Error('no target')
  const quiet = { passed: () => undefined, sent: () => undefined, connected: () => undefined, started: () => undefined }
  const silent = {
    ...quiet,
    taken: () => undefined,
    thought: () => undefined,
    alive: () => undefined,
    counted: () => undefined,
    text: () => undefined,
  }
  return new Promise((resolve) =>
    target.call(
      { messages: question.messages, maxOutputTokens: 50, tokens: 5 },
      { ...silent, ended: resolve, failed: resolve },
    ),
  )
}

describe('what was learned of a target', () => {
  it('[PROVIDER-349] stays when its keys change, and is forgotten when anything else does', async () => {
    await using server = await startProvider(refusing)
    const connect = (target: TargetPolicy) => connectTarget(target, 5_000, logger)
    const targets = new Targets(targetsOf(server), { clock: systemClock, connect })
    const counts: number[] = []
    for (const policy of [
      targetsOf(server),
      targetsOf(server, { keys: [{ reveal: () => 'other' }] }),
      targetsOf(server, { request: { parameters: { temperature: 1 } } }),
      targetsOf(server, { request: { parameters: { temperature: 1 } }, connection: {} }),
    ]) {
      targets.replace(policy)
      const before = server.seen.length
      expect(await callOnce(targets)).toEqual(stopped)
      counts.push(server.seen.length - before)
    }
    targets.close()
    expect(counts).toEqual([2, 1, 2, 2])
  })

  it('[PROVIDER-349] costs no try and is no illness: one try is enough, and the breaker stays closed', async () => {
    await using server = await startProvider(refusing)
    const breaker = { windowMs: 10_000, minimumCalls: 1, errorRatio: 0.01, openMs: 60_000, probes: 1 }
    const toServer = (policy: Policy): Policy => ({
      ...policy,
      ...targetsOf(server, { name: 'test' }),
      targets: new Map([['test', targetAt('test', server.url)]]),
      models: new Map([['sluice-demo', { targets: [{ target: 'test', tier: 1, weight: 1 }] }]]),
      breaker,
    })
    await using bench = await startBench({ policy: toServer })
    for (const text of ['one', 'two']) {
      const session = await bench.session()
      const reply = await bench.turns.send(bench.request(session, text))
      if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
      expect(await bench.terminal(session, reply.turn)).toMatchObject({ type: 'turn.completed', finishReason: 'stop' })
    }
    expect(server.seen).toHaveLength(3)
    const made = bench.metrics.filter(([name]) => name === 'callMade')
    expect(made).toEqual([
      ['callMade', 'test', 'first'],
      ['callMade', 'test', 'first'],
    ])
  })
})

describe('a turn', () => {
  const withTarget = (more: Partial<TargetPolicy>) => (policy: Policy) => ({
    ...policy,
    targets: new Map([...policy.targets].map(([name, target]) => [name, { ...target, ...more }])),
  })

  it('[PROVIDER-355] asks each target for its own longest answer', async () => {
    await using bench = await startBench({ policy: withTarget({ answerTokens: 7 }) })
    const session = await bench.session()
    const reply = await bench.turns.send(bench.request(session, 'Hello'))
    if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
    const terminal = await bench.terminal(session, reply.turn)
    expect(bench.model.requests[0]?.chat?.max_tokens).toBe(7)
    expect(terminal).toMatchObject({ finishReason: 'length', usage: { outputTokens: 7 } })
  })

  it('[PROVIDER-356] a message that fits the context of no target is refused before it is accepted', async () => {
    await using bench = await startBench({ policy: withTarget({ contextTokens: 1_000, answerTokens: 100 }) })
    const session = await bench.session()
    const reply = await bench.turns.send(bench.request(session, 'word '.repeat(1_000)))
    expect(reply).toMatchObject({ kind: 'refused', refusal: { kind: 'too-large' } })
    expect(bench.model.requests).toEqual([])
  })

  it('[PROVIDER-356] a small target is asked with less of the history than a large one of the same model', async () => {
    await using small = await startProvider(() => undefined)
    await using large = await startProvider(() => ({ status: 404, body: {} }))
    const targets = [
      targetAt('large', large.url),
      targetAt('small', small.url, { contextTokens: 1_200, answerTokens: 100 }),
    ]
    const { targets: byName, models } = policyOf(targets)
    await using bench = await startBench({ policy: (policy) => ({ ...policy, targets: byName, models }) })
    const session = await bench.session()
    for (let turn = 0; turn < 4; turn++) {
      const reply = await bench.turns.send(bench.request(session, `${turn} ${'word '.repeat(300)}`))
      if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
      expect(await bench.terminal(session, reply.turn)).toMatchObject({ type: 'turn.completed' })
    }
    expect(large.seen.at(-1)?.body.messages).toHaveLength(8)
    expect(small.seen.at(-1)?.body.messages).toHaveLength(4)
  })

  it('[PROMPT-340] asks with the parameters of its prompt’s version, where the target allows them', async () => {
    const folder = promptOf('default', ['Be brief.'])
    const yaml = (folder['default/prompt.yaml'] ?? '').replace(
      'changed: number 1',
      'changed: number 1\n    parameters: { temperature: 0.1, top_p: 0.5 }',
    )
    const prompts = loadPrompts(folderOf({ ...folder, 'default/prompt.yaml': yaml }))
    await using bench = await startBench({
      prompts,
      policy: withTarget({ request: { promptMayChange: ['temperature'] } }),
    })
    const session = await bench.session()
    const reply = await bench.turns.send(bench.request(session, 'Hello'))
    if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
    await bench.terminal(session, reply.turn)
    expect(bench.model.requests[0]?.body).toMatchObject({ temperature: 0.1 })
    expect(bench.model.requests[0]?.body).not.toHaveProperty('top_p')
  })
})
