import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import { FAULTS, type Fault } from '../../load/model-server/settings.ts'
import type { ProviderCall, ProviderEnd, ProviderFailure } from '../../orchestrator/ports.ts'
import { createOpenAiProvider } from '../../orchestrator/providers/openai.ts'
import type { Refusal } from '../../protocol/error.ts'
import { type Bench, shown, startBench } from './bench.ts'

const middle = { type: 'turn.failed', finishReason: 'error', error: { kind: 'provider', retryable: true } }
const usageAtMost = { usage: { source: 'bound' } }
const keyRefused = { ...middle, error: { kind: 'provider', retryable: false } }

/** What each fault of the model server ends in, and how much of its answer stays. */
const ends: Record<Fault, { readonly terminal: object; readonly text: 'none' | 'partial' | 'whole' }> = {
  '400': { terminal: keyRefused, text: 'none' },
  '401': { terminal: keyRefused, text: 'none' },
  '403': { terminal: keyRefused, text: 'none' },
  '404': { terminal: keyRefused, text: 'none' },
  '408': { terminal: middle, text: 'none' },
  '409': { terminal: middle, text: 'none' },
  '429': { terminal: { type: 'turn.failed', error: { kind: 'rate-limited', retryAfterMs: 7_000 } }, text: 'none' },
  'empty-account': { terminal: keyRefused, text: 'none' },
  'too-long': { terminal: { type: 'turn.failed', error: { kind: 'too-large' } }, text: 'none' },
  blocked: { terminal: { type: 'turn.failed', error: { kind: 'filtered' } }, text: 'none' },
  '500': { terminal: middle, text: 'none' },
  '503': { terminal: middle, text: 'none' },
  'stall-before': { terminal: middle, text: 'none' },
  'stall-headers': { terminal: middle, text: 'none' },
  'stall-mid': { terminal: { ...middle, ...usageAtMost }, text: 'partial' },
  'reset-before': { terminal: middle, text: 'none' },
  'reset-mid': { terminal: { ...middle, ...usageAtMost }, text: 'partial' },
  'no-marker': { terminal: { ...middle, ...usageAtMost }, text: 'partial' },
  'no-usage': { terminal: { type: 'turn.completed', finishReason: 'stop', ...usageAtMost }, text: 'whole' },
  'error-in-200': { terminal: middle, text: 'partial' },
  html: { terminal: middle, text: 'none' },
  filtered: { terminal: { type: 'turn.completed', finishReason: 'content_filter' }, text: 'partial' },
  'split-char': { terminal: { type: 'turn.completed', finishReason: 'stop' }, text: 'whole' },
  'split-surrogate': { terminal: { type: 'turn.completed', finishReason: 'stop' }, text: 'whole' },
  'giant-delta': { terminal: { type: 'turn.completed', finishReason: 'stop' }, text: 'whole' },
}

async function ended(bench: Bench, model: string) {
  const session = await bench.session()
  const reply = await bench.turns.send(bench.request(session, 'What goes wrong?', { model }))
  if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
  const terminal = await bench.terminal(session, reply.turn)
  const entry = (await bench.history(session)).at(-1)
  return { session, turn: reply.turn, terminal, text: entry?.texts?.[0]?.toString() ?? '' }
}

describe('a provider that fails', () => {
  it.each(FAULTS)('[PROVIDER-1] %s ends as its fault says, with the text that came', async (fault) => {
    await using bench = await startBench({
      policy: (policy) => ({
        ...policy,
        retry: { ...policy.retry, totalMs: fault.startsWith('stall') ? 300 : 5_000, silenceMs: 300 },
      }),
      model: { retryAfterSeconds: 7 },
    })
    const model = `sluice-demo?fault=${fault}&tokens=40`
    const { turn, terminal, text } = await ended(bench, model)
    const expected = ends[fault]
    expect(terminal).toMatchObject(expected.terminal)
    const chat = bench.model.requests[0]?.chat
    if (chat === undefined) throw new Error('the model was not asked')
    const answer = answerFor(chat)
    const due = { none: '', partial: answer.tokens.slice(0, answer.at).join(''), whole: answer.text }
    expect(text).toBe(due[expected.text])
    expect(shown(bench.delivered, turn)).toBe(text)
    expect(terminal.bytes).toBe(Buffer.byteLength(text))
    expect(bench.model.requests.length).toBe(1)
    expect(JSON.stringify(bench.logs)).not.toContain('What goes wrong')
  })

  it('[PROVIDER-2] that is not there fails the turn, and nobody knows that it cost anything', async () => {
    await using bench = await startBench()
    await bench.model.close()
    const { terminal } = await ended(bench, 'sluice-demo')
    expect(terminal).toMatchObject({ ...middle, usage: { inputTokens: 0, outputTokens: 0, source: 'unknown' } })
  })
})

