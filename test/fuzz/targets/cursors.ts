/** Places that clients bring back: event ids, list cursors, cursors of a history. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodeEventId, encodeEventId } from '../../../gateway/http/event-id.ts'
import { cursor } from '../../../protocol/shapes.ts'
import { createMemoryLog } from '../../../sessions/memory-log.ts'
import { listSessions } from '../../../sessions/redis/reads.ts'
import type { RedisStore } from '../../../sessions/redis/redis-store.ts'
import type { ListReply } from '../../../sessions/session-log.ts'
import { many, nasty } from '../generate.ts'
import { inOrder, listOf, mostly, repeated, textsOf, word, words } from '../grammar/pieces.ts'
import type { Input } from '../recipe.ts'
import type { Target } from '../target.ts'

const owner = { tenant: 'default', subject: 'ada' }
const session = 's-1'
const turn = 't-1'

const log = createMemoryLog()
await log.create({ session, owner, attributes: {}, timeMs: 1 })

/** A list that is empty, and checks what it is asked with. */
const emptyList = {
  keys: { owner: () => 'owner' },
  command: async (...words: readonly unknown[]) => {
    const [, , most] = words
    assert.ok(most === '+inf' || Number.isFinite(most), 'Redis is asked with a score that is no number')
    return []
  },
  // The rest of a store is not reached before something is found.
} as unknown as RedisStore

/** Line by line: an event's id, a list's cursor, a history's. */
async function run({ text }: Input): Promise<string> {
  const [id = '', before = '', written = ''] = text.split('\n', 3)
  const lists = [log.list({ owner, limit: 10, before }), listSessions(emptyList, { owner, limit: 10, before })]
  const replies: ListReply[] = await Promise.all(lists)
  return [eventIdKind(id), ...replies.map(({ kind }) => kind), await cursorKind(written)].join(' ')
}

function eventIdKind(id: string): string {
  const place = decodeEventId(id, turn)
  if (place === undefined) return 'none'
  assert.deepEqual(decodeEventId(encodeEventId(place), turn), place, 'what was decoded encodes to another place')
  return place.isEnded ? 'end' : place.attempt === undefined ? 'before' : 'in'
}

async function cursorKind(written: string): Promise<string> {
  const [seq, mark] = written.split('-').map(Number)
  const place = cursor.safeParse({ seq, mark })
  if (!place.success) return 'no-cursor'
  const opened = await log.open({ session, cursor: { seq: place.data.seq, mark: place.data.mark }, limit: 10 })
  if (opened.kind !== 'ok') assert.fail(`a session that is there is ${opened.kind}`)
  assert.equal(opened.from, place.data.seq === 0 && place.data.mark === 0 ? 'after' : 'reset', 'a place of no history')
  return opened.from
}

const number = mostly(
  [6, words('0', '1', '42', '9007199254740991', '9007199254740992', '01', '-1', 'zz', '1e3', '')],
  [1, textsOf(nasty)],
)
const ends = mostly([6, listOf(number, '.')], [1, repeated('1.', many)])
const eventId = inOrder(
  number,
  word('.'),
  number,
  words(`.${turn}`, '.t-2', '.', ''),
  words('', '.end', '.end.1', '.1', '.0', '.1.'),
  ends,
)
const listCursor = inOrder(
  words('u', 'm', 'v', ''),
  mostly([4, number], [1, textsOf(fc.string({ maxLength: 14 }))]),
  words('.', ''),
  words('s-1', '__proto__', ''),
)

export const cursors: Target = {
  name: 'cursors',
  what: 'event ids and cursors',
  grammar: inOrder(eventId, word('\n'), listCursor, word('\n'), number, word('-'), number),
  unitsMax: 32 * 1024,
  bound: { cpuMs: 50, heapBytes: 8 * 1024 * 1024 },
  run,
}
