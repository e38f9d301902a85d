import { expect, test } from 'vitest'
import type { LogPlace, SessionLog } from '../../../sessions/session-log.ts'
import {
  answerTurn,
  appending,
  asking,
  ending,
  expectKind,
  history,
  type MakeLog,
  makeSession,
  placeOf,
  seizeTurn,
  session,
  started,
  startTurn,
  tapeText,
} from './bench.ts'

export function describeHistories(makeLog: MakeLog): void {
  const makeWithTurns = async (turns: number) => {
    const made = await makeLog()
    await makeSession(made)
    for (let n = 1; n <= turns; n += 1) await answerTurn(made.log, n, `answer ${n}`)
    return made
  }

  test('[STORE-50] records are numbered from 1 without a hole, each with a mark below 2^52', async () => {
    const { log } = await makeWithTurns(4)
    const places = (await history(log)).map(placeOf)
    expect(places.map(({ seq }) => seq)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1))
    expect(new Set(places.map(({ mark }) => mark)).size).toBe(12)
    expect(places.every(({ mark }) => Number.isInteger(mark) && mark >= 0 && mark < 2 ** 52)).toBe(true)
  })

  test('[STORE-51] equal histories have equal marks, in any session of any store', async () => {
    const one = await makeWithTurns(3)
    const two = await makeWithTurns(3)
    expect((await history(two.log)).map(placeOf)).toEqual((await history(one.log)).map(placeOf))
  })

  test('[STORE-51] the order in which a record’s fields were written down is no difference', async () => {
    const [one, two] = [await makeLog(), await makeLog()]
    await Promise.all([makeSession(one), makeSession(two)])
    const { type, timeMs, turn, message } = asking(1).record
    await one.log.accept(asking(1))
    await two.log.accept(asking(1, { record: { message: { ...reversed(message) }, turn, timeMs, type } }))
    expect((await history(two.log)).map(placeOf)).toEqual((await history(one.log)).map(placeOf))
  })

  test('[STORE-52] histories that differ in one record have no mark in common from there on', async () => {
    const base = (await history((await makeWithTurns(3)).log)).map(placeOf)
    const differing: readonly ((log: SessionLog) => Promise<unknown>)[] = [
      (log) => log.accept(asking(2, { record: { ...asking(2).record, timeMs: 3 } })),
      (log) => log.accept(asking(2, { record: { ...asking(2).record, model: 'm' } })),
      (log) => log.addFeedback({ session, record: { type: 'feedback.added', timeMs: 1, turn: 'turn-1', rating: 0 } }),
    ]
    for (const differ of differing) {
      const { log } = await makeWithTurns(1)
      await differ(log)
      await finishTurnTwo(log)
      const places = (await history(log)).map(placeOf)
      expect(places.slice(0, 3)).toEqual(base.slice(0, 3))
      const marks = new Set(base.map(({ mark }) => mark))
      expect(places.slice(3).filter(({ mark }) => marks.has(mark))).toEqual([])
    }
  })

  test('[STORE-52] an attempt opened by another token is another history', async () => {
    const marks: unknown[] = []
    for (const token of ['a', 'b']) {
      const made = await makeLog()
      await makeSession(made)
      await made.log.accept(asking(1, { token }))
      const open = started('turn-1', 1)
      await made.log.append(appending({ token, turn: 'turn-1', attempt: 1 }, 0, 'x', { open }))
      marks.push((await history(made.log)).map(placeOf))
    }
    expect(marks[1]).not.toEqual(marks[0])
  })

  test('[STORE-53] a cursor is valid if and only if exactly its entry exists', async () => {
    const { log } = await makeWithTurns(2)
    const places = (await history(log)).map(placeOf)
    const from = async (cursor: LogPlace) => expectKind(await log.open({ session, cursor, limit: 50 }), 'ok')
    for (const cursor of [{ seq: 0, mark: 0 }, ...places]) {
      const { from: kind, entries, head, hasMore } = await from(cursor)
      expect([kind, hasMore]).toEqual(['after', false])
      expect(entries.map(placeOf)).toEqual(places.slice(cursor.seq))
      expect(head).toEqual(places.at(-1))
    }
    const [third] = places.slice(2)
    const strangers = [
      { seq: 7, mark: 0 },
      { seq: 0, mark: 1 },
      { seq: 3, mark: (third?.mark ?? 0) + 1 },
      { seq: 4, mark: third?.mark ?? 0 },
      { seq: 99, mark: 5 },
    ]
    for (const cursor of strangers) {
      const { from: kind, entries } = await from(cursor)
      expect(kind).toBe('reset')
      expect(entries.map(placeOf)).toEqual(places)
    }
  })

  test('[STORE-53] a store that travelled back and wrote other records refuses the cursor of before', async () => {
    const before = (await history((await makeWithTurns(3)).log)).map(placeOf)
    const { log } = await makeWithTurns(1)
    for (const n of [7, 8, 9]) await answerTurn(log, n, 'other')
    const cursor = before[7]
    if (cursor === undefined) throw new Error('three turns have nine records')
    expect(expectKind(await log.open({ session, cursor, limit: 50 }), 'ok').from).toBe('reset')
    const shared = before[2]
    if (shared === undefined) throw new Error('three turns have nine records')
    expect(expectKind(await log.open({ session, cursor: shared, limit: 50 }), 'ok').from).toBe('after')
  })

  test('[STORE-54] what follows a cursor comes oldest first up to the limit; a reset gives the latest', async () => {
    const { log } = await makeWithTurns(3)
    const places = (await history(log)).map(placeOf)
    const after = expectKind(await log.open({ session, cursor: { seq: 0, mark: 0 }, limit: 4 }), 'ok')
    expect([after.entries.map(placeOf), after.hasMore]).toEqual([places.slice(0, 4), true])
    const latest = expectKind(await log.open({ session, limit: 4 }), 'ok')
    expect([latest.from, latest.entries.map(placeOf), latest.hasMore]).toEqual(['reset', places.slice(5), true])
    const all = expectKind(await log.open({ session, limit: 9 }), 'ok')
    expect(all.hasMore).toBe(false)
  })

  test('[STORE-55] pages go back through the log, each in ascending order, terminals with their texts', async () => {
    const { log } = await makeWithTurns(3)
    const places = (await history(log)).map(placeOf)
    const found: LogPlace[] = []
    let before: number | undefined
    for (let more = true; more; ) {
      const page = expectKind(await log.page({ session, limit: 4, ...(before === undefined ? {} : { before }) }), 'ok')
      found.unshift(...page.entries.map(placeOf))
      before = page.entries[0]?.record.seq
      more = page.hasMore
    }
    expect(found).toEqual(places)
    expect(expectKind(await log.page({ session, before: 1, limit: 4 }), 'ok')).toMatchObject({ entries: [] })
    const texts = (await history(log)).flatMap((entry) => entry.texts ?? []).map(String)
    expect(texts).toEqual(['answer 1', 'answer 2', 'answer 3'])
  })

  test('[STORE-56] a producer whose store travelled back claims again, sends all, and makes the marks as before', async () => {
    const lost = await makeLog()
    await makeSession(lost)
    const fence = await startTurn(lost.log, 1, 'common')
    await lost.log.append(appending(fence, 6, ' and more'))
    await lost.log.end(ending(fence, ['common and more']))
    const marks = (await history(lost.log)).map(placeOf)

    const { log, ...back } = await makeLog()
    await makeSession({ log, ...back })
    expect(await log.append(appending(fence, 6, ' and more'))).toEqual({ kind: 'stale' })
    expectKind(await log.accept(asking(1)), 'yours')
    expect(await log.append(appending(fence, 6, ' and more'))).toEqual({ kind: 'attempt', attempt: 0 })
    const open = started('turn-1', 1)
    const { length } = expectKind(await log.append(appending(fence, 6, ' and more', { open })), 'ok')
    expect(length).toBe(0)
    await log.append(appending(fence, 0, 'common and more'))
    expectKind(await log.end(ending(fence, ['common and more'])), 'ok')
    expect((await history(log)).map(placeOf)).toEqual(marks)
  })

  test('[STORE-57] two take-overs that each believe in attempt 2 never write into one tape', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await startTurn(log, 1, 'AAAA')
    // B took over a store that then travelled back; C takes over in the state before, and opens the same number.
    expectKind(await seizeTurn(made, 'c'), 'yours')
    const c = { token: 'c', turn: 'turn-1', attempt: 2 }
    await log.append(appending(c, 0, 'CCCC', { open: started('turn-1', 2) }))
    const b = { token: 'b', turn: 'turn-1', attempt: 2 }
    expect(await log.append(appending(b, 4, 'BBBB'))).toEqual({ kind: 'stale' })
    expect(await log.append(appending(b, 4, 'BBBB', { open: started('turn-1', 2) }))).toEqual({ kind: 'stale' })
    expectKind(await seizeTurn(made, 'b'), 'yours')
    expect(await log.append(appending(b, 4, 'BBBB'))).toEqual({ kind: 'attempt', attempt: 2 })
    expect(await tapeText(log, 'turn-1')).toBe('CCCC')
  })

  test('[STORE-57] a producer revived by a roll-back cannot extend what its successor read', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const a = await startTurn(log, 1, 'AAAA')
    expectKind(await seizeTurn(made, 'b'), 'yours')
    expect(await log.append(appending(a, 4, ' late'))).toEqual({ kind: 'stale' })
    expectKind(await log.accept(asking(1)), 'repeat')
    expectKind(await log.end(ending({ token: 'b', turn: 'turn-1', attempt: 1 }, ['AAAA'], 'turn.failed')), 'ok')
  })
}

async function finishTurnTwo(log: SessionLog): Promise<void> {
  expect(['yours', 'repeat']).toContain((await log.accept(asking(2))).kind)
  const fence = { token: 'token-2', turn: 'turn-2', attempt: 1 }
  expectKind(await log.append(appending(fence, 0, 'answer 2', { open: started('turn-2', 1) })), 'ok')
  expectKind(await log.end(ending(fence, ['answer 2'])), 'ok')
}

function reversed<T extends object>(value: T): T {
  // The same entries in another order are the same type.
  return Object.fromEntries(Object.entries(value).reverse()) as T
}
