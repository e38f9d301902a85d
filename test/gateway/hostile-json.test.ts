import { describe, expect, test } from 'vitest'
import { readBody } from '../../gateway/http/request-parts.ts'
import { newMessage, sessionChange } from '../../gateway/http/schemas.ts'
import { parseFrame } from '../../gateway/parse-frame.ts'
import { metadata } from '../../protocol/shapes.ts'
import { hostileTexts, hostileValues, mebibyte } from '../support/hostile-json.ts'

/** The least of three measurements: what other processes and the collector add is not the input's cost. */
async function cpuMs(work: () => unknown): Promise<number> {
  let leastMs = Number.POSITIVE_INFINITY
  for (let round = 0; round < 3; round++) {
    const before = process.cpuUsage()
    await work()
    const { user, system } = process.cpuUsage(before)
    leastMs = Math.min(leastMs, (user + system) / 1_000)
  }
  return leastMs
}

function post(body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>): Request {
  const headers = { 'content-type': 'application/json' }
  // Node's types do not have `duplex`, which its `fetch` asks for with a stream.
  const init = { method: 'POST', headers, body, duplex: 'half' }
  return new Request('http://x/', init)
}

describe('a mebibyte of JSON', () => {
  test.each(hostileTexts)('[BAD-120] as a frame costs less than 50 ms of CPU: %s', async (_, text) => {
    expect(await cpuMs(() => parseFrame(text))).toBeLessThan(50)
  })

  test.each(hostileValues)('[HTTP-120] as a body costs less than 50 ms of CPU: %s', async (_, value) => {
    const bodyOf = (field: string) => Buffer.from(`{"${field}":${value}}`).subarray(0, mebibyte)
    expect(await cpuMs(() => readBody(post(bodyOf('metadata')), sessionChange))).toBeLessThan(50)
    expect(await cpuMs(() => readBody(post(bodyOf('content')), newMessage))).toBeLessThan(50)
  })

  test('[HTTP-121] a body in pieces of one byte is held as one buffer, not as its pieces', async () => {
    const body = Buffer.from(JSON.stringify({ content: 'x'.repeat(100_000) }))
    let at = 0
    let heldBytes = 0
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        // A piece of a large buffer, as a socket gives it: whoever keeps the piece keeps the buffer.
        const piece = new Uint8Array(4_096).subarray(0, 1)
        piece[0] = body[at++] ?? 0
        controller.enqueue(piece)
        if (at % 20_000 === 0) heldBytes = Math.max(heldBytes, process.memoryUsage().arrayBuffers)
        if (at === body.length) controller.close()
      },
    })
    const before = process.memoryUsage().arrayBuffers
    const read = await readBody(post(stream), newMessage)
    expect(read).toMatchObject({ kind: 'ok', value: { content: 'x'.repeat(100_000) } })
    // All pieces together are 400 MB.
    expect(heldBytes - before).toBeLessThan(200 * mebibyte)
  })
})

describe('the shape of JSON', () => {
  const frame = (more: string) => parseFrame(`{"type":"ping","id":"here",${more}}`)

  test.each([
    ['levels', `"x":${'['.repeat(31)}${']'.repeat(31)}`, `"x":${'['.repeat(32)}${']'.repeat(32)}`],
    ['values', `"x":[${'0,'.repeat(1_018)}0]`, `"x":[${'0,'.repeat(1_024)}0]`],
    ['digits of a number', `"x":${'1'.repeat(64)}`, `"x":${'1'.repeat(65)}`],
  ])('[BAD-121] up to so many %s a frame is taken, with more it is refused, and refers to its id', (_, most, more) => {
    expect(frame(most).kind).toBe('ok')
    expect(frame(more)).toMatchObject({ kind: 'invalid', ref: 'here' })
  })

  test('[BAD-121] what looks like structure inside of a text counts for nothing', () => {
    const content = '[{,:}]"\\'.repeat(10_000)
    const text = JSON.stringify({ type: 'message.send', id: 'a', session: 's', messageId: 'm', content })
    expect(parseFrame(text)).toMatchObject({ kind: 'ok', frame: { content } })
  })

  test('[BAD-122] a refusal never has a key of the client in it that is longer than a key may be', async () => {
    const key = 'secret '.repeat(40_000)
    const refused = parseFrame(
      JSON.stringify({ type: 'session.update', id: 'a', session: 's', metadata: { [key]: 1 } }),
    )
    expect(refused.kind === 'invalid' && refused.message.length).toBeLessThan(200)
    const read = await readBody(post(JSON.stringify({ metadata: { [key]: 1 } })), sessionChange)
    expect(read.kind === 'refused' && read.refusal.message.length).toBeLessThan(200)
  })

  test('[BAD-123] metadata is refused by its number of entries and its length before its entries are looked at', () => {
    const entries = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`k ${n}`, []]))
    expect(metadata.safeParse(entries).error?.issues).toHaveLength(1)
    const long = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`k${n}`, 'x'.repeat(1_025)]))
    expect(metadata.safeParse(long).error?.issues).toHaveLength(1)
    const most = Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`k${n}`, 'x'.repeat(200)]))
    expect(metadata.safeParse(most).data).toEqual(most)
  })
})
