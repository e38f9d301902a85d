import { expect, test, vi } from 'vitest'
import type { CreateReply, Owner, SessionLog } from '../../../sessions/session-log.ts'
import {
  answerTurn,
  asking,
  ending,
  expectKind,
  type LogUnderTest,
  type MakeLog,
  makeSession,
  owner,
  session,
  startTurn,
} from './bench.ts'

const KIB = 1024
const bob: Owner = { tenant: 'acme', subject: 'bob' }
const stranger: Owner = { tenant: 'other', subject: 'eve' }

/** How much of a store one subject and one tenant may have. */
export function describeShares(makeLog: MakeLog): void {
  test('[STORE-160] a subject whose sessions hold its share is refused whatever adds to them, and nobody else is', async () => {
    const made = await makeLog({ maxBytesPerOwner: 64 * KIB })
    const { log } = made
    await makeSession(made)
    await make(log, 'small')
    await answerTurn(log, 1, 'one')
    await fill(log, 20 * KIB)
    const full = { kind: 'share-full', of: 'subject', unit: 'bytes', limit: 64 * KIB }
    expect(await log.accept(asking(9, { record: message(9, 20 * KIB) }))).toEqual(full)
    expect(await log.update({ session: 'small', metadata: wide(20 * KIB) })).toEqual(full)
    expect(await log.addFeedback(comment('turn-1', 20 * KIB))).toEqual(full)
    expect(await make(log, 'large', owner, wide(20 * KIB))).toEqual(full)
    expect(await make(log, 'theirs', bob)).toEqual({ kind: 'created' })
    expectKind(await log.accept(asking(9, { session: 'theirs', record: message(9, 20 * KIB) })), 'yours')
    expectKind(await log.addFeedback({ ...comment('turn-9', 20 * KIB), session: 'theirs' }), 'ok')
    expectKind(await log.update({ session: 'theirs', metadata: { title: 'theirs' } }), 'ok')
  })

  test('[STORE-161] what was written before is answered as before, and what makes less is taken, also by a full subject', async () => {
    const made = await makeLog({ maxBytesPerOwner: 64 * KIB })
    const { log } = made
    await makeSession(made)
    await answerTurn(log, 1, 'one')
    const rated = comment('turn-1', 10)
    const first = expectKind(await log.addFeedback(rated), 'ok')
    await log.update({ session, metadata: wide(20 * KIB) })
    await fill(log, 2 * KIB)
    expectKind(await log.accept(asking(500, { record: message(500, 20 * KIB) })), 'share-full')
    expectKind(await log.accept(asking(1)), 'repeat')
    expectKind(await log.accept(asking(1, { hash: 'other' })), 'conflict')
    expect(await log.addFeedback(rated)).toEqual(first)
    expect(await make(log, session)).toEqual({ kind: 'exists' })
    expectKind(await log.update({ session, metadata: { title: 'shorter' } }), 'ok')
    expectKind(await log.accept(asking(501, { record: message(501, 10 * KIB) })), 'yours')
  })

  test('[STORE-162] an answer that runs is finished above the share, and counted once it has ended', async () => {
    const made = await makeLog({ maxBytesPerOwner: 64 * KIB })
    const { log } = made
    await makeSession(made)
    const text = 'x'.repeat(80 * KIB)
    const fence = await startTurn(log, 1, text)
    expectKind(await log.end(ending(fence, [text])), 'ok')
    expectKind(await log.accept(asking(2)), 'share-full')
    await log.erase(session)
    await makeSession(made)
    expectKind(await log.accept(asking(2)), 'yours')
  })

  test('[STORE-163] what an erased session held is free again, to the byte', async () => {
    const made = await makeLog({ maxBytesPerOwner: 64 * KIB })
    const { log } = made
    const before = await fillWithSessions(log)
    expect(before).toBeGreaterThan(10)
    for (let n = 0; n < before; n += 1) await log.erase(`s${n}`)
    await makeSession(made)
    await answerTurn(log, 1, 'x'.repeat(3_000))
    await log.addFeedback(comment('turn-1', 500))
    await log.update({ session, metadata: { title: 'longer than before' } })
    await log.update({ session, metadata: { title: 'short' } })
    await startTurn(log, 2, 'y'.repeat(5_000))
    // Refused and repeated: nothing of them is counted.
    expectKind(await log.accept(asking(3)), 'busy')
    expectKind(await log.accept(asking(2)), 'yours')
    await log.addFeedback(comment('turn-1', 500))
    await log.addFeedback(comment('turn-99', 500))
    await log.erase(session)
    expectKind(await log.accept(asking(4)), 'gone')
    await vi.waitFor(async () => {
      expect(await fillWithSessions(log)).toBe(before)
      for (let n = 0; n < before; n += 1) await log.erase(`s${n}`)
    })
  })

  test('[STORE-86] one owner fills its own share of the sessions and nobody else’s', async () => {
    const { log } = await makeLog({ maxSessionsPerOwner: 2 })
    await make(log, 'a')
    await make(log, 'b')
    expect(await make(log, 'c')).toEqual({ kind: 'share-full', of: 'subject', unit: 'sessions', limit: 2 })
    expect(await make(log, 'a')).toEqual({ kind: 'exists' })
    expect(await make(log, 'd', bob)).toEqual({ kind: 'created' })
    await log.erase('a')
    expect(await make(log, 'c')).toEqual({ kind: 'created' })
  })

  test('[STORE-164] a tenant’s sessions are counted over its subjects, and another tenant goes on', async () => {
    const made = await makeLog({ maxSessionsPerTenant: 3 })
    const { log } = made
    for (const [id, of] of [
      ['a', owner],
      ['b', bob],
      ['c', bob],
    ] as const)
      await make(log, id, of)
    const full = { kind: 'share-full', of: 'tenant', unit: 'sessions', limit: 3 }
    await vi.waitFor(async () => {
      const reply = await make(log, 'd')
      if (reply.kind === 'created') await log.erase('d')
      expect(reply).toEqual(full)
    })
    expect(await make(log, 'e', stranger)).toEqual({ kind: 'created' })
    await log.erase('b')
    await vi.waitFor(async () => expect(await make(log, 'd')).toEqual({ kind: 'created' }))
  })

  test('[STORE-164] a tenant’s bytes are counted over its subjects, and another tenant goes on', async () => {
    const made = await makeLog({ maxBytesPerTenant: 64 * KIB })
    const { log } = made
    await make(log, 'a')
    await make(log, 'b', bob)
    await make(log, 'e', stranger)
    for (const id of ['a', 'b'])
      expectKind(await log.accept(asking(1, { session: id, record: message(1, 30 * KIB) })), 'yours')
    const full = { kind: 'share-full', of: 'tenant', unit: 'bytes', limit: 64 * KIB }
    // In Redis a tenant's account follows: each try asks for more, so that it is no smaller change than the one before.
    let bytes = 8 * KIB
    const grow = (id: string) => {
      bytes += 1
      return log.update({ session: id, metadata: wide(bytes) })
    }
    await vi.waitFor(async () => expect(await grow('a')).toEqual(full))
    expect(await grow('b')).toEqual(full)
    expect(await grow('e')).toEqual({ kind: 'ok' })
  })
}

