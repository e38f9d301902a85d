import { afterEach, expect, test } from 'vitest'
import { createMemoryLog, type MemoryLogOptions } from '../../sessions/memory-log.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { sharesOf } from '../../sessions/shares.ts'
import {
  answerTurn,
  appending,
  asking,
  ending,
  expectKind,
  leaseMs,
  listen,
  makeSession,
  owner,
  session,
  started,
  startTurn,
} from './contract/bench.ts'

const made: SessionLog[] = []
afterEach(async () => {
  for (const log of made.splice(0)) await log.close()
})

/** The bounds of the store itself: one owner may fill it here. */
const wholeStore = { maxSessionsPerOwner: 1_000_000, maxBytesPerOwner: Number.POSITIVE_INFINITY }

function makeLog(options: MemoryLogOptions) {
  let nowMs = 1_700_000_000_000
  const log = createMemoryLog({ now: () => nowMs, ...wholeStore, ...options })
  made.push(log)
  return {
    log,
    advance: (ms: number) => {
      nowMs += ms
    },
  }
}

test('[STORE-80] above the number of sessions create is refused with a delay, until one goes', async () => {
  const { log, advance } = makeLog({ maxSessions: 2, ttlMs: 10_000 })
  const create = (id: string) => log.create({ session: id, owner, attributes: {}, timeMs: 1 })
  await create('a')
  await create('b')
  expect(await create('c')).toEqual({ kind: 'store-full', retryAfterMs: 10_000 })
  expect(await create('a')).toEqual({ kind: 'exists' })
  await log.erase('b')
  expect(await create('c')).toEqual({ kind: 'created' })
  advance(10_000)
  expect(await create('d')).toEqual({ kind: 'created' })
})

test('[STORE-81] above the bytes no session and no message is taken, but what runs goes on and ends', async () => {
  const log = makeLog({ maxBytes: 40_000 })
  await makeSession(log)
  const fence = await startTurn(log.log, 1, 'x')
  const text = 'x'.repeat(50_000)
  expectKind(await log.log.append(appending(fence, 1, text.slice(1))), 'ok')
  expectKind(await log.log.create({ session: 'b', owner, attributes: {}, timeMs: 1 }), 'store-full')
  expectKind(await log.log.append(appending(fence, 0, 'part one', { part: 1, leaseMs })), 'ok')
  expectKind(await log.log.end(ending(fence, [text, 'part one'])), 'ok')
  expectKind(await log.log.accept(asking(2)), 'store-full')
  expectKind(await log.log.accept(asking(1)), 'repeat')
  expect((await log.log.page({ session, limit: 9 })).kind).toBe('ok')
  await log.log.erase(session)
  await makeSession(log)
  expectKind(await log.log.accept(asking(2)), 'yours')
})

test('[STORE-165] above the bytes of the store no feedback and no longer metadata is taken either', async () => {
  const log = makeLog({ maxBytes: 40_000 })
  await makeSession(log)
  await answerTurn(log.log, 1, 'x'.repeat(30_000))
  const record = { type: 'feedback.added', timeMs: 1, turn: 'turn-1', rating: 1, comment: 'x'.repeat(3_000) } as const
  const replies: string[] = []
  for (let n = 0; n < 10; n += 1) {
    const reply = await log.log.addFeedback({ session, record: { ...record, comment: `${n}${record.comment}` } })
    replies.push(reply.kind)
  }
  expect(replies.slice(0, 1)).toEqual(['ok'])
  expect(replies.slice(2)).toEqual(Array.from({ length: 8 }, () => 'store-full'))
  expectKind(await log.log.update({ session, metadata: { note: 'x'.repeat(9_000) } }), 'store-full')
  expectKind(await log.log.update({ session, metadata: { note: 'short' } }), 'ok')
})

test('[STORE-166] the only tenant leaves an eighth of the store to another, which then has as much as half of it', async () => {
  const { log } = makeLog({ maxSessions: 80, maxSessionsPerOwner: 10 })
  const fill = async (tenant: string) => {
    for (let n = 0; ; n += 1) {
      const reply = await log.create({
        session: `${tenant}-${n}`,
        owner: { tenant, subject: `subject-${n}` },
        attributes: {},
        timeMs: 1,
      })
      if (reply.kind !== 'created') return { count: n, reply }
    }
  }
  const full = { kind: 'share-full', of: 'tenant', unit: 'sessions' }
  expect(await fill('one')).toMatchObject({ count: 70, reply: { kind: 'store-full' } })
  expect(await fill('two')).toMatchObject({ count: 10, reply: { kind: 'store-full' } })
  for (let n = 0; n < 35; n += 1) await log.erase(`one-${n}`)
  expect(await fill('one')).toMatchObject({ count: 5, reply: { ...full, limit: 40 } })
})

test('[STORE-166] by default a subject has a quarter of the store, and 64 MiB and 1,000 sessions at most', () => {
  const small = sharesOf({}, { sessions: 100, bytes: 1_000_000 }, false)
  expect(small.subject).toEqual({ sessions: 25, bytes: 250_000 })
  expect(small.tenant).toEqual({ sessions: 50, bytes: 500_000 })
  const endless = sharesOf({}, { sessions: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }, false)
  expect(endless.subject).toEqual({ sessions: 1_000, bytes: 64 * 1024 * 1024 })
  expect(endless.tenant.bytes).toBe(Number.POSITIVE_INFINITY)
  const given = sharesOf({ maxBytesPerOwner: 900_000 }, { sessions: 100, bytes: 1_000_000 }, false)
  expect(given.tenant.bytes).toBe(900_000)
})

