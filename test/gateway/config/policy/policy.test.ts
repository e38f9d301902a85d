/** What a whole `sluice.yaml`, and an environment without one, come to. */
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { openPolicy } from '../../../../gateway/config/policy/live-policy.ts'
import { micros } from '../../../../gateway/config/policy/money.ts'
import { policyOfEnvironment } from '../../../../gateway/config/policy/read-policy.ts'
import { limitsFor, privacyFor } from '../../../../orchestrator/policy.ts'
import { policyIn, problemsIn, sourcesOf } from './files.ts'

const models = 'models: { fast: { targets: [{ target: a }] } }\n'
const target = 'targets: { a: { baseUrl: "http://127.0.0.1:1/v1", model: m } }\n'
const whole = `version: 1\n${models}${target}`

const noLimits = { messagesPerMinute: 0, tokensPerMinute: 0, runningTurns: 0, microsPerDay: 0, microsPerMonth: 0 }

async function ofEnvironment(environment: Record<string, string>) {
  // The working directory of the tests has no sluice.yaml.
  const opening = await openPolicy(sourcesOf(environment))
  if (opening.kind === 'invalid') throw new Error(opening.problems.join('\n'))
  expect(opening.hasFile).toBe(false)
  return opening.live.current()
}

describe('the environment alone', () => {
  test('[CONF-26] without a provider it is the bundled model server, which takes any model', async () => {
    const policy = await ofEnvironment({})
    expect(policy).toMatchObject({ defaultModel: 'sluice-demo', otherModels: 'pass' })
    expect(policy.models.get('sluice-demo')).toEqual({ targets: [{ target: 'bundled', tier: 1, weight: 1 }] })
    expect(policy.targets.get('bundled')).toMatchObject({ baseUrl: 'http://127.0.0.1:9/v1', model: 'sluice-demo' })
    expect(policy.targets.get('bundled')?.keys.map((key) => key.reveal())).toEqual(['none'])
    expect(policyOfEnvironment(sourcesOf({}).config, 'http://127.0.0.1:9/v1')).toMatchObject({
      defaultModel: 'sluice-demo',
      otherModels: 'pass',
    })
  })

  test('[CONF-26] its variables are one target, its timeouts and limits', async () => {
    const policy = await ofEnvironment({
      OPENAI_API_KEY: 'sk-key',
      OPENAI_BASE_URL: 'https://models.example/v1',
      SLUICE_MODEL: 'gpt-x',
      SLUICE_FIRST_TOKEN_TIMEOUT_MS: '45000',
      SLUICE_IDLE_TIMEOUT_MS: '7000',
      SLUICE_MESSAGES_PER_MINUTE: '12',
      SLUICE_ANSWER_TOKENS: '99',
    })
    expect(policy).toMatchObject({ defaultModel: 'gpt-x', otherModels: 'refuse' })
    expect(policy.targets.get('openai')).toMatchObject({ baseUrl: 'https://models.example/v1', model: 'gpt-x' })
    expect(policy.targets.get('openai')?.keys.map((key) => key.reveal())).toEqual(['sk-key'])
    // With one target nothing but the whole time ends the wait for the first content.
    expect(policy.retry).toMatchObject({ totalMs: 45_000, firstContentMs: 45_000, silenceMs: 7_000 })
    expect(policy.limits).toMatchObject({ answerTokens: 99, scopes: { subject: { messagesPerMinute: 12 } } })
    expect(policy.cache.isOn).toBe(false)
  })

  test('[CONF-26] where no model server is brought, a provider must be there', async () => {
    const { bundledProvider: _, ...sources } = sourcesOf({})
    expect(await openPolicy(sources)).toEqual({
      kind: 'invalid',
      problems: [expect.stringMatching(/^no provider; set OPENAI_API_KEY/)],
    })
  })
})

