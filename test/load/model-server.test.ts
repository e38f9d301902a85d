import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import { DEMO_BLOCKS } from '../../load/model-server/demo-text.ts'
import type { ChatRequest } from '../../load/model-server/request.ts'
import { type ModelServer, startModelServer } from '../../load/model-server/server.ts'
import { chunks, deltas, events, exchange, finishReasons, post } from './raw-client.ts'

function ask(text: string, more: Partial<ChatRequest> = {}): ChatRequest {
  return { model: 'sluice-demo', stream: true, messages: [{ role: 'user', content: text }], ...more }
}

let server: ModelServer

beforeAll(async () => {
  server = await startModelServer()
})

afterAll(async () => {
  await server.close()
})

describe('answers', () => {
  const questions = [
    '',
    'Hello',
    'Größe 語 🚲?',
    'x'.repeat(10_000),
    'half \ud83d a pair',
    '[[a wiki link]] and `code`',
  ]

  for (const question of questions) {
    test(`[MODEL-1] the streamed text is answerFor's: ${JSON.stringify(question.slice(0, 30))}`, async () => {
      const request = ask(question)
      const response = await post(server.url, request)
      const answer = answerFor(request)
      expect(deltas(response.text)).toEqual(answer.tokens)
      expect(deltas(response.text).join('')).toBe(answer.text)
      expect(answer.text.isWellFormed()).toBe(true)
      expect(answer.tokens.length).toBeGreaterThan(100)
    })
  }

  test('[MODEL-1] the whole body has the same text as the stream', async () => {
    const request = ask('Tell me about rivers', { stream: false })
    const body = JSON.parse((await post(server.url, request)).text)
    const answer = answerFor(request)
    expect(body).toMatchObject({ object: 'chat.completion', model: 'sluice-demo', usage: answer.usage })
    expect(body.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: answer.text, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ])
  })

  test('[MODEL-1] another question has another answer, and the history has no say in it', () => {
    const texts = new Set(Array.from({ length: 20 }, (_, index) => answerFor(ask(`question ${index}`)).text))
    expect(texts.size).toBe(20)
    const later = ask('Hello', {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Before' },
        { role: 'assistant', content: 'Yes?' },
        { role: 'user', content: 'Hello' },
      ],
    })
    expect(answerFor(later).text).toBe(answerFor(ask('Hello')).text)
  })

  test('[MODEL-1] a long answer has every block in every round', () => {
    for (const question of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const { text, tokens } = answerFor(ask(question), { tokenCount: 3_000 })
      expect(tokens).toHaveLength(3_000)
      const firstRound = text.slice(0, text.indexOf('## Round 2'))
      for (const block of DEMO_BLOCKS) expect(firstRound).toContain(block)
    }
  })

  test('[MODEL-1] an answer whose beginning is in the request goes on from there', () => {
    const whole = answerFor(ask('Hello')).text
    for (const kept of [1, 57, 58, 59, 60, whole.length - 1, whole.length]) {
      const messages = [
        { role: 'user', content: 'Hello' },
        { role: 'assistant', content: whole.slice(0, kept) },
      ]
      const rest = answerFor(ask('Hello', { messages }))
      expect(rest.text).toBe(whole.slice(kept))
      expect(rest.tokens.join('')).toBe(rest.text)
    }
  })

  test('[MODEL-1] echo and count answer what their names say', () => {
    expect(answerFor(ask('Grüße\n\n  twice  🌊'), { answer: 'echo' }).text).toBe('Grüße\n\n  twice  🌊')
    expect(answerFor(ask('x'), { answer: 'count', tokenCount: 5 }).tokens).toEqual(['1', ' 2', ' 3', ' 4', ' 5'])
  })

  test('[MODEL-1] a clock answer has the times of sending in the foretold widths', async () => {
    const request = ask('x', { model: 'test?answer=clock&tokens=5' })
    const sent = deltas((await post(server.url, request)).text)
    expect(sent.map((token) => token.length)).toEqual(answerFor(request).tokens.map((token) => token.length))
    const times = sent.map(Number)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(times[0]).toBeGreaterThan(Date.UTC(2024, 0, 1))
  })
})