test('[STORE-168] text beyond Latin-1 counts with the two bytes a unit that it takes in memory', async () => {
  const take = async (character: string) => {
    const { log } = makeLog({ maxBytes: 400_000 })
    let count = 0
    for (; ; count += 1) {
      const reply = await log.create({
        session: `s${count}`,
        owner,
        attributes: {},
        metadata: { note: character.repeat(5_000) },
        timeMs: 1,
      })
      if (reply.kind !== 'created') return count
    }
  }
  const [latin, wide] = [await take('é'), await take('中')]
  expect(latin / wide).toBeGreaterThan(1.7)
})

test('[STORE-82] what a session occupied is free again once it is gone, to the byte', async () => {
  const log = makeLog({ maxBytes: 50_000 })
  const fill = async () => {
    let count = 0
    while ((await log.log.create({ session: `${count}`, owner, attributes: {}, timeMs: 1 })).kind === 'created')
      count += 1
    return count
  }
  const before = await fill()
  expect(before).toBeGreaterThan(10)
  for (let n = 0; n < before; n += 1) await log.log.erase(`${n}`)
  await makeSession(log)
  await answerTurn(log.log, 1, 'x'.repeat(3_000))
  const fence = await startTurn(log.log, 2, 'y'.repeat(5_000))
  await log.log.append(appending(fence, 0, 'part', { part: 1 }))
  await log.log.update({ session, metadata: { title: 'longer than before' } })
  await log.log.update({ session, metadata: { title: 'short' } })
  await log.log.erase(session)
  expect(await fill()).toBe(before)
})

test('[STORE-82] a tape’s room is free again with its attempt and with its turn', async () => {
  const log = makeLog({ maxBytes: 40_000 })
  await makeSession(log)
  const first = await startTurn(log.log, 1, 'x'.repeat(33_000))
  const second = { ...first, attempt: 2 }
  const text = 'y'.repeat(20_000)
  expectKind(await log.log.append(appending(second, 0, text, { open: started(first.turn, 2) })), 'ok')
  expectKind(await log.log.end(ending(second, [text])), 'ok')
  expectKind(await log.log.accept(asking(2)), 'yours')
})

test('[STORE-83] a session goes a time after its last use, for every operation at once', async () => {
  const { log, advance } = makeLog({ ttlMs: 10_000 })
  await makeSession({ log, advance })
  advance(9_999)
  await answerTurn(log, 1, 'x')
  advance(9_999)
  await log.addFeedback({ session, record: { type: 'feedback.added', timeMs: 1, turn: 'turn-1', rating: 1 } })
  advance(9_999)
  expect((await log.open({ session, limit: 1 })).kind).toBe('ok')
  advance(1)
  expect(await log.list({ owner, limit: 5 })).toEqual({ kind: 'ok', sessions: [] })
  expect(await log.open({ session, limit: 1 })).toEqual({ kind: 'gone' })
  expect(await log.accept(asking(2))).toEqual({ kind: 'gone' })
})

test('[STORE-83] while a turn runs its session stays, however long', async () => {
  const { log, advance } = makeLog({ ttlMs: 10_000, maxSessions: 1 })
  await makeSession({ log, advance })
  const fence = await startTurn(log, 1, 'x')
  advance(1_000_000)
  const other = { session: 'other', owner, attributes: {}, timeMs: 1 }
  expect(await log.create(other)).toEqual({ kind: 'store-full', retryAfterMs: 1_000 })
  expectKind(await log.end(ending(fence, ['x'])), 'ok')
  advance(9_999)
  expect((await log.describe(session)).kind).toBe('ok')
  advance(1)
  expect((await log.describe(session)).kind).toBe('gone')
})

test('[STORE-84] the sweep erases what expired unasked, and tells who listens', async () => {
  const { log, advance } = makeLog({ ttlMs: 10_000 })
  for (let n = 0; n < 1_200; n += 1) await makeSession({ log, advance }, `s${n}`)
  const erased = Promise.withResolvers<string>()
  const ignore = () => undefined
  log.subscribe('s1199', {
    confirmed: ignore,
    lost: ignore,
    record: ignore,
    delta: ignore,
    nudge: ignore,
    updated: ignore,
    erased: erased.resolve,
  })
  const ear = await listen({ log, advance }, 's0')
  advance(10_000)
  expect(await erased.promise).toBe('expired')
  expect((await ear.all()).at(-1)).toEqual({ kind: 'erased', reason: 'expired' })
})

test('[STORE-85] a closed store rejects instead of answering gone', async () => {
  const log = makeLog({})
  await makeSession(log)
  await log.log.close()
  await expect(log.log.describe(session)).rejects.toThrow('closed')
  await expect(log.log.list({ owner, limit: 1 })).rejects.toThrow('closed')
  await expect(log.log.append(appending({ token: 't', turn: 't', attempt: 1 }, 0, ''))).rejects.toThrow('closed')
})
