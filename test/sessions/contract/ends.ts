import { expect, test } from 'vitest'
import {
  answerTurn,
  appending,
  asking,
  ending,
  expectKind,
  history,
  leaseMs,
  type MakeLog,
  makeSession,
  placeOf,
  seizeTurn,
  session,
  started,
  startTurn,
  tapeText,
  types,
} from './bench.ts'

export function describeEnds(makeLog: MakeLog): void {
  test('[STORE-40] end is refused until tapes, lengths, hashes and attempt are what it says', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, 'text')
    const behind = { kind: 'behind', attempt: 1 }
    expect(await log.end(ending(fence, ['text and more']))).toEqual(behind)
    expect(await log.end(ending(fence, ['tex']))).toEqual(behind)
    expect(await log.end(ending(fence, ['TEXT']))).toEqual(behind)
    expect(await log.end(ending(fence, []))).toEqual(behind)
    const wrongLength = ending(fence, ['text']).parts.map((part) => ({ ...part, bytes: part.bytes + 1 }))
    expect(await log.end({ ...ending(fence, ['text']), parts: wrongLength })).toEqual(behind)
    expect(await log.end(ending(fence, ['text', 'part one']))).toEqual(behind)
    expect(await log.end(ending({ ...fence, attempt: 2 }, ['text']))).toEqual(behind)
    expect(await log.end(ending({ ...fence, attempt: 0 }, []))).toEqual(behind)
    expect(await log.end(ending({ ...fence, token: 'other' }, ['text']))).toEqual({ kind: 'stale' })
    expect(await types(log)).toEqual(['message.added', 'turn.started'])
    expectKind(await log.end(ending(fence, ['text'])), 'ok')
  })

  test('[STORE-41] a turn ends once: each repeat is answered the same entry', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, 'text')
    const { entry } = expectKind(await log.end(ending(fence, ['text'])), 'ok')
    const ended = { kind: 'ended', entry }
    expect(await log.end(ending(fence, ['text']))).toEqual(ended)
    expect(await log.end(ending(fence, ['text'], 'turn.failed'))).toEqual(ended)
    expect(await log.end(ending({ ...fence, token: 'b', attempt: 3 }, ['else']))).toEqual(ended)
    expect((await history(log)).slice(-1).map(placeOf)).toEqual([entry])
    await startTurn(log, 2, 'next')
    expect(await log.end(ending(fence, ['text']))).toEqual(ended)
    expect(await types(log)).toEqual([
      'message.added',
      'turn.started',
      'turn.completed',
      'message.added',
      'turn.started',
    ])
  })

  test('[STORE-42] the terminal record has the text, and the tapes end with their turn', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, 'text é')
    await log.append(appending(fence, 0, 'thought', { part: 1 }))
    const request = ending(fence, ['text é', 'thought'])
    const record = { ...request.record, text: 'never in a record that is stored' }
    const { entry } = expectKind(await log.end({ ...request, record }), 'ok')
    const last = (await history(log)).at(-1)
    expect(last?.record).toEqual({ ...request.record, ...entry })
    expect(last?.texts?.map((text) => text.toString())).toEqual(['text é', 'thought'])
    expect(await tapeText(log, 'turn-1', 1)).toBe('thought')
    expect(expectKind(await log.open({ session, limit: 1 }), 'ok').run).toBeUndefined()
    expect(await log.append(appending(fence, 7, 'late', { leaseMs }))).toEqual({ kind: 'stale' })
    expect(await log.append(appending({ ...fence, attempt: 2 }, 0, 'x', { open: started('turn-1', 2) }))).toEqual({
      kind: 'stale',
    })
  })

  test('[STORE-43] who only ends a turn that it took over ends it as read, without an attempt', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await startTurn(log, 1, 'partial')
    const { attempt } = expectKind(await seizeTurn(made, 'b'), 'yours')
    const text = await tapeText(log, 'turn-1')
    expectKind(await log.end(ending({ token: 'b', turn: 'turn-1', attempt }, [text], 'turn.failed')), 'ok')
    expect(await types(log)).toEqual(['message.added', 'turn.started', 'turn.failed'])
    expect(await tapeText(log, 'turn-1')).toBe('partial')
  })

  test('[STORE-43] a turn that never had an attempt ends with attempt 0 and no text', async () => {
    const made = await makeLog()
    await makeSession(made)
    await made.log.accept(asking(1))
    const none = { token: 'token-1', turn: 'turn-1', attempt: 0 }
    expectKind(await made.log.end(ending(none, [], 'turn.failed')), 'ok')
    expect((await history(made.log)).at(-1)?.texts).toEqual([])
  })

  test('[STORE-44] an attempt without a byte ends, whether part 0 is named or not', async () => {
    for (const texts of [[], ['']]) {
      const made = await makeLog()
      await makeSession(made)
      const fence = await startTurn(made.log, 1, '')
      expectKind(await made.log.end(ending(fence, texts)), 'ok')
      expect((await history(made.log)).at(-1)?.texts?.map((text) => text.toString())).toEqual([''])
    }
  })

  test('[STORE-45] cancel is a fact: nothing is appended or renewed after it, and the end is cancelled', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, 'text')
    expect(await log.cancel({ session, turn: 'turn-1' })).toEqual({ kind: 'cancelling' })
    expect(await log.cancel({ session, turn: 'turn-1' })).toEqual({ kind: 'cancelling' })
    const cancel = { kind: 'cancel', attempt: 1, length: 4 }
    expect(await log.append(appending(fence, 4, '!'))).toEqual(cancel)
    expect(await log.append(appending(fence, 0, '!', { part: 1 }))).toEqual(cancel)
    expect(await log.append(appending(fence, 4, '', { leaseMs }))).toEqual(cancel)
    const open = started('turn-1', 2)
    expect(await log.append(appending({ ...fence, attempt: 2 }, 0, '!', { open }))).toEqual(cancel)
    expect(await log.end(ending(fence, ['text']))).toEqual(cancel)
    expect(await log.end(ending(fence, ['text'], 'turn.failed'))).toEqual(cancel)
    expect(await log.end(ending(fence, ['te'], 'turn.cancelled'))).toEqual({ kind: 'behind', attempt: 1 })
    expectKind(await log.end(ending(fence, ['text'], 'turn.cancelled')), 'ok')
    expect(await log.cancel({ session, turn: 'turn-1' })).toEqual({ kind: 'ended' })
    expect(await log.cancel({ session, turn: 'turn-0' })).toEqual({ kind: 'unknown' })
  })

  test('[STORE-45] a cancel before the first attempt holds too', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await log.accept(asking(1))
    await log.cancel({ session, turn: 'turn-1' })
    const fence = { token: 'token-1', turn: 'turn-1', attempt: 1 }
    const reply = await log.append(appending(fence, 0, 'x', { open: started('turn-1', 1) }))
    expect(reply).toEqual({ kind: 'cancel', attempt: 0, length: 0 })
    expect(expectKind(await log.open({ session, limit: 1 }), 'ok').run?.isCancelled).toBe(true)
    expectKind(await log.end(ending({ ...fence, attempt: 0 }, [], 'turn.cancelled')), 'ok')
  })

  test('[STORE-46] a cancel stands across a take-over, and ends with its turn', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await startTurn(log, 1, 'text')
    await log.cancel({ session, turn: 'turn-1' })
    expect(await seizeTurn(made, 'b')).toMatchObject({ kind: 'yours', isCancelled: true, attempt: 1, parts: 1 })
    const b = { token: 'b', turn: 'turn-1', attempt: 2 }
    expect((await log.append(appending(b, 0, 'x', { open: started('turn-1', 2) }))).kind).toBe('cancel')
    expectKind(await log.end(ending({ ...b, attempt: 1 }, ['text'], 'turn.cancelled')), 'ok')
    await answerTurn(log, 2, 'the next turn is not cancelled')
  })

  test('[STORE-47] a cancel of another turn than the running one touches nothing', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await answerTurn(log, 1, 'one')
    const fence = await startTurn(log, 2, 'two')
    expect(await log.cancel({ session, turn: 'turn-1' })).toEqual({ kind: 'ended' })
    expect(await log.append(appending(fence, 3, '!'))).toEqual({ kind: 'ok', length: 4 })
  })
}
