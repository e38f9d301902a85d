import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Chunk, createChunkReader, readChunk } from '../../orchestrator/providers/chunk.ts'

const told = (chunk: Chunk) =>
  chunk.kind === 'error'
    ? chunk.failure.refusal.kind
    : { text: chunk.text, usage: chunk.usage, finishReason: chunk.finishReason }

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

describe('the reading of events', () => {
  it('[PROVIDER-7] says of each event what parsing it says, whatever came before', () => {
    fc.assert(
      fc.property(events, (stream) => {
        const read = createChunkReader()
        for (const data of stream) expect(told(read(data)), data).toEqual(told(readChunk(data)))
      }),
      { numRuns: 1_000 },
    )
  })
})
