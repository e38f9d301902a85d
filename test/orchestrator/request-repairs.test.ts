/** What an endpoint does not take is left out, renamed or shortened, and the call goes on. */
import { describe, expect, it } from 'vitest'
import {
  type Answering,
  ask,
  openai,
  providerAt,
  type Refusal,
  type Seen,
  startProvider,
  stopped,
} from './provider-server.ts'

const limit = { max_tokens: 50 }

/** Servers' refusals as they are published, of the parameter that is named. */
const refusals: readonly (readonly [server: string, parameter: string, refusal: Refusal])[] = [
  [
    'OpenAI gpt-5',
    'max_tokens',
    openai(
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      'max_tokens',
      'unsupported_parameter',
    ),
  ],
  [
    'OpenAI o3',
    'temperature',
    openai(
      "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
      'temperature',
      'unsupported_value',
    ),
  ],
  [
    'OpenAI with a code alone',
    'top_p',
    openai('This request is not valid for the model.', 'top_p', 'unsupported_parameter'),
  ],
  ['OpenAI before', 'top_k', openai('Unrecognized request argument supplied: top_k')],
  ['OpenAI, unknown', 'top_k', openai("Unknown parameter: 'top_k'.", 'top_k', 'unknown_parameter')],
  ['Azure', 'stream_options', openai('Unrecognized request argument supplied: stream_options')],
  ['Azure before', 'stream_options', openai("Additional properties are not allowed ('stream_options' was unexpected)")],
  [
    'Mistral',
    'stream_options',
    {
      status: 422,
      body: {
        object: 'error',
        message: {
          detail: [{ type: 'extra_forbidden', loc: ['body', 'stream_options'], msg: 'Extra inputs are not permitted' }],
        },
        type: 'invalid_request_error',
        param: null,
      },
    },
  ],
  [
    'vLLM',
    'max_completion_tokens',
    {
      status: 400,
      body: {
        object: 'error',
        message:
          "[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are not permitted', 'input': 50}]",
        type: 'BadRequestError',
        param: null,
        code: 400,
      },
    },
  ],
  ['llama.cpp', 'top_k', { status: 400, body: { error: { code: 400, message: 'Unsupported param: top_k' } } }],
  ['Groq', 'stream_options', openai("property 'stream_options' is unsupported")],
  [
    'Gemini',
    'stream_options',
    {
      status: 400,
      body: [
        {
          error: {
            code: 400,
            message: 'Invalid JSON payload received. Unknown name "stream_options": Cannot find field.',
            status: 'INVALID_ARGUMENT',
          },
        },
      ],
    },
  ],
  [
    'Cohere',
    'stream_options',
    { status: 422, body: { message: "unknown field: parameter 'stream_options' is not a valid field" } },
  ],
  ['xAI', 'presence_penalty', openai('Model grok-4 does not support parameter presencePenalty.')],
  ['xAI, reasoning', 'reasoning_effort', openai('Argument not supported on this model: reasoningEffort')],
  [
    'Anthropic',
    'top_k',
    {
      status: 400,
      body: { error: { type: 'invalid_request_error', message: 'top_k: Extra inputs are not permitted' } },
    },
  ],
  ['Anthropic, deprecated', 'temperature', openai('`temperature` is deprecated for this model.')],
  ['LiteLLM', 'temperature', openai("gpt-5 models don't support temperature=0.2. Only temperature=1 is supported.")],
  ['LiteLLM, a list', 'top_p', openai("openai does not support parameters: ['top_p'], for model=o3")],
  ['Bedrock', 'stream_options', openai('Malformed input request: #: extraneous key [stream_options] is not permitted')],
  [
    'a server in Rust',
    'top_k',
    {
      status: 422,
      body: 'Failed to deserialize the JSON body: unknown field `top_k`, expected one of `model`, `messages`, `max_tokens`, `temperature`',
    },
  ],
]

const everything = {
  temperature: 0.2,
  top_p: 0.9,
  top_k: 5,
  presence_penalty: 1,
  reasoning_effort: 'low',
}

/** Refuses each request that has the parameter. */
const without =
  (parameter: string, refusal: Refusal): Answering =>
  ({ body }) =>
    parameter in body ? refusal : undefined

const namesOf = ({ body }: Seen) => Object.keys(body)

