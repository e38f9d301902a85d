import { expect, test } from 'vitest'
import type { SessionLog } from '../../../sessions/session-log.ts'
import {
  answerTurn,
  appending,
  asking,
  ending,
  expectKind,
  history,
  listen,
  type MakeLog,
  makeSession,
  owner,
  session,
  started,
  startTurn,
  tapeText,
} from './bench.ts'

export function describeSessions(makeLog: MakeLog): void {
  test('[STORE-1] a session is made once, and a second making changes nothing', async () => {
    const { log } = await makeLog()
    const request = { session, owner, attributes: { project: 'p' }, metadata: { title: 'a' }, timeMs: 7 }
    expect(await log.create(request)).toEqual({ kind: 'created' })
    expect(await log.create(request)).toEqual({ kind: 'exists' })
    const other = { ...request, owner: { tenant: 'evil', subject: 'eve' }, attributes: {}, metadata: { title: 'b' } }
    expect(await log.create(other)).toEqual({ kind: 'exists' })
    const info = { owner, project: 'p', createdMs: 7, metadata: { title: 'a' } }
    expect(await log.describe(session)).toEqual({ kind: 'ok', info })
    expect(expectKind(await log.open({ session, limit: 1 }), 'ok').info).toEqual(info)
  })

  test('[STORE-2] no operation but create makes a session; each answers gone', async () => {
    const { log } = await makeLog()
    expect(await everyOperation(log)).toEqual(allGone)
    expect(await log.describe(session)).toEqual({ kind: 'gone' })
    expect((await log.list({ owner, limit: 10 })).kind).toBe('ok')
    expect(await log.create({ session, owner, attributes: {}, timeMs: 1 })).toEqual({ kind: 'created' })
    expect(await history(log)).toEqual([])
  })

  test('[STORE-3] erase takes everything in one step, also a running turn, and tells who listens', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await answerTurn(log, 1, 'one')
    await startTurn(log, 2, 'two')
    const ear = await listen(made)
    expect(await log.erase(session)).toEqual({ kind: 'ok' })
    expect((await ear.all()).at(-1)).toEqual({ kind: 'erased', reason: 'erased' })
    expect(await everyOperation(log)).toEqual(allGone)
    expect(await log.list({ owner, limit: 10 })).toEqual({ kind: 'ok', sessions: [] })
    expect((await ear.all()).length).toBe(2)
  })

  test('[STORE-3] a session made again under an erased one’s id starts from nothing', async () => {
    const made = await makeLog()
    await makeSession(made)
    await answerTurn(made.log, 1, 'one')
    const before = await history(made.log)
    await made.log.erase(session)
    await makeSession(made)
    expect(await history(made.log)).toEqual([])
    expectKind(await made.log.accept(asking(1)), 'yours')
    expect(expectKind(await made.log.open({ session, limit: 10 }), 'ok').head.mark).toBe(before[0]?.record.mark)
  })

  test('[STORE-4] update replaces the metadata and tells who listens', async () => {
    const made = await makeLog()
    const { log } = made
    await log.create({ session, owner, attributes: {}, metadata: { title: 'a', pinned: true }, timeMs: 1 })
    const ear = await listen(made)
    const metadata: Record<string, string> = { title: 'b' }
    expect(await log.update({ session, metadata })).toEqual({ kind: 'ok' })
    metadata.title = 'changed by its giver later'
    expect(expectKind(await log.describe(session), 'ok').info.metadata).toEqual({ title: 'b' })
    expect((await ear.all()).at(-1)).toEqual({ kind: 'updated', metadata: { title: 'b' } })
  })

  test('[STORE-5] feedback is a record on a turn of this session; the same again adds none', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await answerTurn(log, 1, 'one')
    const record = { type: 'feedback.added', timeMs: 5, turn: 'turn-1', rating: 1 } as const
    const first = expectKind(await log.addFeedback({ session, record }), 'ok')
    expect(await log.addFeedback({ session, record })).toEqual(first)
    expect(await log.addFeedback({ session, record: { ...record, turn: 'other' } })).toEqual({ kind: 'unknown' })
    const second = expectKind(await log.addFeedback({ session, record: { ...record, timeMs: 6, rating: -1 } }), 'ok')
    expect([first.entry.seq, second.entry.seq]).toEqual([4, 5])
    expect((await history(log)).at(-1)?.record).toMatchObject({ ...record, timeMs: 6, rating: -1 })
  })

  test('[STORE-6] a list has its owner’s sessions, the latest used first, with preview and state', async () => {
    const made = await makeLog()
    const { log, advance } = made
    for (const id of ['a', 'b', 'c']) await makeSession(made, id)
    await log.create({ session: 'x', owner: { tenant: 'acme', subject: 'bob' }, attributes: {}, timeMs: 1 })
    await log.create({ session: 'y', owner: { tenant: 'acm', subject: 'eann' }, attributes: {}, timeMs: 1 })
    await advance(10)
    const content = `\n one\t\ttwo ${'😀'.repeat(80)}`
    const record = { ...asking(1).record, message: { messageId: 'message-1', content } }
    expectKind(await log.accept(asking(1, { session: 'b', record })), 'yours')
    const { sessions } = expectKind(await log.list({ owner, limit: 10 }), 'ok')
    expect(sessions.map((listed) => [listed.session, listed.running])).toEqual([
      ['b', true],
      ['c', false],
      ['a', false],
    ])
    expect(sessions[0]?.preview).toBe(`one two ${'😀'.repeat(56)}`)
    expect((sessions[0]?.updatedMs ?? 0) - (sessions[1]?.updatedMs ?? 0)).toBeGreaterThanOrEqual(10)
    expect(sessions[1]).toMatchObject({ preview: '', createdMs: 1 })
  })

  test('[STORE-6] a preview is of the first message, and no character in it is cut in two', async () => {
    const made = await makeLog()
    await makeSession(made)
    const content = `x${'😀'.repeat(80)}`
    const record = { ...asking(1).record, message: { messageId: 'message-1', content } }
    expectKind(await made.log.accept(asking(1, { record })), 'yours')
    await made.log.end(ending({ token: 'token-1', turn: 'turn-1', attempt: 0 }, []))
    await answerTurn(made.log, 2, 'two')
    const { sessions } = expectKind(await made.log.list({ owner, limit: 1 }), 'ok')
    expect(sessions[0]?.preview).toBe(`x${'😀'.repeat(59)}`)
  })

  test('[STORE-7] pages of a list neither repeat nor skip; what is used between two moves to the front', async () => {
    const made = await makeLog()
    const { log, advance } = made
    const ids = Array.from({ length: 25 }, (_, index) => `s${index}`)
    for (const id of ids) {
      await makeSession(made, id)
      await advance(1)
    }
    const first = expectKind(await log.list({ owner, limit: 10 }), 'ok')
    await log.update({ session: 's20', metadata: { title: 'on the first page already' } })
    await makeSession(made, 'new')
    await log.erase('s15')
    const second = await nextPage(log, first.next, 10)
    const third = await nextPage(log, second.next, 10)
    const seen = [...first.sessions, ...second.sessions, ...third.sessions].map((listed) => listed.session)
    expect(seen).toEqual(ids.toReversed())
    expect(third.next).toBeUndefined()
    const again = expectKind(await log.list({ owner, limit: 3 }), 'ok')
    expect(again.sessions.map((listed) => listed.session)).toEqual(['new', 's20', 's24'])
  })

  test('[STORE-7] a cursor that no list gave is invalid', async () => {
    const made = await makeLog()
    await makeSession(made)
    for (const before of ['', 'x', '-1', '99999999999999', '{}', 'u\u0000', 'uzzzzzzzzzz']) {
      expect(await made.log.list({ owner, before, limit: 5 })).toEqual({ kind: 'invalid' })
    }
  })

  test('[STORE-120] a page of a list ends before it has more bytes than asked for, and has one session at least', async () => {
    const made = await makeLog()
    const { log, advance } = made
    const title = 'x'.repeat(1_000)
    const ids = Array.from({ length: 40 }, (_, index) => `s${index}`)
    for (const id of ids) {
      await log.create({ session: id, owner, attributes: {}, metadata: { title }, timeMs: 1 })
      await advance(1)
    }
    const seen: string[] = []
    for (let before: string | undefined; ; ) {
      const page = await log.list({ owner, limit: 100, maxBytes: 10_000, ...(before === undefined ? {} : { before }) })
      const { sessions, next } = expectKind(page, 'ok')
      expect(JSON.stringify(sessions).length).toBeLessThanOrEqual(10_001)
      expect(sessions.length).toBeGreaterThan(0)
      seen.push(...sessions.map((listed) => listed.session))
      if (next === undefined) break
      before = next
    }
    expect(seen).toEqual(ids.toReversed())
    expect(expectKind(await log.list({ owner, limit: 10, maxBytes: 1 }), 'ok').sessions).toHaveLength(1)
  })

  test('[STORE-121] where a turn is in the log is known while it runs and after it ended, in its session alone', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await makeSession(made, 'other')
    await answerTurn(log, 1, 'one')
    await startTurn(log, 2, 'two')
    const records = (await history(log)).map(({ record }) => record)
    const placeOf = (type: string, turn: string) => {
      const found = records.find((record) => record.type === type && 'turn' in record && record.turn === turn)
      return { seq: found?.seq, mark: found?.mark }
    }
    const where = (turn: string, of = session) => log.findTurn({ session: of, turn })
    expect(await where('turn-1')).toEqual({ kind: 'ended', entry: placeOf('turn.completed', 'turn-1') })
    expect(await where('turn-2')).toEqual({ kind: 'running', message: placeOf('message.added', 'turn-2') })
    expect(await where('turn-3')).toEqual({ kind: 'unknown' })
    expect(await where('turn-1', 'other')).toEqual({ kind: 'unknown' })
  })

  test('[STORE-8] two sessions share nothing', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await makeSession(made, 'other')
    const ear = await listen(made, 'other')
    await startTurn(log, 1, 'text')
    expect(await history(log, 'other')).toEqual([])
    const fence = { token: 'token-1', turn: 'turn-1', attempt: 1 }
    expect(await log.append(appending(fence, 4, '!', { session: 'other' }))).toEqual({ kind: 'stale' })
    expectKind(await log.accept(asking(1, { session: 'other', token: 'theirs', turn: 'theirs' })), 'yours')
    expect(await tapeText(log, 'turn-1')).toBe('text')
    expect(await ear.kinds()).toEqual(['confirmed', 'message.added'])
  })
}

