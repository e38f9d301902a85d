import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerFor, SPLIT_CHARACTER } from '../../load/model-server/answer.ts'
import type { ChatRequest } from '../../load/model-server/request.ts'
import { type ModelServer, startModelServer } from '../../load/model-server/server.ts'
import { chunks, deltas, events, exchange, finishReasons, post } from './raw-client.ts'

function ask(text: string, more: Partial<ChatRequest> = {}): ChatRequest {
  const usage = { include_usage: true }
  return { model: 'test', stream: true, stream_options: usage, messages: [{ role: 'user', content: text }], ...more }
}

let server: ModelServer

beforeAll(async () => {
  server = await startModelServer()
})

afterAll(async () => {
  await server.close()
})

/** The request as the server saw it, once it is over. */
function ended(text: string) {
  return server.waitFor((request) => request.closedAtMs !== undefined && JSON.stringify(request.body).includes(text))
}

describe('before the answer', () => {
  for (const status of [400, 401, 403, 404, 429, 500, 503]) {
    test(`[MODEL-5] fault=${status} is a JSON error with that status`, async () => {
      const response = await post(server.url, ask(`[[fault=${status}]]`))
      expect(response.status).toBe(status)
      const { error } = JSON.parse(response.text)
      expect(Object.keys(error)).toEqual(['message', 'type', 'param', 'code'])
    })
  }

  test('[PROVIDER-357] a refused parameter, a missing header and a small context are refused as their settings say', async () => {
    const refused = async (text: string, more: Partial<ChatRequest> = {}) => {
      const { status, text: body } = await post(server.url, ask(text, more))
      return { status, ...JSON.parse(body).error }
    }
    expect(await refused('[[refuses=seed,max_tokens]]', { max_tokens: 5 })).toMatchObject({
      status: 400,
      code: 'unsupported_parameter',
      param: 'max_tokens',
    })
    expect(await refused('[[key-header=api-key]]')).toMatchObject({ status: 401, code: 'invalid_api_key' })
    expect(await refused('[[context=20]]', { max_tokens: 20 })).toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      message: expect.stringContaining('maximum context length is 20 tokens'),
    })
    const healthy = ask('[[refuses=seed context=1000 tokens=3]]', { max_completion_tokens: 5 })
    expect((await post(server.url, healthy)).status).toBe(200)
    expect(await refused('[[refuses=a-b]]')).toMatchObject({ status: 400, code: null })
  })

  test('[MODEL-5] 429 says when to come back, in seconds and, when asked, in milliseconds', async () => {
    const plain = await post(server.url, ask('[[fault=429]]'))
    expect(plain.headers).toMatchObject({ 'retry-after': '1' })
    expect(plain.headers).not.toHaveProperty('retry-after-ms')
    const precise = await post(server.url, ask('[[fault=429 retry-after=7 retry-after-ms=40]]'))
    expect(precise.headers).toMatchObject({ 'retry-after': '7', 'retry-after-ms': '40' })
  })

  test('[MODEL-5] stall-before sends nothing at all until the client leaves', async () => {
    const { request, headers } = exchange(
      `${server.url}/chat/completions`,
      'POST',
      ask('nothing\n[[fault=stall-before]]'),
    )
    const seen = await server.waitFor((one) => one.fault === 'stall-before')
    expect(seen).toMatchObject({ status: 'streaming', httpStatus: undefined })
    request.destroy(new Error('left'))
    await expect(headers).rejects.toThrow('left')
    expect(await ended('nothing')).toMatchObject({ status: 'closed-by-client', httpStatus: undefined, sentText: '' })
  })

  test('[MODEL-5] stall-headers sends headers and no content', async () => {
    for (const stream of [true, false]) {
      const body = ask(`empty ${stream}\n[[fault=stall-headers]]`, { stream })
      const { request, headers, response } = exchange(`${server.url}/chat/completions`, 'POST', body)
      expect(await headers).toBe(200)
      request.destroy()
      expect(await response).toMatchObject({ text: '', ending: 'broken' })
      expect(await ended(`empty ${stream}`)).toMatchObject({ status: 'closed-by-client', sentTokenCount: 0 })
    }
  })

  test('[MODEL-5] reset-before breaks the connection without a response', async () => {
    await expect(post(server.url, ask('[[fault=reset-before]]'))).rejects.toThrow('ECONNRESET')
  })

  test('[MODEL-5] html is a page where a stream should be', async () => {
    const response = await post(server.url, ask('[[fault=html]]'))
    expect(response.status).toBe(200)
    expect(response.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(response.text).toMatch(/^<!doctype html>/)
  })
})