describe('a file', () => {
  test('[CONF-27] the least one has every default', async () => {
    const policy = await policyIn(whole)
    expect({ ...policy, targets: [...policy.targets] }).toEqual({
      defaultModel: 'fast',
      models: new Map([['fast', { targets: [{ target: 'a', tier: 1, weight: 1 }] }]]),
      otherModels: 'refuse',
      targets: [
        [
          'a',
          {
            name: 'a',
            baseUrl: 'http://127.0.0.1:1/v1',
            model: 'm',
            provider: 'openai',
            keys: [expect.anything()],
            limits: { concurrent: 0, requestsPerMinute: 0, tokensPerMinute: 0, waiting: 100 },
            reasoning: 'hidden',
            request: {
              tokenLimit: 'auto',
              sendsStreamOptions: true,
              keyHeader: 'authorization',
              headers: new Map(),
              query: {},
              parameters: {},
              promptMayChange: [],
            },
            connection: {},
          },
        ],
      ],
      retry: {
        totalMs: 30_000,
        triesPerTarget: 2,
        baseMs: 250,
        maxMs: 5_000,
        connectMs: 5_000,
        firstContentMs: 10_000,
        silenceMs: 30_000,
        thinkingMs: 300_000,
        afterContent: 'restart',
        breaks: 2,
        emptyAnswer: 'accept',
        hedgeMs: 0,
      },
      breaker: { windowMs: 30_000, minimumCalls: 10, errorRatio: 0.5, openMs: 15_000, probes: 1 },
      limits: {
        currency: 'USD',
        inputTokens: 0,
        answerTokens: 4096,
        scopes: { subject: noLimits, project: noLimits, tenant: noLimits },
        tenants: new Map(),
      },
      privacy: { everybody: { redact: [], custom: [], filter: { words: [] } }, tenants: new Map() },
      cache: { isOn: false, maxEntries: 10_000, maxBytes: 67_108_864, ttlMs: 3_600_000 },
    })
  })

  test('[CONF-27] what it says is taken, with prices as integers', async () => {
    const policy = await policyIn(
      `version: 1
defaultModel: fast
otherModels: pass
models:
  fast: { targets: [{ target: a, tier: 2, weight: 7 }, { target: b }], offline: later }
  slow: { targets: [{ target: b }] }
targets:
  a: { baseUrl: "http://127.0.0.1:1/v1", model: m }
  b:
    baseUrl: https://models.example/v1
    model: n
    provider: groq
    keys: [{ env: FIRST }, { env: SECOND }]
    limits: { concurrent: 3 }
    price: { input: "0.15", output: "0.000001" }
limits: { currency: EUR }
cache: { enabled: true }
`,
      { FIRST: 'k1', SECOND: ' k2\n' },
    )
    expect(policy).toMatchObject({ defaultModel: 'fast', otherModels: 'pass', cache: { isOn: true } })
    expect(policy.models.get('fast')).toEqual({
      targets: [
        { target: 'a', tier: 2, weight: 7 },
        { target: 'b', tier: 1, weight: 1 },
      ],
      offline: 'later',
    })
    const b = policy.targets.get('b')
    expect(b).toMatchObject({ provider: 'groq', limits: { concurrent: 3, waiting: 100 } })
    expect(b?.price).toEqual({ currency: 'EUR', input: 150_000, cachedInput: 150_000, output: 1 })
    expect(b?.keys.map((key) => key.reveal())).toEqual(['k1', 'k2'])
  })

  test('[CONF-27] what it does not say comes from the environment', async () => {
    const variables = { OPENAI_API_KEY: 'sk-key', SLUICE_IDLE_TIMEOUT_MS: '5', SLUICE_MESSAGES_PER_MINUTE: '4' }
    const policy = await policyIn(
      'version: 1\nretry: { totalMs: 9000 }\nlimits: { subject: { runningTurns: 2 } }\n',
      variables,
    )
    expect([...policy.targets.keys()]).toEqual(['openai'])
    expect(policy.retry).toMatchObject({ totalMs: 9_000, firstContentMs: 9_000, silenceMs: 5 })
    expect(policy.limits.scopes.subject).toMatchObject({ messagesPerMinute: 4, runningTurns: 2 })
  })

  test.each([
    ['OPENAI_BASE_URL', 'https://x.example/v1', `${models}${target}`, 'targets'],
    ['SLUICE_MODEL', 'm', `${models}${target}`, 'models'],
    ['SLUICE_FIRST_TOKEN_TIMEOUT_MS', '5', 'retry: { firstContentMs: 5 }', 'retry.firstContentMs'],
    ['SLUICE_IDLE_TIMEOUT_MS', '5', 'retry: { silenceMs: 5 }', 'retry.silenceMs'],
    ['SLUICE_ANSWER_TOKENS', '5', 'limits: { answerTokens: 5 }', 'limits.answerTokens'],
    [
      'SLUICE_MESSAGES_PER_MINUTE',
      '5',
      'limits: { subject: { messagesPerMinute: 5 } }',
      'limits.subject.messagesPerMinute',
    ],
  ])('[CONF-28] %s and the same setting in the file is a problem that names both', async (name, value, yaml, place) => {
    const problems = await problemsIn(`version: 1\n${yaml}`, { [name]: value })
    expect(problems).toEqual([
      expect.stringMatching(new RegExp(`^sluice.yaml:[23]:\\d+ ${place} is here and in ${name} too; `)),
    ])
    expect(await problemsIn(`version: 1\n${yaml}`, { [name]: ' ' })).toEqual([])
  })

  test.each([
    ['0', 0],
    ['0.1', 100_000],
    ['0.000001', 1],
    ['1.10', 1_100_000],
    ['4.35', 4_350_000],
    ['999999999.999999', 999_999_999_999_999],
  ])('[CONF-33] %s is %i millionths', (amount, expected) => {
    expect(micros(amount)).toBe(expected)
  })

  test.each(['0.15', '1', '.5', '"0.1234567"', '"-1"', '"1e3"', '"1,5"', '"1234567890"', '0x10', '""'])(
    '[CONF-33] %s is no amount',
    async (amount) => {
      const problems = await problemsIn(`${whole}limits: { subject: { perDay: ${amount} } }`)
      expect(problems).toEqual([expect.stringMatching(/limits\.subject\.perDay is no (?:text|amount); .*quotes/)])
    },
  )

  test('[CONF-38] a tenant has everybody’s limits and privacy but for what is said for it', async () => {
    const { limits, privacy } = await policyIn(`version: 1
limits:
  subject: { messagesPerMinute: 30, runningTurns: 5 }
  project: { tokensPerMinute: 9 }
  tenants:
    acme: { subject: { runningTurns: 50 }, tenant: { messagesPerMinute: 1 } }
    "1e3": { subject: { messagesPerMinute: 0 } }
privacy:
  redact: [email]
  custom: [{ name: employee, pattern: 'EMP-\\d{6}' }]
  filter: { words: [a, b, a] }
  tenants:
    acme: { redact: [] }
    no: { filter: { words: [] } }
`)
    expect(limitsFor(limits, 'acme')).toEqual({
      subject: { ...noLimits, messagesPerMinute: 30, runningTurns: 50 },
      project: { ...noLimits, tokensPerMinute: 9 },
      tenant: { ...noLimits, messagesPerMinute: 1 },
    })
    expect(limitsFor(limits, '1e3').subject).toEqual({ ...noLimits, runningTurns: 5 })
    expect(limitsFor(limits, 'other')).toEqual(limits.scopes)
    const employee = { name: 'employee', pattern: /EMP-\d{6}/gu }
    expect(privacyFor(privacy, 'acme')).toEqual({ redact: [], custom: [employee], filter: { words: ['a', 'b'] } })
    expect(privacyFor(privacy, 'no')).toEqual({ redact: ['email'], custom: [employee], filter: { words: [] } })
  })

  test('[CONF-44] a policy can be logged: its keys do not show', async () => {
    const policy = await policyIn(
      'version: 1\nprivacy: { filter: { moderation: { url: "https://m.example/v1", key: { env: KEY } } } }',
      { OPENAI_API_KEY: 'sk-private', KEY: 'sk-private' },
    )
    expect(policy.privacy.everybody.filter.moderation?.key?.reveal()).toBe('sk-private')
    const shown = [JSON.stringify([...policy.targets.values()]), inspect(policy, { depth: 9, showHidden: true })]
    for (const text of shown) {
      expect(text).toContain('[secret]')
      expect(text).not.toContain('sk-private')
    }
  })
})