describe('the wire', () => {
  test('[MODEL-2] a stream is role, contents, finish, usage when asked for, and the marker', async () => {
    const request = ask('[[tokens=3]]', { stream_options: { include_usage: true } })
    const response = await post(server.url, request)
    const answer = answerFor(request)
    expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8')
    expect(response.ending).toBe('clean')
    expect(events(response.text).at(-1)).toBe('[DONE]')
    const all = chunks(response.text)
    const common = { id: expect.stringMatching(/^chatcmpl-/), object: 'chat.completion.chunk', model: 'sluice-demo' }
    const chunk = (delta: object, reason: string | null) =>
      expect.objectContaining({
        ...common,
        choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
        usage: null,
      })
    expect(all).toEqual([
      chunk({ role: 'assistant', content: '', refusal: null }, null),
      ...answer.tokens.map((content) => chunk({ content }, null)),
      chunk({}, 'stop'),
      expect.objectContaining({ ...common, choices: [], usage: answer.usage }),
    ])
    expect(new Set(all.map((one) => `${one.id} ${one.created}`)).size).toBe(1)
  })

  test('[MODEL-2] without include_usage no chunk speaks of usage', async () => {
    const response = await post(server.url, ask('[[tokens=3]]'))
    expect(response.text).not.toContain('usage')
    expect(events(response.text).at(-1)).toBe('[DONE]')
  })

  test('[MODEL-2] max_tokens and max_completion_tokens cut the answer and say so', async () => {
    for (const cap of [{ max_tokens: 7 }, { max_completion_tokens: 7 }]) {
      const request = ask('Hello', cap)
      const response = await post(server.url, request)
      expect(deltas(response.text)).toEqual(answerFor(ask('Hello')).tokens.slice(0, 7))
      expect(finishReasons(response.text)).toEqual(['length'])
      expect(answerFor(request)).toMatchObject({ finishReason: 'length', usage: { completion_tokens: 7 } })
    }
  })

  test('[MODEL-2] the provider’s own client reads the stream', async () => {
    const client = new OpenAI({ baseURL: server.url, apiKey: 'any', maxRetries: 0 })
    const request = ask('Grüße 🌊')
    const stream = await client.chat.completions.create({
      model: 'sluice-demo',
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: 'user', content: 'Grüße 🌊' }],
    })
    let text = ''
    let totalTokens: number | undefined
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      totalTokens = chunk.usage?.total_tokens
    }
    expect({ text, totalTokens }).toEqual({
      text: answerFor(request).text,
      totalTokens: answerFor(request).usage.total_tokens,
    })
  })

  test('[MODEL-2] models are listed', async () => {
    const { response } = exchange(`${server.url}/models`, 'GET', undefined)
    expect(JSON.parse((await response).text)).toEqual({
      object: 'list',
      data: [{ id: 'sluice-demo', object: 'model', created: 0, owned_by: 'sluice' }],
    })
  })

  test('[MODEL-2] what cannot be read is refused in the API’s shape', async () => {
    const bad = ['{', '[]', { model: 'x' }, { model: 'x', messages: [] }, ask('x', { model: 'm'.repeat(129) })]
    for (const body of bad) {
      const response = await post(server.url, body)
      expect(response.status).toBe(400)
      expect(JSON.parse(response.text).error).toMatchObject({ type: 'invalid_request_error', param: null })
    }
    expect((await post(`${server.url}/nowhere`, ask('x'))).status).toBe(404)
    expect((await post(server.url, ask('x'.repeat(17 * 1024 * 1024)))).status).toBe(413)
  })

  test('[MODEL-2] a server with a key refuses those without it', async () => {
    await using guarded = await startModelServer({ apiKey: 'right' })
    expect((await post(guarded.url, ask('x'))).status).toBe(401)
    expect((await post(guarded.url, ask('x'), { authorization: 'Bearer wrong' })).status).toBe(401)
    expect((await post(guarded.url, ask('x'), { authorization: 'Bearer right' })).status).toBe(200)
  })
})