describe('in mid-answer', () => {
  test('[MODEL-5] stall-mid sends the first tokens and then nothing', async () => {
    const body = ask('river\n[[fault=stall-mid at=5]]')
    const { request, response, whenText } = exchange(`${server.url}/chat/completions`, 'POST', body)
    const expected = answerFor(body).tokens.slice(0, 5)
    await whenText((text) => deltas(text).length >= 5)
    request.destroy()
    const { text, ending } = await response
    expect([deltas(text), ending]).toEqual([expected, 'broken'])
    const record = await ended('river')
    expect(record).toMatchObject({ status: 'closed-by-client', sentTokenCount: 5, sentText: expected.join('') })
  })

  test('[MODEL-5] reset-mid delivers the first tokens and breaks the connection', async () => {
    for (const at of [0, 1, 9]) {
      const body = ask(`ocean ${at}\n[[fault=reset-mid at=${at}]]`)
      const response = await post(server.url, body)
      expect(response.ending).toBe('broken')
      expect(deltas(response.text)).toEqual(answerFor(body).tokens.slice(0, at))
      expect(response.text).not.toContain('[DONE]')
      expect(await ended(`ocean ${at}`)).toMatchObject({ status: 'reset', sentTokenCount: at })
    }
  })

  test('[MODEL-5] without `at` a fault comes after half of the answer', async () => {
    const body = ask('[[fault=reset-mid tokens=20]]')
    expect(deltas((await post(server.url, body)).text)).toHaveLength(10)
    expect(answerFor(body).at).toBe(10)
  })

  test('[MODEL-5] no-marker ends cleanly without finish_reason, usage or [DONE]', async () => {
    const body = ask('[[fault=no-marker]]')
    const response = await post(server.url, body)
    const answer = answerFor(body)
    expect(response.ending).toBe('clean')
    expect(deltas(response.text)).toEqual(answer.tokens.slice(0, answer.at))
    expect(finishReasons(response.text)).toEqual([])
    expect(events(response.text)).not.toContain('[DONE]')
  })

  test('[MODEL-5] no-usage is a whole answer that lacks the usage asked for', async () => {
    const body = ask('[[fault=no-usage]]')
    const response = await post(server.url, body)
    expect(deltas(response.text).join('')).toBe(answerFor(body).text)
    expect(finishReasons(response.text)).toEqual(['stop'])
    expect(events(response.text).at(-1)).toBe('[DONE]')
    expect(chunks(response.text).every((chunk) => chunk.usage === null)).toBe(true)
  })

  test('[MODEL-5] error-in-200 puts an error object into the stream and ends it', async () => {
    const response = await post(server.url, ask('[[fault=error-in-200 at=3]]'))
    expect(response).toMatchObject({ status: 200, ending: 'clean' })
    expect(deltas(response.text)).toHaveLength(3)
    expect(chunks(response.text).at(-1)).toMatchObject({ error: { type: 'server_error' } })
    expect(response.text).not.toContain('[DONE]')
  })

  test('[MODEL-5] filtered ends with content_filter and usage of what was sent', async () => {
    const response = await post(server.url, ask('[[fault=filtered at=3]]'))
    expect(finishReasons(response.text)).toEqual(['content_filter'])
    expect(chunks(response.text).at(-1)?.usage).toMatchObject({ completion_tokens: 3 })
  })

  test('[MODEL-5] split-char puts the halves of a character into two chunks', async () => {
    for (const tps of [0, 200]) {
      const body = ask(`[[fault=split-char tokens=9 tps=${tps}]]`)
      const response = await post(server.url, body)
      expect(deltas(response.text)).toEqual(answerFor(body).tokens)
      expect(answerFor(body).text).toContain(SPLIT_CHARACTER)
      const halves = response.pieces.filter(isTorn)
      expect(halves).toHaveLength(2)
      expect(events(response.text).at(-1)).toBe('[DONE]')
    }
  })

  test('[MODEL-5] the halves of split-char are two TCP segments', async () => {
    const pieces = await rawPieces(server.port, ask('[[fault=split-char tokens=4]]'))
    const character = Buffer.from(SPLIT_CHARACTER)
    expect(Buffer.concat(pieces).includes(character)).toBe(false)
    const first = pieces.findIndex((piece) => piece.includes(character.subarray(0, 2)))
    expect(first).toBeGreaterThanOrEqual(0)
    expect(pieces[first]?.includes(character.subarray(2))).toBe(false)
    expect(pieces.slice(first + 1).some((piece) => piece.includes(character.subarray(2)))).toBe(true)
  })

  test('[MODEL-5] split-surrogate escapes the two halves of a pair in two deltas', async () => {
    const body = ask('[[fault=split-surrogate tokens=9]]')
    const response = await post(server.url, body)
    const [high, low] = SPLIT_CHARACTER.split('')
    expect(response.text).toContain('{"content":"\\ud83d"}')
    expect(response.text).toContain('{"content":"\\ude42"}')
    const all = deltas(response.text)
    expect(all[all.indexOf(high ?? '') + 1]).toBe(low)
    expect(all).toHaveLength(9)
    expect(all.join('')).toBe(answerFor(body).text)
    expect(answerFor(body).text.isWellFormed()).toBe(true)
  })

  test('[MODEL-5] giant-delta has one delta of that many bytes', async () => {
    for (const bytes of [307_200, 1_000_001]) {
      const body = ask(`[[fault=giant-delta bytes=${bytes} tokens=6]]`)
      const all = deltas((await post(server.url, body)).text)
      expect(all.map((delta) => delta.length).filter((length) => length === bytes)).toHaveLength(1)
      expect(all.join('')).toBe(answerFor(body).text)
    }
  })

  test('[MODEL-5] faults break a body that is not streamed, too', async () => {
    const whole = (fault: string) => post(server.url, ask(`[[fault=${fault}]]`, { stream: false }))
    expect(await whole('reset-mid')).toMatchObject({ status: 200, ending: 'broken' })
    const cut = await whole('no-marker')
    expect(cut.ending).toBe('clean')
    expect(() => JSON.parse(cut.text)).toThrow()
    expect(JSON.parse((await whole('error-in-200')).text)).toMatchObject({ error: { type: 'server_error' } })
    expect(JSON.parse((await whole('no-usage')).text)).not.toHaveProperty('usage')
    expect(JSON.parse((await whole('filtered')).text).choices[0].finish_reason).toBe('content_filter')
    expect(JSON.parse((await whole('split-char')).text).choices[0].message.content).toContain(SPLIT_CHARACTER)
  })
})

