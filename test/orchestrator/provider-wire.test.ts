/** Answers as providers really send them, byte by byte as they are on the wire. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hear, startWireServer, summary, type WireServer } from './wire-server.ts'

let server: WireServer
beforeAll(async () => {
  server = await startWireServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const json = (value: unknown) => JSON.stringify(value)
const event = (value: unknown) => `data: ${json(value)}\n\n`
const content = (text: unknown) =>
  event({ id: 'c', choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })
const fin = (reason: unknown, more: object = {}) =>
  event({ id: 'c', choices: [{ index: 0, delta: {}, finish_reason: reason }], ...more })
const done = 'data: [DONE]\n\n'
const head = (fields = 'content-type: text/event-stream\r\n') => `HTTP/1.1 200 OK\r\n${fields}connection: close\r\n\r\n`
const chunked = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const hello = content('Hello') + content(' world')

async function told(pieces: readonly (string | Buffer)[], end?: 'close' | 'reset' | 'stay') {
  server.answer(pieces, end)
  return summary(await hear(server.url))
}

describe('when an answer is whole', () => {
  test.each([
    ['finish reason, close', [head() + hello + fin('stop')], 'close', 'Hello world | stop'],
    ['finish reason, chunked end', [`${chunked + chunk(hello + fin('stop'))}0\r\n\r\n`], 'close', 'Hello world | stop'],
    [
      'finish reason, content length',
      [`HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(hello + fin('stop'))}\r\n\r\n${hello + fin('stop')}`],
      'stay',
      'Hello world | stop',
    ],
    ['finish reason, HTTP/1.0', [`HTTP/1.0 200 OK\r\n\r\n${hello}${fin('stop')}`], 'close', 'Hello world | stop'],
    [
      'finish reason and usage, close',
      [head() + hello + fin('stop') + event({ choices: [], usage: null })],
      'close',
      'Hello world | stop',
    ],
    ['filter, close', [head() + hello + fin('content_filter')], 'close', 'Hello world | content_filter'],
    ['finish reason, then nothing', [head() + hello + fin('stop')], 'stay', 'Hello world | stop'],
    ['finish reason, then a broken connection', [chunked + chunk(hello + fin('stop'))], 'close', 'Hello world | stop'],
    [
      'finish reason, then an error',
      [head() + hello + fin('stop') + event({ error: 'x' })],
      'close',
      'Hello world | stop',
    ],
    ['end marker without a finish reason', [head() + hello + done], 'close', 'Hello world | stop'],
    ['end marker, then nothing', [head() + hello + done], 'stay', 'Hello world | stop'],
    ['end marker with blanks', [`${head() + hello}data:  [DONE] \n\n`], 'stay', 'Hello world | stop'],
    ['a torn end marker', [`${head() + hello}data: [DON`], 'close', 'Hello world | stop'],
    ['a last event without its blank line', [head() + hello + fin('stop').trimEnd()], 'close', 'Hello world | stop'],
    [
      'finishReason',
      [head() + hello + event({ choices: [{ delta: {}, finishReason: 'stop' }] })],
      'close',
      'Hello world | stop',
    ],
    [
      'an empty finish reason behind one',
      [head() + hello + fin('stop') + fin('') + done],
      'close',
      'Hello world | stop',
    ],
    [
      'an empty finish reason in each event',
      [head() + hello.replaceAll('null', '""') + fin('stop') + done],
      'close',
      'Hello world | stop',
    ],
    ['neither, close', [head() + hello], 'close', 'Hello world | failed provider wait'],
    ['neither, chunked end', [`${chunked + chunk(hello)}0\r\n\r\n`], 'close', 'Hello world | failed provider wait'],
    ['neither, then a broken connection', [chunked + chunk(hello)], 'close', 'Hello world | failed provider wait'],
    ['a torn event', [`${head() + hello}data: {"choices":[{"del`], 'close', 'Hello world | failed provider wait'],
    [
      'an error',
      [head() + hello + event({ error: { message: 'x', code: 500 } })],
      'close',
      'Hello world | failed provider wait',
    ],
    [
      'a named error',
      [`${head() + hello}event: error\ndata: {"message":"x"}\n\n`],
      'close',
      'Hello world | failed provider wait',
    ],
    [
      'an error of a choice',
      [head() + hello + event({ choices: [{ delta: {}, error: { code: 502 } }] })],
      'close',
      'Hello world | failed provider wait',
    ],
    [
      'an error object of vLLM',
      [head() + hello + event({ object: 'error', message: 'x', code: 500 })],
      'close',
      'Hello world | failed provider wait',
    ],
    [
      'an error as the finish reason',
      [head() + content('Hello') + fin('error') + done],
      'close',
      'Hello | failed provider wait',
    ],
  ] as const)('[PROVIDER-300] %s', async (_what, pieces, end, expected) => {
    expect(await told(pieces, end)).toBe(expected)
  })
})

describe('finish reasons', () => {
  test.each([
    ['stop', ['stop', 'STOP', 'end_turn', 'eos', 'stop_sequence', 'COMPLETE', 'completed']],
    [
      'length',
      ['length', 'max_tokens', 'MAX_TOKENS', 'max_output_tokens', 'model_length', 'model_context_window_exceeded'],
    ],
    [
      'content_filter',
      ['content_filter', 'SAFETY', 'safety', 'RECITATION', 'prohibited_content', 'refusal', 'sensitive'],
    ],
    ['failed provider wait', ['error', 'insufficient_system_resource', 'network_error', 'abort']],
    ['failed provider none', ['tool_calls', 'function_call', 'tool_use']],
    ['galaxy', ['galaxy']],
    ['other', ['you asked: secret']],
  ])('[PROVIDER-301] %s has many spellings', async (expected, spellings) => {
    for (const spelling of spellings)
      expect(await told([head() + content('a') + fin(spelling) + done])).toBe(`a | ${expected}`)
  })
})

describe('the shapes of content', () => {
  const delta = (said: object) => event({ choices: [{ index: 0, delta: said, finish_reason: null }] })
  const thinking = (text: string) => ({ type: 'thinking', thinking: [{ type: 'text', text }] })
  test.each<[string, string, string, string]>([
    [
      'parts',
      content([thinking('hm')]) +
        content([{ type: 'text', text: 'Hello' }]) +
        content([{ type: 'text', text: ' world' }]),
      'Hello world',
      'hm',
    ],
    ['parts, then strings', content([{ type: 'text', text: 'Hello' }, ' ']) + content('world'), 'Hello world', ''],
    ['output_text', content([{ type: 'output_text', text: 'Hello' }]), 'Hello', ''],
    [
      'parts that are no text',
      content([
        { type: 'image_url', image_url: { url: 'x' } },
        { type: 'text', text: 'Hello' },
      ]),
      'Hello',
      '',
    ],
    ['reasoning_content', delta({ content: null, reasoning_content: 'hm' }) + content('Hello'), 'Hello', 'hm'],
    ['reasoning', delta({ reasoning: 'hm' }) + content('Hello'), 'Hello', 'hm'],
    ['a refusal', delta({ refusal: 'I must not.' }), 'I must not.', ''],
    ['a whole message', event({ choices: [{ index: 0, message: { content: 'Hello' } }] }), 'Hello', ''],
    [
      'a whole message behind its pieces',
      content('Hel') + content('lo') + event({ choices: [{ message: { content: 'Hello' }, finish_reason: 'stop' }] }),
      'Hello',
      '',
    ],
    [
      'all of it so far in each event',
      event({ choices: [{ message: { content: 'Hel' } }] }) + event({ choices: [{ message: { content: 'Hello' } }] }),
      'Hello',
      '',
    ],
    [
      'pieces as messages',
      event({ choices: [{ message: { content: 'Hel' } }] }) + event({ choices: [{ message: { content: 'lo' } }] }),
      'Hello',
      '',
    ],
    [
      'delta beside the message so far',
      event({ choices: [{ delta: { content: 'Hel' }, message: { content: 'Hel' } }] }) +
        event({ choices: [{ delta: { content: 'lo' }, message: { content: 'Hello' } }] }),
      'Hello',
      '',
    ],
    ['the text of old completions', event({ choices: [{ index: 0, text: 'Hello' }] }), 'Hello', ''],
    [
      'another choice beside it',
      event({ choices: [{ index: 1, delta: { content: 'other' } }] }) + content('Hello'),
      'Hello',
      '',
    ],
    [
      'null, numbers, objects',
      content(null) + content(7) + content({ a: 1 }) + delta({}) + content('Hello'),
      'Hello',
      '',
    ],
    ['text beside its end', event({ choices: [{ delta: { content: 'Hello' }, finish_reason: 'stop' }] }), 'Hello', ''],
    [
      'a huge unknown field',
      event({ choices: [{ delta: { content: 'Hello' } }], more: 'x'.repeat(3 * 1024 * 1024) }),
      'Hello',
      '',
    ],
  ])('[PROVIDER-302] %s', async (_what, body, text, thought) => {
    server.answer([head() + body + done])
    const heard = await hear(server.url)
    expect([heard.texts.join(''), heard.thoughts.join(''), heard.end]).toEqual([
      text,
      thought,
      { ended: { finishReason: 'stop' } },
    ])
  })
})

describe('events that say nothing', () => {
  test.each([
    ['an empty heartbeat', 'data:\n\n'],
    ['a blank one', 'data:   \n\n'],
    ['a named one', 'event: ping\ndata:\n\n'],
    ['a named one with JSON', 'event: ping\ndata: {"type":"ping"}\n\n'],
    ['a named one with words', 'event: ping\ndata: still here\n\n'],
    ['an empty list', 'data: []\n\n'],
    ['null', 'data: null\n\n'],
    ['an empty object', 'data: {}\n\n'],
    ['a comment', ': OPENROUTER PROCESSING\n\n'],
    ['retry', 'retry: 100\n\n'],
    ['an id', 'id: 7\n\n'],
    ['empty choices', 'data: {"choices":[],"prompt_filter_results":[]}\n\n'],
    ['null choices', 'data: {"choices":null}\n\n'],
    ['a null choice', 'data: {"choices":[null]}\n\n'],
  ])('[PROVIDER-303] %s is passed over wherever it comes', async (_what, nothing) => {
    for (const body of [nothing + hello, content('Hello') + nothing + content(' world'), hello + nothing])
      expect(await told([head() + body + fin('stop') + nothing + done])).toBe('Hello world | stop')
  })
})

describe('the body', () => {
  const sse = hello + fin('stop') + done
  const completion = {
    id: 'c',
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello world' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 2 },
  }
  test.each<[string, string, string | Buffer, string]>([
    ['without a content type', '', sse, 'Hello world | stop'],
    ['as text/plain', 'content-type: text/plain\r\n', sse, 'Hello world | stop'],
    ['as application/json', 'content-type: application/json\r\n', sse, 'Hello world | stop'],
    ['as TEXT/Event-Stream', 'content-type: TEXT/Event-Stream; charset=UTF-8\r\n', sse, 'Hello world | stop'],
    ['as text/html', 'content-type: text/html\r\n', sse, 'Hello world | stop'],
    ['behind blank lines', '', `\n\n\r\n${sse}`, 'Hello world | stop'],
    ['behind a mark of byte order', '', `\ufeff${sse}`, 'Hello world | stop'],
    ['with CRLF', '', sse.replaceAll('\n', '\r\n'), 'Hello world | stop'],
    ['as one completion', 'content-type: application/json\r\n', json(completion), 'Hello world | stop'],
    [
      'as one completion called a stream',
      'content-type: text/event-stream\r\n',
      JSON.stringify(completion, null, 2),
      'Hello world | stop',
    ],
    [
      'as one event a line',
      'content-type: application/x-ndjson\r\n',
      sse.replaceAll('data: ', '').replace('[DONE]', ''),
      'Hello world | stop',
    ],
    ['gzip', 'content-encoding: gzip\r\n', gzipSync(sse), 'Hello world | stop'],
    ['deflate', 'content-encoding: deflate\r\n', deflateSync(sse), 'Hello world | stop'],
    ['br', 'content-encoding: br\r\n', brotliCompressSync(sse), 'Hello world | stop'],
    ['zstd', 'content-encoding: ZSTD\r\n', zstdCompressSync(sse), 'Hello world | stop'],
    [
      'gzip of one completion',
      'content-encoding: gzip\r\ncontent-type: application/json\r\n',
      gzipSync(json(completion)),
      'Hello world | stop',
    ],
    ['a coding that nobody knows', 'content-encoding: rot13\r\n', sse, ' | failed provider wait'],
    ['called gzip, and is none', 'content-encoding: gzip\r\n', sse, ' | failed provider wait'],
    ['a web page', 'content-type: text/html\r\n', '<!doctype html><p>hello', ' | failed provider wait'],
    ['nothing', '', '', ' | failed provider wait'],
    ['JSON that is no answer', 'content-type: application/json\r\n', '{"status":"ok"}', ' | failed provider wait'],
    [
      'an error in 200',
      'content-type: application/json\r\n',
      '{"error":{"code":"insufficient_quota"}}',
      ' | failed provider other-account',
    ],
    [
      'an error in a list in 200',
      'content-type: application/json\r\n',
      '[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}]',
      ' | failed rate-limited other-key',
    ],
  ])('[PROVIDER-304] %s', async (_what, fields, body, expected) => {
    expect(await told([head(fields), body])).toBe(expected)
  })

  test('[PROVIDER-304] what came is named in the log', async () => {
    const came = async (pieces: readonly (string | Buffer)[]) => {
      server.answer(pieces)
      return (await hear(server.url)).logs
    }
    expect(await came([head('content-type: text/html\r\n'), '<p>'])).toEqual([{ kind: 'provider', type: 'text/html' }])
    expect(await came([head('content-encoding: rot13\r\n')])).toEqual([{ kind: 'provider', coding: 'rot13' }])
    expect(
      await came([
        'HTTP/1.1 308 Moved\r\nlocation: https://u:p@other.example/v1?key=secret\r\ncontent-length: 0\r\n\r\n',
      ]),
    ).toEqual([{ kind: 'provider', status: 308, location: 'https://other.example/v1' }])
    expect(await came(['HTTP/1.1 404 Not Found\r\ncontent-type: text/html; charset=x\r\n\r\n<p>secret words'])).toEqual(
      [{ kind: 'provider', status: 404, type: 'text/html' }],
    )
  })
})

describe('what a status may cure', () => {
  const bodies = {
    plain: { error: { message: 'secret words', type: 'invalid_request_error', code: null } },
    code: (code: unknown) => ({ error: { code, message: 'secret words' } }),
    type: (type: string) => ({ type: 'error', error: { type, message: 'secret words' } }),
    azure: { error: { code: 'invalid_prompt', message: 'x', innererror: { code: 'ResponsibleAIPolicyViolation' } } },
    vllm: {
      object: 'error',
      type: 'BadRequestError',
      code: 400,
      message: "This model's maximum context length is 4096 tokens. However, you requested 9000",
    },
    openrouter: {
      error: { code: 403, message: 'x', metadata: { reasons: ['violence'], flagged_input: 'secret words' } },
    },
    google: [{ error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'x' } }],
  }
  test.each<[number, unknown, string]>([
    [400, bodies.plain, 'provider none'],
    [400, bodies.code('content_filter'), 'filtered none'],
    [400, bodies.azure, 'filtered none'],
    [400, bodies.code('data_inspection_failed'), 'filtered none'],
    [403, bodies.openrouter, 'filtered none'],
    [400, bodies.code('context_length_exceeded'), 'too-large other-target'],
    [400, bodies.vllm, 'too-large other-target'],
    [400, { error: { code: 400, type: 'exceed_context_size_error', message: 'x' } }, 'too-large other-target'],
    [413, bodies.type('request_too_large'), 'too-large other-target'],
    [413, bodies.code('rate_limit_exceeded'), 'rate-limited other-key'],
    [400, bodies.code('model_not_found'), 'provider other-target'],
    [400, bodies.code('model_decommissioned'), 'provider other-target'],
    [401, bodies.code('invalid_api_key'), 'provider other-account'],
    [401, bodies.plain, 'provider other-account'],
    [400, bodies.code('invalid_api_key'), 'provider other-account'],
    [402, bodies.code('Insufficient Balance'), 'provider other-account'],
    [402, '', 'provider other-account'],
    [403, bodies.plain, 'provider other-target'],
    [403, bodies.code('insufficient_quota'), 'provider other-account'],
    [404, '<html>', 'provider other-target'],
    [405, '', 'provider other-target'],
    [307, '', 'provider other-target'],
    [408, '', 'provider wait'],
    [409, '', 'provider wait'],
    [422, bodies.plain, 'provider none'],
    [429, bodies.code('rate_limit_exceeded'), 'rate-limited other-key'],
    [429, bodies.google, 'rate-limited other-key'],
    [429, bodies.code('insufficient_quota'), 'provider other-account'],
    [429, bodies.type('exceeded_current_quota_error'), 'provider other-account'],
    [498, '', 'provider wait'],
    [500, bodies.plain, 'provider wait'],
    [500, bodies.code('content_filter'), 'filtered none'],
    [501, '', 'provider other-target'],
    [503, bodies.type('overloaded_error'), 'provider wait'],
    [529, bodies.type('overloaded_error'), 'provider wait'],
  ])('[PROVIDER-305] %i %j is %s', async (status, body, expected) => {
    const text = typeof body === 'string' ? body : json(body)
    server.answer([`HTTP/1.1 ${status} X\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`])
    const heard = await hear(server.url)
    expect(summary(heard)).toBe(` | failed ${expected}`)
    expect(json([heard.end, heard.logs])).not.toContain('secret')
  })

  test.each<[unknown, string]>([
    ['overloaded', 'provider wait'],
    [{ code: 429 }, 'rate-limited other-key'],
    [{ code: '429' }, 'rate-limited other-key'],
    [{ type: 'rate_limit_error' }, 'rate-limited other-key'],
    [{ code: 'insufficient_quota' }, 'provider other-account'],
    [{ code: 402 }, 'provider other-account'],
    [{ type: 'content_filter' }, 'filtered none'],
    [{ message: 'something' }, 'provider wait'],
    [{ type: 'invalid_request_error', code: 400 }, 'provider none'],
  ])('[PROVIDER-305] the same inside an answer with status 200: %j is %s', async (error, expected) => {
    expect(await told([head() + event({ error })])).toBe(` | failed ${expected}`)
    expect(await told([head() + content('a') + event({ choices: [{ delta: {}, error }] })])).toBe(
      `a | failed ${expected}`,
    )
  })
})

describe('what a provider says that it counted', () => {
  test.each<[string, object, object]>([
    ['the cached part', { prompt_tokens_details: { cached_tokens: 2 } }, { cachedTokens: 2 }],
    ['the cached part, as DeepSeek says it', { prompt_cache_hit_tokens: 2 }, { cachedTokens: 2 }],
    ['what was thought', { completion_tokens_details: { reasoning_tokens: 4 } }, { reasoningTokens: 4 }],
    [
      'what was thought, beside the completion',
      { total_tokens: 25, completion_tokens_details: { reasoning_tokens: 10 } },
      { outputTokens: 15, reasoningTokens: 10 },
    ],
    ['a total that is less', { total_tokens: 3 }, {}],
    ['other shapes', { total_tokens: 'x', prompt_tokens_details: null, completion_tokens_details: 7 }, {}],
  ])('[PROVIDER-309] %s', async (_what, more, expected) => {
    const usage = { prompt_tokens: 10, completion_tokens: 5, ...more }
    const wanted = { inputTokens: 10, outputTokens: 5, ...expected }
    for (const last of [
      fin('stop', { usage }),
      fin('stop', { x_groq: { usage } }),
      fin('stop') + event({ choices: [], usage }),
    ]) {
      server.answer([head() + hello + last + done])
      expect((await hear(server.url)).end).toEqual({ ended: { finishReason: 'stop', usage: wanted } })
    }
  })
})

describe('redirections', () => {
  /** What a call to `/v1` of a server comes to that sends `/v1/chat/completions` on to `location`. */
  async function redirected(status: number, location: string): Promise<string> {
    const bodies: string[] = []
    const http = createServer(async (request, response) => {
      bodies.push(`${request.method} ${(await request.toArray()).join('').length > 0}`)
      const isThere = request.url === '/there?a=1'
      if (!isThere) return void response.writeHead(status, { location: location.replace('SELF', self) }).end()
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(hello + fin('stop') + done)
    }).listen(0, '127.0.0.1')
    await once(http, 'listening')
    // A listening TCP server has an address of this kind.
    const self = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
    const told = summary(await hear(`${self}/v1`))
    http.closeAllConnections()
    http.close()
    expect(new Set(bodies)).toEqual(new Set(['POST true']))
    return `${told}, ${bodies.length} asked`
  }

  test.each([
    [307, '/there?a=1', 'Hello world | stop, 2 asked'],
    [308, '../../there?a=1', 'Hello world | stop, 2 asked'],
    [308, 'SELF/there?a=1', 'Hello world | stop, 2 asked'],
    [307, '/v1/chat/completions/', ' | failed provider other-target, 4 asked'],
    [307, 'http://127.0.0.1:9/there', ' | failed provider other-target, 1 asked'],
    [307, '//user@elsewhere.example/', ' | failed provider other-target, 1 asked'],
    [307, 'no url: [', ' | failed provider other-target, 4 asked'],
    [301, '/there?a=1', ' | failed provider other-target, 1 asked'],
    [303, '/there?a=1', ' | failed provider other-target, 1 asked'],
  ])('[PROVIDER-312] %i to %s', async (status, location, expected) => {
    expect(await redirected(status, location)).toBe(expected)
  })
})