interface Told {
  readonly texts: string[]
  readonly end: ProviderEnd | Refusal
}

/** Asks a server that answers these pieces, one write each, then ends. */
async function ask(pieces: readonly (string | Buffer)[], type = 'text/event-stream'): Promise<Told> {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': type })
    const write = (index: number): void => {
      const piece = pieces[index]
      if (piece === undefined) return void response.end()
      response.write(piece, () => setImmediate(write, index + 1))
    }
    write(0)
  }).listen(0)
  // A listening TCP server has an address of this kind.
  const { port } = server.address() as AddressInfo
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const provider = createOpenAiProvider({ baseUrl: `http://127.0.0.1:${port}/v1`, headersMs: 5_000 }, logger)
  const texts: string[] = []
  const end = await new Promise<ProviderEnd | Refusal>((resolve) => {
    const request = {
      model: 'm',
      messages: [{ role: 'user', content: 'hi' }],
      maxOutputTokens: 5,
      apiKey: 'key',
    } as const
    provider.call(request, {
      connected: () => undefined,
      started: () => undefined,
      text: (piece) => texts.push(piece),
      ended: resolve,
      failed: (failure) => resolve(failure.refusal),
    })
  })
  provider.close()
  server.closeAllConnections()
  server.close()
  return { texts, end }
}

const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const delta = (content: string) => event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
const stop = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
const marker = 'data: [DONE]\n\n'

describe('the reading of a stream', () => {
  it('[PROVIDER-3] joins a character that was cut over two chunks', async () => {
    const bytes = Buffer.from(delta('Größe 😀') + stop + marker)
    const pieces = Array.from(bytes, (byte) => Buffer.of(byte))
    const { texts, end } = await ask(pieces)
    expect(texts.join('')).toBe('Größe 😀')
    expect(end).toEqual({ finishReason: 'stop' })
  })

  it('[PROVIDER-4] passes over what it does not know: comments, reasoning, usage of other shapes', async () => {
    const { texts, end } = await ask([
      ': ping\n\n',
      event({ choices: [{ delta: { role: 'assistant', content: null } }] }),
      event({ choices: [{ delta: { reasoning_content: 'hm' } }], usage: null }),
      event({ choices: [{ delta: { tool_calls: [] } }] }),
      event({ choices: [], usage: { prompt_tokens: '5' } }),
      event({}),
      delta('yes'),
      stop,
      event({
        choices: [],
        usage: { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } },
      }),
      marker,
    ])
    expect(texts).toEqual(['yes'])
    expect(end).toEqual({ finishReason: 'stop', usage: { inputTokens: 5, outputTokens: 1, cachedTokens: 2 } })
  })

  it.each([
    ['neither a finish reason nor an end marker', [delta('a')]],
    ['an event without JSON', [delta('a'), 'data: {"choices\n\n']],
    ['an event that never ends', [delta('a'), `data: ${'x'.repeat(9 * 1024 * 1024)}`]],
    ['an error object', [delta('a'), event({ error: { message: 'secret words', code: null } })]],
  ])('[PROVIDER-5] %s is a failure, never a clean end', async (_, pieces) => {
    const { texts, end } = await ask(pieces)
    expect(texts).toEqual(['a'])
    expect(end).toMatchObject({ kind: 'provider', retryable: true })
    expect(JSON.stringify(end)).not.toContain('secret words')
  })

  it('[BUDGET-150] a usage that is told before the last text is not all, one that comes with it or after it is', async () => {
    const usage = { prompt_tokens: 5, completion_tokens: 1 }
    const told = event({ choices: [], usage })
    const exact = { finishReason: 'stop', usage: { inputTokens: 5, outputTokens: 1 } }
    expect((await ask([told, delta('yes'), stop, marker])).end).toEqual({ finishReason: 'stop' })
    expect((await ask([told, delta('yes'), stop, told, marker])).end).toEqual(exact)
    const both = event({ choices: [{ delta: { content: 'yes' }, finish_reason: 'stop' }], usage })
    expect((await ask([both, marker])).end).toEqual(exact)
  })

  it('[BUDGET-144] a call that is given up for want of an answer counts, since its provider may be at work', async () => {
    await using bench = await startBench({ model: { fault: 'stall-before' } })
    const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
    const provider = createOpenAiProvider({ baseUrl: bench.model.url, headersMs: 50 }, logger)
    const told: string[] = []
    const tell = (what: string) => () => void told.push(what)
    await new Promise<void>((resolve) => {
      const sink = { connected: tell('connected'), taken: tell('taken'), started: tell('started'), text: tell('text') }
      const request = {
        model: 'm',
        messages: [{ role: 'user', content: 'hi' }],
        maxOutputTokens: 5,
        apiKey: 'k',
      } as const
      provider.call(request, { ...sink, ended: () => resolve(), failed: () => resolve() })
    })
    expect(told).toEqual(['connected', 'taken'])
    provider.close()
  })

  it('[PROVIDER-6] close reaches the provider before its first byte, and nothing is told any more', async () => {
    await using bench = await startBench({ model: { fault: 'stall-before' } })
    const told: string[] = []
    const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
    const provider = createOpenAiProvider({ baseUrl: bench.model.url, headersMs: 5_000 }, logger)
    const tell = (what: string) => () => void told.push(what)
    const quiet = { started: tell('started'), text: tell('text'), ended: tell('ended'), failed: tell('failed') }
    const sink = { connected: tell('connected'), ...quiet }
    const call: ProviderCall = provider.call(
      { model: 'm', messages: [{ role: 'user', content: 'hi' }], maxOutputTokens: 5, apiKey: 'key' },
      sink,
    )
    await bench.model.waitFor(() => true)
    call.close()
    await bench.model.waitFor((request) => request.status === 'closed-by-client')
    expect(told).toEqual(['connected'])
    provider.close()
  })

  it('[PROVIDER-8] asks again, once, when an idle connection turns out to be closed', async () => {
    const seen: number[] = []
    const server = createServer((request, response) => {
      const socket = request.socket
      seen.push(socket.remotePort ?? 0)
      if (seen.filter((port) => port === socket.remotePort).length > 1) return void socket.resetAndDestroy()
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(delta('yes') + stop + marker)
    }).listen(0)
    // A listening TCP server has an address of this kind.
    const { port } = server.address() as AddressInfo
    const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
    const provider = createOpenAiProvider({ baseUrl: `http://127.0.0.1:${port}/v1`, headersMs: 5_000 }, logger)
    const answer = () =>
      new Promise<unknown>((resolve) => {
        const request = {
          model: 'm',
          messages: [{ role: 'user', content: 'hi' }],
          maxOutputTokens: 5,
          apiKey: 'key',
        } as const
        const quiet = { connected: () => undefined, started: () => undefined, text: () => undefined }
        provider.call(request, { ...quiet, ended: resolve, failed: resolve })
      })
    // Whether a connection is idle already when the next call looks for one is the agent's business.
    const wasReused = () => new Set(seen).size < seen.length
    for (let calls = 0; calls < 50 && !wasReused(); calls++) expect(await answer()).toEqual({ finishReason: 'stop' })
    expect(wasReused()).toBe(true)
    provider.close()
    server.closeAllConnections()
    server.close()
  })
})

