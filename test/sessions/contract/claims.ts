import { expect, test } from 'vitest'
import {
  answerTurn,
  appending,
  asking,
  ending,
  expectKind,
  history,
  leaseMs,
  listen,
  type MakeLog,
  makeSession,
  placeOf,
  restarted,
  seizeTurn,
  session,
  started,
  startTurn,
  tapeText,
  types,
} from './bench.ts'

export function describeClaims(makeLog: MakeLog): void {
  test('[STORE-10] accept writes the message and takes its turn', async () => {
    const made = await makeLog()
    await makeSession(made)
    const { entry } = expectKind(await made.log.accept(asking(1)), 'yours')
    const { head, run, entries } = expectKind(await made.log.open({ session, limit: 5 }), 'ok')
    expect(head).toEqual(entry)
    expect(entries.map(placeOf)).toEqual([entry])
    expect(entries[0]?.record).toEqual({ ...asking(1).record, ...entry })
    expect(run).toEqual({ turn: 'turn-1', attempt: 0, isCancelled: false, lease: 'held', tapes: [] })
  })

  test('[STORE-11] the winner is told yours however often it asks, anybody else repeat', async () => {
    const made = await makeLog()
    await makeSession(made)
    const first = await made.log.accept(asking(1))
    expect(await made.log.accept(asking(1))).toEqual(first)
    const other = asking(1, { token: 'another', turn: 'another' })
    expect(await made.log.accept(other)).toEqual({ ...first, kind: 'repeat' })
    expect(await types(made.log)).toEqual(['message.added'])
    await seizeTurn(made, 'new-token')
    expect(await made.log.accept(asking(1))).toEqual({ ...first, kind: 'repeat' })
    expect(await made.log.accept(asking(1, { token: 'new-token' }))).toEqual(first)
  })

  test('[STORE-11] an ended turn is nobody’s: its message is a repeat for its winner too', async () => {
    const made = await makeLog()
    await makeSession(made)
    await answerTurn(made.log, 1, 'text')
    expectKind(await made.log.accept(asking(1)), 'repeat')
    await startTurn(made.log, 2, 'text')
    expect(expectKind(await made.log.accept(asking(1)), 'repeat').turn).toBe('turn-1')
    expect((await history(made.log)).length).toBe(5)
  })

  test('[STORE-12] a message id with other content is a conflict, running or ended', async () => {
    const made = await makeLog()
    await makeSession(made)
    const { turn, entry } = expectKind(await made.log.accept(asking(1)), 'yours')
    const conflict = { kind: 'conflict', turn, entry }
    expect(await made.log.accept(asking(1, { hash: 'other' }))).toEqual(conflict)
    expectKind(await made.log.end({ ...ending({ token: 'token-1', turn, attempt: 0 }, []) }), 'ok')
    expect(await made.log.accept(asking(1, { hash: 'other' }))).toEqual(conflict)
  })

  test('[STORE-13] another message is busy while a turn runs, and leaves no trace', async () => {
    const made = await makeLog()
    await makeSession(made)
    const fence = await startTurn(made.log, 1, 'text')
    expect(await made.log.accept(asking(2))).toEqual({ kind: 'busy', turn: 'turn-1', lease: 'held' })
    await made.advance(leaseMs)
    expect(await made.log.accept(asking(2))).toEqual({ kind: 'busy', turn: 'turn-1', lease: 'lapsed' })
    await made.log.end(ending(fence, ['text']))
    expectKind(await made.log.accept(asking(2, { hash: 'not held against it' })), 'yours')
  })

  test('[STORE-14] the last 256 message ids are remembered, an older one is new', async () => {
    const made = await makeLog()
    await makeSession(made)
    for (let n = 1; n <= 256; n += 1) await emptyTurn(made.log, n)
    expectKind(await made.log.accept(asking(1, { token: 'late' })), 'repeat')
    await emptyTurn(made.log, 257)
    expectKind(await made.log.accept(asking(2, { token: 'late' })), 'repeat')
    expectKind(await made.log.accept(asking(257, { token: 'late' })), 'repeat')
    expectKind(await made.log.accept(asking(1, { token: 'late', turn: 'late' })), 'yours')
  })

  test('[STORE-15] replaces names the last ended turn, asked after message id and running turn', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const replacing = (n: number, replaces: string) => asking(n, { record: { ...asking(n).record, replaces } })
    expect(await log.accept(replacing(1, 'turn-0'))).toEqual({ kind: 'not-last' })
    await answerTurn(log, 1, 'one')
    await answerTurn(log, 2, 'two')
    expect(await log.accept(replacing(3, 'turn-1'))).toEqual({ kind: 'not-last', last: 'turn-2' })
    expectKind(await log.accept(replacing(3, 'turn-2')), 'yours')
    expect((await history(log)).at(-1)?.record).toMatchObject({ replaces: 'turn-2' })
    expectKind(await log.accept(replacing(4, 'turn-2')), 'busy')
    expectKind(await log.accept(replacing(3, 'turn-2')), 'yours')
    expectKind(await log.accept(asking(1, { record: { ...asking(1).record, replaces: 'turn-0' } })), 'repeat')
  })

  test('[STORE-16] a lapsed lease is a suspicion: seen once, still the same, then yours', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await startTurn(log, 1, 'text')
    const ear = await listen(made)
    const claim = { session, token: 'b', leaseMs }
    expect(expectKind(await log.takeOver(claim), 'held').forMs).toBeLessThanOrEqual(leaseMs)
    await made.advance(leaseMs)
    const { deadline } = expectKind(await log.takeOver(claim), 'lapsed')
    expect(await log.takeOver({ ...claim, seen: deadline - 1 })).toEqual({ kind: 'lapsed', deadline })
    const taken = await log.takeOver({ ...claim, seen: deadline })
    const message = (await history(log)).slice(0, 1).map(placeOf)[0]
    expect(taken).toEqual({ kind: 'yours', turn: 'turn-1', attempt: 1, parts: 1, isCancelled: false, message })
    expect(await ear.kinds()).toEqual(['confirmed', 'renew', 'renew', 'taken'])
    expect(expectKind(await log.takeOver({ ...claim, token: 'c', seen: deadline }), 'held').forMs).toBeGreaterThan(0)
  })

  test('[STORE-16] a renewal disproves the suspicion, and lapsing alone never fences', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, 'text')
    await made.advance(leaseMs)
    const { deadline } = expectKind(await log.takeOver({ session, token: 'b', leaseMs }), 'lapsed')
    expect(await log.append(appending(fence, 4, '!'))).toEqual({ kind: 'ok', length: 5 })
    expect(await log.append(appending(fence, 5, '', { leaseMs }))).toEqual({ kind: 'ok', length: 5 })
    expectKind(await log.takeOver({ session, token: 'b', leaseMs, seen: deadline }), 'held')
    await made.advance(leaseMs)
    const again = expectKind(await log.takeOver({ session, token: 'b', leaseMs, seen: deadline }), 'lapsed')
    expect(again.deadline).not.toBe(deadline)
    expectKind(await log.end(ending(fence, ['text!'])), 'ok')
  })

  test('[STORE-17] who took over is told yours however often it asks, with any deadline', async () => {
    const made = await makeLog()
    await makeSession(made)
    await startTurn(made.log, 1, 'text')
    const first = expectKind(await seizeTurn(made, 'b'), 'yours')
    const ear = await listen(made)
    expect(await made.log.takeOver({ session, token: 'b', leaseMs })).toEqual(first)
    expect(await made.log.takeOver({ session, token: 'b', leaseMs, seen: 1, turn: 'turn-1' })).toEqual(first)
    expect(await ear.kinds()).toEqual(['confirmed'])
  })

  test('[STORE-18] without a running turn, or for another one, there is nothing to take', async () => {
    const made = await makeLog()
    await makeSession(made)
    expect(await seizeTurn(made, 'b')).toEqual({ kind: 'idle' })
    const fence = await startTurn(made.log, 1, 'text')
    expect(await made.log.takeOver({ session, token: 'b', leaseMs, turn: 'turn-0' })).toEqual({ kind: 'idle' })
    await made.log.end(ending(fence, ['text']))
    expect(await seizeTurn(made, 'b')).toEqual({ kind: 'idle' })
    expect(await made.log.takeOver({ session, token: 'token-1', leaseMs })).toEqual({ kind: 'idle' })
  })

  test('[STORE-19] a deadline more than two leases ahead is of a clock that stepped back, and is cut', async () => {
    const made = await makeLog()
    await makeSession(made)
    await startTurn(made.log, 1, 'text')
    await made.advance(-10 * leaseMs)
    const { forMs } = expectKind(await made.log.takeOver({ session, token: 'b', leaseMs }), 'held')
    expect(forMs).toBeLessThanOrEqual(leaseMs)
    expectKind(await seizeTurn(made, 'b'), 'yours')
  })

  test('[STORE-20] a take-over fences its predecessor by token, whatever numbers it presents', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const a = await startTurn(log, 1, 'AAAA')
    expectKind(await seizeTurn(made, 'b'), 'yours')
    expect(await log.append(appending(a, 4, 'late'))).toEqual({ kind: 'stale' })
    expect(await log.append(appending(a, 4, '', { leaseMs }))).toEqual({ kind: 'stale' })
    const higher = { ...a, attempt: 9 }
    expect(await log.append(appending(higher, 0, 'late', { open: started('turn-1', 9) }))).toEqual({ kind: 'stale' })
    expect(await log.end(ending(a, ['AAAA']))).toEqual({ kind: 'stale' })
    expect(await log.append(appending({ ...a, turn: 'turn-0' }, 4, 'x'))).toEqual({ kind: 'stale' })
    expect(await tapeText(log, 'turn-1')).toBe('AAAA')
  })

  test('[STORE-21] an attempt takes bytes from its opener alone, and opens only above the current one', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await startTurn(log, 1, 'AAAA')
    await seizeTurn(made, 'b')
    const b = { token: 'b', turn: 'turn-1', attempt: 1 }
    expect(await log.append(appending(b, 4, 'BB'))).toEqual({ kind: 'attempt', attempt: 1 })
    expect(await log.append(appending(b, 0, 'BB', { open: started('turn-1', 1) }))).toEqual({
      kind: 'attempt',
      attempt: 1,
    })
    expect(await log.append(appending({ ...b, attempt: 5 }, 0, 'BB'))).toEqual({ kind: 'attempt', attempt: 1 })
    const open = started('turn-1', 5)
    expect(await log.append(appending({ ...b, attempt: 5 }, 0, 'BB', { open }))).toEqual({ kind: 'ok', length: 2 })
    expect(await tapeText(log, 'turn-1')).toBe('BB')
    expect(await log.append(appending({ ...b, attempt: 4 }, 0, 'x', { open: started('turn-1', 4) }))).toEqual({
      kind: 'attempt',
      attempt: 5,
    })
  })

  test('[STORE-21] opening is once, however often it is asked, and names the token that did it', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, 'AAAA')
    const again = appending(fence, 0, 'AAAA', { open: started('turn-1', 1) })
    expect(await log.append(again)).toEqual({ kind: 'ok', length: 4 })
    expect(await types(log)).toEqual(['message.added', 'turn.started'])
    expect((await history(log)).map((entry) => entry.openedBy)).toEqual([undefined, 'token-1'])
    expect(expectKind(await log.open({ session, limit: 1 }), 'ok').run).toMatchObject({
      openedBy: 'token-1',
      attempt: 1,
    })
  })

  test('[STORE-22] an attempt that keeps text begins empty: its producer sends what it keeps', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await startTurn(log, 1, 'kept, not kept')
    await seizeTurn(made, 'b')
    const b = { token: 'b', turn: 'turn-1', attempt: 2 }
    const open = restarted('turn-1', 2, { attempt: 1, end: 4 })
    expect(await log.append(appending(b, 4, ' on', { open }))).toEqual({ kind: 'ok', length: 0 })
    expect(await log.append(appending(b, 0, 'kept on', { open }))).toEqual({ kind: 'ok', length: 7 })
    expect((await history(log)).at(-1)?.record).toMatchObject({ keep: { attempt: 1, end: 4 }, attempt: 2 })
    expectKind(await log.end(ending(b, ['kept on'])), 'ok')
  })

  test('[STORE-22] a producer opens a next attempt of its own turn, whose tapes are all empty', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const first = await startTurn(log, 1, 'text')
    await log.append(appending(first, 0, 'thought', { part: 1 }))
    const second = { ...first, attempt: 2 }
    await log.append(appending(second, 0, 'new', { open: started('turn-1', 2) }))
    expect(await log.append(appending(first, 4, 'late'))).toEqual({ kind: 'attempt', attempt: 2 })
    const { run } = expectKind(await log.open({ session, limit: 1 }), 'ok')
    expect(run?.tapes.map((tape) => tape.text.toString())).toEqual(['new'])
  })
}

async function emptyTurn(log: Parameters<typeof answerTurn>[0], n: number): Promise<void> {
  expectKind(await log.accept(asking(n)), 'yours')
  expectKind(await log.end(ending({ token: `token-${n}`, turn: `turn-${n}`, attempt: 0 }, [])), 'ok')
}