describe('a model that calls a tool', () => {
  const call = { tool_calls: [{ index: 0, id: 't', type: 'function', function: { name: 'f', arguments: '' } }] }
  test.each([
    ['a tool call', event({ choices: [{ delta: call }] }) + fin('tool_calls') + done],
    ['an old function call', event({ choices: [{ delta: { function_call: { name: 'f' } } }] }) + done],
    ['the finish reason alone', fin('tool_calls') + done],
  ])('[PROVIDER-306] %s fails and says so, with the text that came', async (_what, body) => {
    server.answer([head() + content('Let me look. ') + body])
    const heard = await hear(server.url)
    expect(summary(heard)).toBe('Let me look.  | failed provider none')
    expect(json(heard.end)).toContain('the model asked for a tool, and none is offered here')
  })
})

describe('thinking that a server leaves in the text', () => {
  const cases: readonly [string, 'paired' | 'closing', string, string, string][] = [
    ['a block', 'paired', '<think>\nplan\n</think>\n\nHello', 'Hello', '\nplan\n'],
    ['a block behind blanks', 'paired', '\n<thinking>plan</thinking>Hello <think>', 'Hello <think>', 'plan'],
    ['blanks without an end', 'paired', `${' '.repeat(1_100)}<think>x`, `${' '.repeat(1_100)}<think>x`, ''],
    ['no block', 'paired', 'Hello <think>x</think>', 'Hello <think>x</think>', ''],
    ['what only begins like one', 'paired', '<thin air', '<thin air', ''],
    ['a block that does not end', 'paired', '<think>plan </thi', '', 'plan </thi'],
    ['an empty block', 'paired', '<think></think>Hello', 'Hello', ''],
    ['the closing tag alone', 'closing', 'plan < more</think>\nHello', 'Hello', 'plan < more'],
    ['both tags all the same', 'closing', '<think>plan</think>Hello', 'Hello', 'plan'],
  ]
  test.each(cases)('[PROVIDER-307] %s', async (_what, thinkTags, text, shown, thought) => {
    for (const size of [1, 3, text.length]) {
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
      server.answer([head() + pieces.map(content).join('') + fin('stop') + done])
      const heard = await hear(server.url, { thinkTags })
      expect([heard.texts.join(''), heard.thoughts.join('')]).toEqual([shown, thought])
    }
  })
})