describe('settings', () => {
  const lengthOf = async (of: ModelServer, request: ChatRequest) => deltas((await post(of.url, request)).text).length

  test('[MODEL-3] a directive wins over the model’s name, that over the server, that over the default', async () => {
    await using short = await startModelServer({ tokenCount: 4 })
    expect(await lengthOf(short, ask('x'))).toBe(4)
    expect(await lengthOf(short, ask('x', { model: 'm?tokens=5' }))).toBe(5)
    expect(await lengthOf(short, ask('x\n[[tokens=6]]', { model: 'm?tokens=5' }))).toBe(6)
    expect(await lengthOf(short, ask('[[tokens=7]]\nx\n[[tokens=8]]'))).toBe(8)
  })

  test('[MODEL-3] only the last user message directs, also as parts', () => {
    const first = { role: 'user', content: '[[tokens=3]]' }
    const parts = { role: 'user', content: [{ type: 'text', text: 'x\n[[tokens=9]]' }] }
    expect(answerFor(ask('', { messages: [first, parts] })).tokens).toHaveLength(9)
    expect(answerFor(ask('', { messages: [parts, { role: 'user', content: 'x' }] })).tokens.length).toBeGreaterThan(9)
  })

  test('[MODEL-3] directives are no part of what the user said', () => {
    expect(answerFor(ask('Hello\n[[tps=0]]')).text).toBe(answerFor(ask('Hello')).text)
  })

  test('[MODEL-3] with directives off their lines are text like any other', async () => {
    await using deaf = await startModelServer({ directives: false })
    const request = ask('Hello\n[[tokens=3]]')
    const response = await post(deaf.url, request)
    expect(deltas(response.text)).toEqual(answerFor(request, { directives: false }).tokens)
    expect(deltas(response.text).join('')).toContain('[[tokens=3]]')
  })

  test('[MODEL-3] what looks like a directive but names no setting is text', () => {
    expect(answerFor(ask('[[ $a = 1 ]]'), { answer: 'echo' }).text).toBe('[[ $a = 1 ]]')
    expect(answerFor(ask('see [[tokens=3]] here'), { answer: 'echo' }).text).toBe('see [[tokens=3]] here')
  })

  test('[MODEL-3] a setting that cannot be read is refused, and answerFor throws', async () => {
    const bad = [
      'tokens=-1',
      'tokens=1.5',
      'tokens=',
      'fault=nonsense',
      'ttft=1e3',
      'tps=2000000',
      'colour=red',
      'times=0',
    ]
    for (const setting of bad) {
      const request = ask('x', { model: `test?tps=0&${setting}` })
      const response = await post(server.url, request)
      expect([setting, response.status]).toEqual([setting, 400])
      expect(response.text).toContain(setting.split('=')[0])
      expect(() => answerFor(request)).toThrow('unable to answer')
    }
    expect((await post(server.url, ask('[[tokens=3 colour=red]]'))).status).toBe(400)
  })

  test('[MODEL-4] no token is sent before it is due', async () => {
    const response = await post(server.url, ask('[[ttft=120 tps=50 tokens=6 answer=clock]]'))
    const receivedMs = server.requests.at(-1)?.receivedMs ?? Number.NaN
    const sentMs = deltas(response.text).map(Number)
    expect(sentMs).toHaveLength(6)
    const firstMs = sentMs[0] ?? Number.NaN
    expect(firstMs).toBeGreaterThanOrEqual(receivedMs + 120 - 0.5)
    for (const [index, ms] of sentMs.entries()) expect(ms).toBeGreaterThanOrEqual(receivedMs + 120 + index * 20 - 0.5)
  })

  test('[MODEL-4] the first token waits for its time also when the rest have none', async () => {
    for (const ttft of [1, 40, 1_100]) {
      const response = await post(server.url, ask(`[[ttft=${ttft} tokens=3 answer=clock]]`))
      const receivedMs = server.requests.at(-1)?.receivedMs ?? Number.NaN
      expect(Number(deltas(response.text)[0])).toBeGreaterThanOrEqual(receivedMs + ttft - 0.5)
    }
  })

  test('[MODEL-4] two hundred streams at once each get their own text', async () => {
    const requests = Array.from({ length: 200 }, (_, index) => ask(`stream ${index}\n[[ttft=5 tps=500 tokens=40]]`))
    const responses = await Promise.all(requests.map((request) => post(server.url, request)))
    const texts = responses.map((response) => deltas(response.text).join(''))
    expect(texts).toEqual(requests.map((request) => answerFor(request).text))
    expect(new Set(texts).size).toBe(200)
  })
})