describe('a parameter that the endpoint does not take', () => {
  it.each(refusals)(
    '[PROVIDER-340] %s: %s is left out or renamed, and asked again at once',
    async (_, parameter, refusal) => {
      await using server = await startProvider(without(parameter, refusal))
      const tokenLimit = parameter === 'max_completion_tokens' ? parameter : 'auto'
      const { provider, logs } = providerAt(server, { parameters: everything, tokenLimit })
      expect(await ask(provider)).toEqual(stopped)
      const [first, second] = server.seen
      if (first === undefined || second === undefined) throw new Error('it was not asked twice')
      const other = parameter === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens'
      const left = namesOf(first).flatMap((name) =>
        name === parameter ? (name.startsWith('max_') ? [other] : []) : [name],
      )
      expect(namesOf(second)).toEqual(left)
      // The next one is in the right form at once, and nothing more is said.
      expect(await ask(provider)).toEqual(stopped)
      expect(server.seen).toHaveLength(3)
      expect(logs).toMatchObject([{ target: 'a', parameter }])
      provider.close()
    },
  )

  it('[PROVIDER-340] several are left out one after another, or together when they are named together', async () => {
    const refused = ['stream_options', 'temperature', 'max_tokens']
    await using server = await startProvider(({ body }) => {
      const name = refused.find((one) => one in body)
      return name === undefined ? undefined : openai(`Unsupported parameter: '${name}'`, name, 'unsupported_parameter')
    })
    const one = providerAt(server, { parameters: { temperature: 1 } })
    expect(await ask(one.provider)).toEqual(stopped)
    expect(server.seen).toHaveLength(4)
    expect(one.logs).toHaveLength(3)
    const detail = refused.map((name) => ({ type: 'extra_forbidden', loc: ['body', name] }))
    await using strict = await startProvider(({ body }) =>
      refused.some((name) => name in body) ? { status: 422, body: { detail } } : undefined,
    )
    const two = providerAt(strict, { parameters: { temperature: 1 } })
    expect(await ask(two.provider)).toEqual(stopped)
    expect(strict.seen).toHaveLength(2)
    one.provider.close()
    two.provider.close()
  })

  it('[PROVIDER-341] that both names of the token limit are refused ends without a limit', async () => {
    await using server = await startProvider(({ body }) => {
      const name = ['max_tokens', 'max_completion_tokens'].find((one) => one in body)
      return name === undefined ? undefined : openai(`Unsupported parameter: '${name}'`)
    })
    const { provider, logs } = providerAt(server)
    expect(await ask(provider)).toEqual(stopped)
    expect(server.seen.map(({ body }) => [body.max_tokens, body.max_completion_tokens])).toEqual([
      [50, undefined],
      [undefined, 50],
      [undefined, undefined],
    ])
    expect(logs).toMatchObject([
      { parameter: 'max_tokens', instead: 'none' },
      { parameter: 'max_completion_tokens', instead: 'none' },
    ])
    provider.close()
  })

  it('[PROVIDER-341] is said once however many calls find it, and in words of the gateway alone', async () => {
    const quoting = openai(
      "Unsupported parameter: 'max_tokens'. You said: hi, with key sk-1",
      'max_tokens',
      'unsupported_parameter',
    )
    await using server = await startProvider(without('max_tokens', quoting))
    const { provider, logs } = providerAt(server)
    const ends = await Promise.all(Array.from({ length: 5 }, () => ask(provider)))
    expect(ends).toEqual(Array.from({ length: 5 }, () => stopped))
    expect(logs).toEqual([
      {
        target: 'a',
        parameter: 'max_tokens',
        instead: 'max_completion_tokens',
        message: 'the endpoint refuses a parameter; it is left out from now on',
      },
    ])
    provider.close()
  })

  it('[PROVIDER-341] a refusal that only looks like one, since it quotes the conversation, teaches nothing', async () => {
    let refusing = true
    await using server = await startProvider(() =>
      refusing ? openai('This content is not allowed: "Unsupported parameter: \'temperature\'"') : undefined,
    )
    const { provider } = providerAt(server, { parameters: { temperature: 0.2 } })
    expect(await ask(provider)).toMatchObject({ cure: 'none', refusal: { kind: 'provider' } })
    refusing = false
    expect(await ask(provider)).toEqual(stopped)
    expect(server.seen.at(-1)?.body).toMatchObject({ temperature: 0.2, ...limit })
    provider.close()
  })

  it('[PROVIDER-342] an endpoint that refuses whatever is sent is asked a few times at most', async () => {
    let calls = 0
    const names = Array.from({ length: 20 }, (_, index) => `p${index}`)
    await using server = await startProvider(() => openai(`Unsupported parameter: 'p${calls++}'`))
    const parameters = Object.fromEntries(names.map((name) => [name, 1]))
    const { provider, logs } = providerAt(server, { parameters })
    expect(await ask(provider)).toMatchObject({
      refusal: { message: expect.stringContaining('400') },
      isIllness: false,
    })
    expect(server.seen).toHaveLength(7)
    expect(logs).toMatchObject([{ message: 'provider call failed', status: 400 }])
    provider.close()
  })

  it.each([
    ['model', openai("Unknown parameter: 'model'", 'model', 'unknown_parameter')],
    ['messages', openai("Unsupported value: 'messages'", 'messages', 'unsupported_value')],
    ['one that was not sent', openai("Unsupported parameter: 'tools'", 'tools', 'unsupported_parameter')],
    ['nothing', openai('The request is wrong.')],
    ['one with status 403', { ...openai("Unsupported parameter: 'max_tokens'"), status: 403 }],
  ])('[PROVIDER-342] a refusal that names %s is a failure at once', async (_, refusal) => {
    await using server = await startProvider(() => refusal)
    const { provider } = providerAt(server)
    expect(await ask(provider)).toMatchObject({ isIllness: false })
    expect(server.seen).toHaveLength(1)
    provider.close()
  })
})