describe('random answers', () => {
  const text = fc.oneof(
    fc.string({ minLength: 1, maxLength: 12 }),
    fc.constantFrom(' word', 'é😀', '"q"', '\n\n', 'data: x\n\n', '[DONE]', '日本'),
  )
  const said = text.chain((piece) =>
    fc.constantFrom<[string, string]>(
      [content(piece), piece],
      [content([{ type: 'text', text: piece }]), piece],
      [event({ choices: [{ index: 0, delta: { content: piece, reasoning: 'hm' } }] }), piece],
      [
        event({
          choices: [
            { index: 1, delta: { content: 'no' } },
            { index: 0, delta: { content: piece } },
          ],
        }),
        piece,
      ],
      [`event: message\nid: 1\n${content(piece)}`, piece],
      [content(piece).replaceAll('\n', '\r\n'), piece],
      [content(piece).replace('data: ', 'data:'), piece],
      [
        `${JSON.stringify({ choices: [{ delta: { content: piece } }] }, null, 1)
          .split('\n')
          .map((line) => `data: ${line}\n`)
          .join('')}\n`,
        piece,
      ],
      [
        event({
          error: null,
          choices: [{ delta: { content: piece } }],
          usage: { prompt_tokens: 1, completion_tokens: 1 },
        }),
        piece,
      ],
    ),
  )
  const noise = fc.constantFrom<[string, string]>(
    ['data:\n\n', ''],
    [': keep-alive\n\n', ''],
    ['event: ping\ndata: {}\n\n', ''],
    ['event: ping\ndata: words\n\n', ''],
    ['data: null\n\n', ''],
    ['\n\n\n', ''],
    [content(''), ''],
    [content(null), ''],
    [fin(''), ''],
    [event({ choices: [{ delta: { role: 'assistant' } }] }), ''],
  )
  const ends = fc.constantFrom<[string, 'close' | 'reset', string]>(
    [fin('stop') + done, 'close', 'stop'],
    [fin('stop'), 'close', 'stop'],
    [done, 'close', 'stop'],
    ['data: [DONE]', 'close', 'stop'],
    ['data: [DO', 'close', 'stop'],
    [fin('MAX_TOKENS') + event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }), 'close', 'length'],
    [fin('SAFETY') + done, 'close', 'content_filter'],
    ['', 'close', 'failed provider wait'],
    ['data: {"choices":[{"delta":{"content":"never', 'close', 'failed provider wait'],
    [event({ error: { code: 500 } }), 'close', 'failed provider wait'],
    [fin('error'), 'close', 'failed provider wait'],
    [event({ choices: [{ delta: { tool_calls: [{}] } }] }), 'close', 'failed provider none'],
  )
  const coding = fc.constantFrom<[string, (body: Buffer) => Buffer]>(
    ['content-type: text/event-stream\r\n', (body) => body],
    ['', (body) => body],
    ['content-encoding: gzip\r\n', (body) => gzipSync(body)],
  )
  const stream = fc.array(fc.oneof({ weight: 3, arbitrary: said }, { weight: 1, arbitrary: noise }), {
    minLength: 1,
    maxLength: 12,
  })

  test('[PROVIDER-308] give the text that they say, or the failure that they deserve', {
    timeout: 600_000,
  }, async () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(
        stream,
        ends,
        coding,
        cuts,
        async (events, [ending, close, expected], [fields, encode], sizes) => {
          const bytes = encode(Buffer.from(events.map(([wire]) => wire).join('') + ending))
          const pieces: Buffer[] = []
          for (let at = 0, n = 0; at < bytes.length; n++) {
            const size = pieces.length > 40 ? bytes.length : (sizes[n % sizes.length] ?? 1)
            pieces.push(bytes.subarray(at, at + size))
            at += size
          }
          expect(await told([head(fields), ...pieces], close)).toBe(
            `${events.map(([, said]) => said).join('')} | ${expected}`,
          )
        },
      ),
      { numRuns: Number(process.env.SLUICE_TEST_STREAMS ?? 300) },
    )
  })
})