describe('how often', () => {
  const statuses = async (requests: readonly ChatRequest[]) => {
    const all: number[] = []
    for (const request of requests) all.push((await post(server.url, request)).status)
    return all
  }

  test('[MODEL-6] a fault with times=2 goes away at the third request', async () => {
    const request = ask('again\n[[fault=500 times=2]]')
    expect(await statuses([request, request, request, request])).toEqual([500, 500, 200, 200])
    expect(deltas((await post(server.url, request)).text).join('')).toBe(answerFor(request).text)
  })

  test('[MODEL-6] counts are kept by key, or by model and last user message', async () => {
    const one = ask('one\n[[fault=500 times=1]]')
    const other = ask('other\n[[fault=500 times=1]]')
    expect(await statuses([one, other, one, other])).toEqual([500, 500, 200, 200])
    const keyed = (text: string) => ask(`${text}\n[[fault=500 times=1 key=shared]]`)
    expect(await statuses([keyed('one'), keyed('other')])).toEqual([500, 200])
  })
})

describe('looking in', () => {
  test('[MODEL-7] a client that leaves in mid-answer is noticed and its stream stops', async () => {
    await using own = await startModelServer({ tokensPerSecond: 200, tokenCount: 100_000 })
    const { request } = exchange(`${own.url}/chat/completions`, 'POST', ask('long'))
    const running = await own.waitFor((one) => one.sentTokenCount >= 3)
    expect(running).toMatchObject({ number: 1, status: 'streaming', httpStatus: 200, closedAtMs: undefined })
    expect(own.openConnectionCount).toBe(1)
    request.destroy()
    const over = await own.waitFor((one) => one.status === 'closed-by-client')
    const { sentTokenCount } = over
    expect(over.closedAtMs).toBeGreaterThanOrEqual(over.receivedMs)
    expect(over.sentText).toBe(answerFor(ask('long'), { tokenCount: 100_000 }).tokens.slice(0, sentTokenCount).join(''))
    await own.waitFor(() => own.openConnectionCount === 0)
    // Another stream's thirty tokens are the time in which the first would have gone on.
    await post(own.url, ask('short', { max_tokens: 30 }))
    expect(over.sentTokenCount).toBe(sentTokenCount)
  })

  test('[MODEL-7] an unpaced answer waits for a reader that does not read', async () => {
    await using own = await startModelServer({ tokenCount: 200_000 })
    const { request } = exchange(`${own.url}/chat/completions`, 'POST', ask('huge'))
    const incoming = await new Promise<IncomingMessage>((resolve) => request.on('response', resolve))
    incoming.pause()
    const stuck = await own.waitFor((one) => one.sentTokenCount > 1_000)
    expect(stuck.sentTokenCount).toBeLessThan(200_000)
    incoming.resume()
    expect((await own.waitFor((one) => one.status === 'completed', 15_000)).sentTokenCount).toBe(200_000)
  })

  test('[MODEL-7] requests are recorded with what they carried, the last ones only', async () => {
    await using own = await startModelServer({ keptRequestCount: 2, tokenCount: 1 })
    for (const text of ['a', 'b', 'c']) await post(own.url, ask(text), { 'x-test': text })
    await own.waitFor((one) => one.number === 3 && one.status === 'completed')
    expect(own.requests.map((one) => [one.number, one.headers['x-test'], one.method, one.path])).toEqual([
      [2, 'b', 'POST', '/v1/chat/completions'],
      [3, 'c', 'POST', '/v1/chat/completions'],
    ])
    expect(own.requests[1]?.body).toEqual(ask('c'))
    expect(own.requests[1]?.chat?.model).toBe('test')
  })

  test('[MODEL-7] waiting in vain ends with what did come', async () => {
    await using own = await startModelServer({ tokenCount: 1 })
    await post(own.url, ask('x'))
    await expect(own.waitFor((one) => one.number === 2, 20)).rejects.toThrow(/not there after 20 ms[\s\S]*#1 POST/)
    const pending = own.waitFor((one) => one.number === 2)
    const refused = expect(pending).rejects.toThrow('the server was closed')
    await own.close()
    await refused
  })

  test('[MODEL-7] close breaks what is under way and frees the port', async () => {
    const own = await startModelServer({ tokensPerSecond: 10, tokenCount: 1_000 })
    const { response } = exchange(`${own.url}/chat/completions`, 'POST', ask('x'))
    await own.waitFor((one) => one.sentTokenCount > 0)
    const { port } = own
    await own.close()
    expect((await response).ending).toBe('broken')
    const next = await startModelServer({ port })
    expect(next.port).toBe(port)
    await expect(startModelServer({ port })).rejects.toThrow('EADDRINUSE')
    await next.close()
  })
})

/** Whether a chunk begins or ends inside a character. */
function isTorn(piece: Buffer): boolean {
  return !Buffer.from(piece.toString('utf8')).equals(piece)
}

/** The response as the socket gave it, read by read. */
function rawPieces(port: number, body: ChatRequest): Promise<readonly Buffer[]> {
  const text = JSON.stringify(body)
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(text)}`
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(`${head}\r\n\r\n${text}`))
    socket.on('data', (piece: Buffer) => pieces.push(piece))
    socket.on('error', reject)
    socket.on('close', () => resolve(pieces))
  })
}