function make(log: SessionLog, id: string, of = owner, metadata?: Record<string, string>): Promise<CreateReply> {
  return log.create({ session: id, owner: of, attributes: {}, ...(metadata && { metadata }), timeMs: 1 })
}

/** Messages of so many bytes, each in a session of its own, until none is taken. */
async function fill(log: SessionLog, bytes: number): Promise<void> {
  for (let n = 100; ; n += 1) {
    if ((await make(log, `full${n}`)).kind !== 'created') return
    const reply = await log.accept(asking(n, { session: `full${n}`, record: message(n, bytes) }))
    if (reply.kind !== 'yours') return expectFull(reply)
  }
}

async function fillWithSessions(log: LogUnderTest['log']): Promise<number> {
  for (let n = 0; ; n += 1) {
    const reply = await make(log, `s${n}`)
    if (reply.kind === 'created') continue
    expectFull(reply)
    return n
  }
}

function expectFull(reply: { readonly kind: string }): void {
  expect(reply.kind).toBe('share-full')
}

function message(n: number, bytes: number) {
  const { record } = asking(n)
  return { ...record, message: { ...record.message, content: 'x'.repeat(bytes) } }
}

function comment(turn: string, length: number) {
  return {
    session,
    record: { type: 'feedback.added', timeMs: 1, turn, rating: 1, comment: 'x'.repeat(length) },
  } as const
}

/** Of so many bytes as JSON, about: the store does not mind what the wire allows. */
function wide(bytes: number): Record<string, string> {
  return { note: 'x'.repeat(bytes) }
}