describe('the request', () => {
  const quiet = { connected: () => undefined, started: () => undefined, text: () => undefined }
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const question = { model: 'm', messages: [{ role: 'user', content: 'hi' }], maxOutputTokens: 5 } as const

  /** What becomes of one call to this address. */
  async function call(baseUrl: string, apiKey = 'key', headersMs = 5_000): Promise<ProviderEnd | ProviderFailure> {
    const provider = createOpenAiProvider({ baseUrl, headersMs }, logger)
    try {
      return await new Promise((resolve) => {
        provider.call({ ...question, apiKey }, { ...quiet, ended: resolve, failed: resolve })
      })
    } finally {
      provider.close()
    }
  }

  async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
    const server = createServer(answer).listen(0)
    // A listening TCP server has an address of this kind.
    const { port } = server.address() as AddressInfo
    return {
      url: `http://127.0.0.1:${port}`,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      },
    }
  }

  it.each([
    ['/v1', '/v1/chat/completions'],
    ['/v1/', '/v1/chat/completions'],
    ['', '/chat/completions'],
    ['/openai/deployments/d?api-version=2026-01-01', '/openai/deployments/d/chat/completions?api-version=2026-01-01'],
  ])('[PROVIDER-10] goes below the base address %s, whose query stays', async (base, path) => {
    let seen: object | undefined
    await using server = await serve(async (request, response) => {
      const body = JSON.parse((await request.toArray()).join(''))
      const { authorization, 'content-type': type, 'content-length': length } = request.headers
      seen = { path: `${request.method} ${request.url}`, authorization, type, length: Number(length) > 0, body }
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(delta('yes') + stop + marker)
    })
    expect(await call(server.url + base)).toEqual({ finishReason: 'stop' })
    expect(seen).toEqual({
      path: `POST ${path}`,
      authorization: 'Bearer key',
      type: 'application/json',
      length: true,
      body: {
        model: 'm',
        messages: question.messages,
        max_tokens: 5,
        stream: true,
        stream_options: { include_usage: true },
      },
    })
  })

  it('[PROVIDER-8] does not ask again when it is an answer that breaks off on a connection that was used before', async () => {
    const uses = new Map<Socket, number>()
    let seenCount = 0
    let breakOff: (() => void) | undefined
    await using server = await serve(({ socket }, response) => {
      seenCount++
      const use = (uses.get(socket) ?? 0) + 1
      uses.set(socket, use)
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      if (use === 1) return void response.end(delta('yes') + stop + marker)
      breakOff = () => socket.resetAndDestroy()
      response.write(delta('half'))
    })
    const provider = createOpenAiProvider({ baseUrl: `${server.url}/v1`, headersMs: 5_000 }, logger)
    let callCount = 0
    const ask = () =>
      new Promise<ProviderEnd | ProviderFailure>((resolve) => {
        callCount++
        const text = () => breakOff?.()
        provider.call({ ...question, apiKey: 'key' }, { ...quiet, text, ended: resolve, failed: resolve })
      })
    // Whether a connection is idle already when the next call looks for one is the agent's business.
    let wasBroken = false
    while (!wasBroken && callCount < 50) wasBroken = 'refusal' in (await ask())
    expect(wasBroken).toBe(true)
    breakOff = undefined
    await ask()
    expect(seenCount).toBe(callCount)
    provider.close()
  })

  it('[PROVIDER-11] fails when a key is not fit for a header, and no exception leaves the call', async () => {
    expect(await call('http://127.0.0.1:9/v1', 'a\nb')).toMatchObject({ refusal: { kind: 'provider' }, cure: 'wait' })
  })

  it('[PROVIDER-12] is given up, and its connection closed, when no headers come in time', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    await using server = await serve((request) => void request.socket.once('close', () => resolve()))
    const failure = await call(`${server.url}/v1`, 'key', 50)
    expect(failure).toMatchObject({ refusal: { message: 'the model did not answer in time' }, isIllness: true })
    await closed
  })

  it('[PROVIDER-13] tells of a refusal its status and code, and how long to wait, but none of its words', async () => {
    const logs: object[] = []
    await using server = await serve((_, response) => {
      response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '9', 'retry-after-ms': '1500' })
      response.end(JSON.stringify({ error: { code: 'rate_limit_exceeded', message: 'secret words' } }))
    })
    const provider = createOpenAiProvider(
      { baseUrl: `${server.url}/v1`, headersMs: 5_000 },
      { ...logger, warn: (fields) => logs.push(fields) },
    )
    const failure = await new Promise((resolve) => {
      provider.call({ ...question, apiKey: 'key' }, { ...quiet, ended: resolve, failed: resolve })
    })
    provider.close()
    expect(failure).toMatchObject({ cure: 'other-key', retryAfterMs: 1500, isIllness: false })
    expect(logs).toEqual([{ kind: 'rate-limited', status: 429, code: 'rate_limit_exceeded' }])
  })

  it.each<[string, (response: ServerResponse) => void, object]>([
    [
      'an error code',
      (response) => response.writeHead(400).end(JSON.stringify({ error: { code: 'you asked: secret words' } })),
      { kind: 'provider', status: 400 },
    ],
    [
      'a media type',
      (response) => response.writeHead(200, { 'content-type': 'secret words; charset=utf-8' }).end(),
      { kind: 'provider', type: 'other' },
    ],
  ])('[PROVIDER-180] %s that is no name is not logged', async (_what, answer, line) => {
    const logs: object[] = []
    await using server = await serve((_, response) => answer(response))
    const provider = createOpenAiProvider(
      { baseUrl: `${server.url}/v1`, headersMs: 5_000 },
      { ...logger, warn: (fields) => logs.push(fields) },
    )
    await new Promise((resolve) => {
      provider.call({ ...question, apiKey: 'key' }, { ...quiet, ended: resolve, failed: resolve })
    })
    provider.close()
    expect(logs).toEqual([line])
  })

  it('[PROVIDER-180] a finish reason, a model or an id that is no name reaches neither record nor span', async () => {
    const started: object[] = []
    const said = { model: 'you asked: secret words', id: 'secret words' }
    const finished = { choices: [{ index: 0, delta: { content: 'a' }, finish_reason: 'stopped at: secret words' }] }
    await using server = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(event({ ...finished, ...said }) + marker)
    })
    const provider = createOpenAiProvider({ baseUrl: `${server.url}/v1`, headersMs: 5_000 }, logger)
    const end = await new Promise((resolve) => {
      const sink = { ...quiet, started: (answer: object) => started.push(answer), ended: resolve, failed: resolve }
      provider.call({ ...question, apiKey: 'key' }, sink)
    })
    provider.close()
    expect([started, end]).toEqual([[{}], { finishReason: 'other' }])
  })
})