async function nextPage(log: SessionLog, before: string | undefined, limit: number) {
  if (before === undefined) throw new Error('the page before says that it is the last')
  return expectKind(await log.list({ owner, before, limit }), 'ok')
}

const allGone = Array.from({ length: 13 }, () => 'gone')

async function everyOperation(log: SessionLog): Promise<readonly string[]> {
  const fence = { token: 'token-2', turn: 'turn-2', attempt: 1 }
  const feedback = { type: 'feedback.added', timeMs: 5, turn: 'turn-1', rating: 1 } as const
  const replies = [
    await log.describe(session),
    await log.accept(asking(1)),
    await log.append(appending(fence, 3, 'x', { open: started('turn-2', 1), leaseMs: 5 })),
    await log.end(ending(fence, ['two'])),
    await log.takeOver({ session, token: 't', leaseMs: 5 }),
    await log.open({ session, limit: 5 }),
    await log.page({ session, limit: 5 }),
    await log.read({ session, turn: 'turn-1', part: 0, at: 0, maxBytes: 5 }),
    await log.findTurn({ session, turn: 'turn-1' }),
    await log.cancel({ session, turn: 'turn-2' }),
    await log.addFeedback({ session, record: feedback }),
    await log.update({ session, metadata: {} }),
    await log.erase(session),
  ]
  return replies.map((reply) => reply.kind)
}
