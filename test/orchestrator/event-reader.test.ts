import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Chunk, readChunk } from '../../orchestrator/providers/chunk.ts'
import { createEventReader } from '../../orchestrator/providers/event-reader.ts'

const told = ({ text, usage, finishReason, failure }: Chunk) => ({
  text,
  usage,
  finishReason,
  failure: failure?.refusal.kind,
})

const text = fc.oneof(
  fc.string(),
  fc.constantFrom(
    ' word',
    '',
    'a"b',
    'a\\b',
    '\n',
    'é😀',
    '","finish_reason":"stop',
    '"content":"',
    '\ud83d',
    '\u0001',
  ),
)
const content = fc.oneof(text, fc.constant(null))
const shape = fc.constantFrom<(content: string | null, other: string) => unknown>(
  (c) => ({ id: 'x', model: 'm', choices: [{ index: 0, delta: { content: c }, finish_reason: null }], usage: null }),
  (c, o) => ({ choices: [{ delta: { role: 'assistant', content: c, reasoning_content: o } }] }),
  (c, o) => ({ note: { content: o }, choices: [{ delta: { content: c } }] }),
  (c, o) => ({ choices: [{ delta: { content: c } }], obfuscation: o }),
  (c) => ({ choices: [{ delta: { content: c }, finish_reason: 'stop' }] }),
  (c) => ({ choices: [{ delta: { content: c } }], usage: { prompt_tokens: 1, completion_tokens: 2 } }),
  (c) => ({ error: { content: c } }),
)
const events = fc.array(
  fc.oneof(
    { weight: 9, arbitrary: fc.tuple(shape, content, text).map(([make, c, other]) => JSON.stringify(make(c, other))) },
    { weight: 1, arbitrary: fc.constantFrom('', '{', '[]', 'null', '{"choices":[{"delta":{"content":"a\nb"}}]}') },
  ),
  { maxLength: 40 },
)

/** How an event may stand on the wire; the first is what providers send. */
const wire = fc.constantFrom<(data: string) => string>(
  (data) => `data: ${data}\n\n`,
  (data) => `data: ${data}\n\n`,
  (data) => `data:${data}\n\n`,
  (data) => `data: ${data}\r\n\r\n`,
  (data) => `: keep-alive\n\ndata: ${data}\n\n`,
  (data) => `event: message\nid: 7\ndata: ${data}\n\n`,
)

function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? bytes.length
    yield bytes.subarray(at, at + size)
    at += size
  }
}

function heard(pieces: Iterable<Buffer>) {
  const all: unknown[] = []
  const { read } = createEventReader(1_000_000, {
    chunk: (chunk) => all.push(told(chunk)),
    done: () => all.push('done'),
    alive: () => undefined,
    tooLong: () => all.push('too long'),
  })
  for (const piece of pieces) read(piece)
  return all
}

describe('the reading of events', () => {
  it('[PROVIDER-7] says of each event what parsing it says, however it is written and wherever it is cut', () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constant(1_000_000)), { minLength: 1 })
    fc.assert(
      fc.property(events, wire, sizes, (stream, write, cuts) => {
        const bodies = stream.filter((data) => !data.includes('\n')).map((data) => Buffer.from(data).toString())
        const body = Buffer.from([...bodies, '[DONE]'].map(write).join(''))
        // An event without data says nothing.
        const expected = [...bodies.filter((data) => data.trim() !== '').map((data) => told(readChunk(data))), 'done']
        expect(heard(cut(body, cuts))).toEqual(expected)
        // As most providers send them: an event a piece.
        expect(heard([...bodies, '[DONE]'].map((data) => Buffer.from(write(data))))).toEqual(expected)
      }),
      { numRuns: 1_000 },
    )
  })

  it('[PROVIDER-9] gives up an event that has no end', () => {
    const read: string[] = []
    const { read: feed } = createEventReader(100, {
      alive: () => undefined,
      chunk: () => read.push('chunk'),
      done: () => read.push('done'),
      tooLong: () => read.push('too long'),
    })
    feed(Buffer.from('data: {"choices":[{"delta":{"content":"a"}}]}\n\n'))
    for (let n = 0; n < 20 && !read.includes('too long'); n++) feed(Buffer.from('data: 0123456789'))
    expect(read).toEqual(['chunk', 'too long'])
  })
})
