/** What the nodes publish to one another over Redis. A node of another version, or one that is broken, may publish anything. */
import assert from 'node:assert/strict'
import { recordSchema } from '../../../protocol/record.ts'
import { readDelta, readNews, type Telling } from '../../../sessions/redis/news-message.ts'
import type { LogListener } from '../../../sessions/session-log.ts'
import { many, nasty } from '../generate.ts'
import { hostileJson, jsonFor } from '../grammar/json.ts'
import { inOrder, mostly, oneOf, repeated, textsOf, word, words } from '../grammar/pieces.ts'
import { bytesOf, type Input } from '../recipe.ts'
import type { Target } from '../target.ts'

function run({ text }: Input): string {
  const message = bytesOf(text)
  return `${kindFrom(message, readNews)} ${kindFrom(message, readDelta)}`
}

/** A message that is left out is counted as unknown. A message that is passed on has places that are numbers. */
function kindFrom(message: Buffer, read: (message: Buffer, unknown: () => void) => Telling | undefined): string {
  let unknownCount = 0
  const told: string[] = []
  const telling = read(message, () => {
    unknownCount += 1
  })
  if (telling === undefined) {
    assert.ok(unknownCount >= 1, 'a message was left out and not counted')
    return 'unknown'
  }
  telling(listenerTo(told))
  assert.equal(told.length, 1)
  return told.join()
}

function listenerTo(told: string[]): LogListener {
  const assertPlace = ({ seq, mark }: { readonly seq: number; readonly mark: number }) =>
    assert.ok(Number.isSafeInteger(seq) && Number.isSafeInteger(mark) && seq >= 0 && mark >= 0, 'a record of no place')
  return {
    record: (previous, entry) => {
      assertPlace(previous)
      assertPlace(entry.record)
      told.push(entry.record.type)
    },
    delta: ({ attempt }, part, at, to) => {
      for (const number of [attempt, part, at, to])
        assert.ok(Number.isSafeInteger(number) && number >= 0, 'a delta of no place')
      told.push('delta')
    },
    updated: (metadata) => {
      assert.ok(
        typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata),
        'metadata that is no object',
      )
      told.push('updated')
    },
    nudge: (what) => told.push(what),
    erased: () => told.push('erased'),
    // These come of a connection, and of no message.
    confirmed: () => assert.fail(),
    lost: () => assert.fail(),
  }
}

const place = mostly(
  [6, words('1-1', '0-0', '42-9007199254740991')],
  [1, words('1', '-', 'a-b', '1--1', '1e3-1', '')],
  [1, textsOf(nasty)],
)
const number = mostly([8, words('0', '1', '7')], [1, words('', '-1', 'x', '1e99', '0.5', 'Infinity')])
const payload = mostly(
  [3, jsonFor(recordSchema)],
  [1, inOrder(word('{"v":1,"record":'), jsonFor(recordSchema), word('}'))],
  [1, hostileJson],
)
const version = words('1 ', '1 ', '1 ', '1 ', '2 ', '', '1')

export const storeNews: Target = {
  name: 'store-news',
  what: 'what nodes publish over Redis',
  grammar: mostly(
    [4, inOrder(version, word('record '), place, word(' '), place, word(' '), payload)],
    [
      4,
      inOrder(
        version,
        words('token', ''),
        words(' t-1 ', ' '),
        number,
        word(' '),
        number,
        word(' '),
        number,
        word(' '),
        number,
        words('\n', ''),
        oneOf(textsOf(nasty), repeated('a', many)),
      ),
    ],
    [2, inOrder(version, word('updated '), hostileJson)],
    [1, inOrder(version, words('nudge renew', 'nudge x', 'erased', 'erased x', 'other'))],
  ),
  unitsMax: 256 * 1024,
  // Of the store, which nodes trust.
  bound: { cpuMs: 100, heapBytes: 32 * 1024 * 1024 },
  run,
}
