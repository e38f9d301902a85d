/** The body of a streamed completion: events of any shape, in any parts. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Chunk, readChunk } from '../../../orchestrator/providers/chunk.ts'
import { createEventReader } from '../../../orchestrator/providers/event-reader.ts'
import { many, nasty } from '../generate.ts'
import { hostileJson } from '../grammar/json.ts'
import { inOrder, listOf, mostly, oneOf, repeated, textsOf, word, words } from '../grammar/pieces.ts'
import { byteParts, bytesOf, type Input, type Piece } from '../recipe.ts'
import type { Target } from '../target.ts'

const eventUnitsMax = 256 * 1024

/** What the reader says, up to an event that is too long: its caller closes the connection then. */
function told(parts: Iterable<Buffer>): { readonly all: unknown[]; readonly isTooLong: boolean } {
  const all: unknown[] = []
  let isTooLong = false
  const reader = createEventReader(eventUnitsMax, {
    chunk: (chunk) => {
      assertChunk(chunk)
      if (!isTooLong) all.push(chunk.failure?.refusal.kind ?? { ...chunk })
    },
    done: () => {
      if (!isTooLong) all.push('done')
    },
    alive: () => undefined,
    tooLong: () => {
      isTooLong = true
    },
  })
  for (const part of parts) {
    reader.read(part)
    if (isTooLong) break
  }
  if (!isTooLong) reader.end()
  return { all, isTooLong }
}

function assertChunk(chunk: Chunk): void {
  assert.equal(typeof chunk.text, 'string')
  const { usage } = chunk
  if (usage !== undefined) assert.ok(Object.values(usage).every((count) => Number.isSafeInteger(count) && count >= 0))
}

/** The fast way knows text alone; fields that repeat from event to event are left out there. */
const said = (all: readonly unknown[]) =>
  all.map((one) => {
    if (typeof one !== 'object' || one === null || !('text' in one)) return one
    return {
      text: one.text,
      ...('usage' in one && { usage: one.usage }),
      ...('finishReason' in one && { end: one.finishReason }),
    }
  })

function run({ text, cuts }: Input): string {
  const bytes = bytesOf(text)
  const whole = told([bytes])
  const inParts = told(byteParts(bytes, cuts))
  if (!whole.isTooLong && !inParts.isTooLong)
    assert.deepEqual(said(inParts.all), said(whole.all), 'in parts it reads otherwise than whole')
  const one = readChunk(text)
  assertChunk(one)
  const kinds = whole.all
    .map((each) => (typeof each === 'string' ? each : Object.keys(each as object).join()))
    .slice(0, 4)
  return [...new Set([one.failure?.refusal.kind ?? Object.keys(one).join(), ...kinds, whole.isTooLong])].join(' ')
}

const content = mostly(
  [4, words('"a"', '" word"', '""', '"é\u{1f600}"', '"\\n"', '"\\ud83d"', 'null', '"a\\"b"', '[{"type":"text"}]')],
  [1, textsOf(nasty.map((text) => JSON.stringify(text)))],
  [1, hostileJson],
)
const usage = words(
  'null',
  '{"prompt_tokens":1,"completion_tokens":2}',
  '{"prompt_tokens":1e99,"completion_tokens":-2}',
  '{"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":null}',
)
const event = oneOf(
  inOrder(
    word('{"id":"x","model":"m","choices":[{"index":0,"delta":{"content":'),
    content,
    word('},"finish_reason":null}]}'),
  ),
  inOrder(
    word('{"choices":[{"delta":{"role":"assistant","content":'),
    content,
    word(',"reasoning_content":'),
    content,
    word('}}]}'),
  ),
  inOrder(
    word('{"choices":[{"delta":{"content":'),
    content,
    word('},"finish_reason":"stop"}],"usage":'),
    usage,
    word('}'),
  ),
  inOrder(word('{"error":'), hostileJson, word('}')),
  inOrder(word('{"choices":'), hostileJson, word('}')),
  words('[DONE]', '', '{', 'null', '[]'),
)
const line = mostly(
  [8, inOrder(words('data: ', 'data:', 'data:  '), event, words('\n\n', '\r\n\r\n', '\n', '\r\r'))],
  [1, words(': keep-alive\n\n', 'event: message\n', 'id: \0\n', 'retry: x\n', 'data\n', '\ufeff', 'foo\n')],
)
const streamed = fc
  .tuple(
    fc.constantFrom('data: {"choices":[{"delta":{"content":"word"}}]}\n\n', 'data: {}\n\n', 'data:\n', '\n', ':\n'),
    many,
  )
  .map(([one, times]): Piece[] => [[one, times]])

export const providerEvents: Target = {
  name: 'provider-events',
  what: "events of a provider's stream",
  grammar: mostly(
    [8, listOf(line, '', 8)],
    [1, streamed],
    [1, inOrder(word('data: {"choices":[{"delta":{"content":"'), repeated('a', many), word('"}}]}\n\n'))],
  ),
  unitsMax: 512 * 1024,
  // Read twice as a stream, and once more as one event.
  bound: { cpuMs: 1_000, heapBytes: 96 * 1024 * 1024 },
  run,
}
