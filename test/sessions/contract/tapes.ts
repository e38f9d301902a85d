import { expect, test } from 'vitest'
import { deltaTextBytes, partsMax } from '../../../protocol/limits.ts'
import type { OpenReply } from '../../../sessions/session-log.ts'
import {
  appending,
  asking,
  ending,
  expectKind,
  type MakeLog,
  makeSession,
  session,
  started,
  startTurn,
  tapeMaxBytes,
  tapeText,
} from './bench.ts'

export function describeTapes(makeLog: MakeLog): void {
  test('[STORE-30] append takes text where the tape ends and nowhere else, and answers the length', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, 'abc')
    expect(await log.append(appending(fence, 3, 'def'))).toEqual({ kind: 'ok', length: 6 })
    expect(await log.append(appending(fence, 3, 'def'))).toEqual({ kind: 'ok', length: 6 })
    expect(await log.append(appending(fence, 3, 'defghi'))).toEqual({ kind: 'ok', length: 6 })
    expect(await log.append(appending(fence, 9, 'jkl'))).toEqual({ kind: 'ok', length: 6 })
    expect(await log.append(appending(fence, 6, ''))).toEqual({ kind: 'ok', length: 6 })
    expect(await tapeText(log, 'turn-1')).toBe('abcdef')
  })

  test('[STORE-31] a tape never grows above what its producer allows', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, 'abc')
    expect(await log.append(appending(fence, 3, 'def', { maxBytes: 5 }))).toEqual({ kind: 'full', length: 3 })
    expect(await log.append(appending(fence, 3, 'de', { maxBytes: 5 }))).toEqual({ kind: 'ok', length: 5 })
    expect(await log.append(appending(fence, 5, 'f', { maxBytes: 5 }))).toEqual({ kind: 'full', length: 5 })
    expect(await log.append(appending(fence, 5, '', { maxBytes: 5 }))).toEqual({ kind: 'ok', length: 5 })
  })

  test('[STORE-31] a tape of a mebibyte in pieces is the same text', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, 'a')
    const text = 'añ😀'.repeat(150_000)
    const bytes = Buffer.from(text)
    await log.append(appending({ ...fence, attempt: 2 }, 0, '', { open: started('turn-1', 2) }))
    for (let at = 0; at < bytes.length; at += 50_001) {
      const piece = bytes.subarray(at, at + 50_001)
      await log.append({ ...appending({ ...fence, attempt: 2 }, at, ''), text: piece, maxBytes: 2 * tapeMaxBytes })
    }
    expectKind(await log.end(ending({ ...fence, attempt: 2 }, [text])), 'ok')
    const read = await log.read({ session, turn: 'turn-1', part: 0, at: 0, maxBytes: 2 * tapeMaxBytes })
    expect(expectKind(read, 'ok').text.equals(bytes)).toBe(true)
  })

  test('[STORE-32] parts open in their order without a gap, part 0 even if it stays empty', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    expectKind(await log.accept(asking(1)), 'yours')
    const fence = { token: 'token-1', turn: 'turn-1', attempt: 1 }
    const open = started('turn-1', 1)
    expect(await log.append(appending(fence, 0, 'gap', { part: 2, open }))).toEqual({ kind: 'ok', length: 0 })
    expect(await log.append(appending(fence, 0, 'one', { part: 1 }))).toEqual({ kind: 'ok', length: 3 })
    expect(await log.append(appending(fence, 0, 'two', { part: 2 }))).toEqual({ kind: 'ok', length: 3 })
    expect(await log.append(appending(fence, 0, '', { part: 3 }))).toEqual({ kind: 'ok', length: 0 })
    const { run } = expectKind(await log.open({ session, limit: 1 }), 'ok')
    expect(run?.tapes.map((tape) => tape.text.toString())).toEqual(['', 'one', 'two'])
    expect(await log.end(ending(fence, ['', 'one']))).toEqual({ kind: 'behind', attempt: 1 })
    expectKind(await log.end(ending(fence, ['', 'one', 'two'])), 'ok')
    expect([await tapeText(log, 'turn-1', 0), await tapeText(log, 'turn-1', 2)]).toEqual(['', 'two'])
  })

  test('[STORE-32] an answer has at most 64 parts', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, '0')
    for (let part = 1; part < partsMax; part += 1) {
      expect(await log.append(appending(fence, 0, 'x', { part }))).toEqual({ kind: 'ok', length: 1 })
    }
    expect(await log.append(appending(fence, 0, 'x', { part: partsMax }))).toEqual({ kind: 'full', length: 0 })
  })

  test('[STORE-33] slices start and end between characters; an offset inside of one counts as 0', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const text = '\ufeffab😀é'
    const fence = await startTurn(log, 1, text)
    const read = async (at: number, maxBytes: number) => {
      const { kind: _kind, ...slice } = expectKind(
        await log.read({ session, turn: 'turn-1', part: 0, at, maxBytes }),
        'ok',
      )
      return { ...slice, text: slice.text.toString() }
    }
    const check = async () => {
      expect(await read(0, 100)).toEqual({ at: 0, text, length: 11 })
      expect(await read(0, 8)).toEqual({ at: 0, text: '\ufeffab', length: 11 })
      expect(await read(5, 4)).toEqual({ at: 5, text: '😀', length: 11 })
      expect(await read(6, 100)).toEqual({ at: 0, text, length: 11 })
      expect(await read(9, 1)).toEqual({ at: 9, text: '', length: 11 })
      expect(await read(11, 5)).toEqual({ at: 11, text: '', length: 11 })
      expect(await read(20, 5)).toEqual({ at: 20, text: '', length: 11 })
    }
    await check()
    await log.end(ending(fence, [text]))
    await check()
  })

  test('[STORE-34] open gives each tape from the reader’s end, at most 64 KiB of it', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, `${'x'.repeat(deltaTextBytes - 1)}é`)
    await log.append(appending(fence, 0, 'part one', { part: 1 }))
    const tapes = async (ends: readonly number[], attempt = 1, turn = 'turn-1') =>
      summary(await log.open({ session, limit: 1, run: { turn, attempt, ends } }))
    expect(await tapes([10, 5])).toEqual([
      [10, deltaTextBytes - 9, deltaTextBytes + 1],
      [5, 3, 8],
    ])
    expect(await tapes([])).toEqual([
      [0, deltaTextBytes - 1, deltaTextBytes + 1],
      [0, 8, 8],
    ])
    expect(await tapes([deltaTextBytes, 99])).toEqual([
      [0, deltaTextBytes - 1, deltaTextBytes + 1],
      [99, 0, 8],
    ])
    expect((await tapes([10, 5], 2)).map(([at]) => at)).toEqual([0, 0])
    expect((await tapes([10, 5], 1, 'turn-0')).map(([at]) => at)).toEqual([0, 0])
  })

  test('[STORE-35] a turn or part that is not there is unknown; a known turn has part 0', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const read = (turn: string, part: number) => log.read({ session, turn, part, at: 0, maxBytes: 10 })
    expect(await read('turn-1', 0)).toEqual({ kind: 'unknown' })
    await log.accept(asking(1))
    expect(expectKind(await read('turn-1', 0), 'ok').length).toBe(0)
    await log.end(ending({ token: 'token-1', turn: 'turn-1', attempt: 0 }, []))
    expect(expectKind(await read('turn-1', 0), 'ok').length).toBe(0)
    expect(await read('turn-1', 1)).toEqual({ kind: 'unknown' })
  })

  test('[STORE-36] what was handed out never changes, and what was handed in may', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const ours = Buffer.from('abc')
    const fence = await startTurn(log, 1, '')
    await log.append({ ...appending(fence, 0, ''), text: ours })
    ours.fill('z')
    const before = expectKind(await log.read({ session, turn: 'turn-1', part: 0, at: 0, maxBytes: 9 }), 'ok')
    for (let at = 3; at < 9_000; at += 3) await log.append(appending(fence, at, 'def'))
    const { run } = expectKind(await log.open({ session, limit: 1 }), 'ok')
    const second = { ...fence, attempt: 2 }
    await log.append(appending(second, 0, 'XYZ', { open: started('turn-1', 2) }))
    await log.end(ending(second, ['XYZ']))
    expect(before.text.toString()).toBe('abc')
    expect(run?.tapes[0]?.text.toString()).toBe(`abc${'def'.repeat(2_999)}`)
    expect(await tapeText(log, 'turn-1')).toBe('XYZ')
  })
}

function summary(reply: OpenReply): readonly (readonly number[])[] {
  const { run } = expectKind(reply, 'ok')
  return run?.tapes.map(({ at, text, length }) => [at, text.length, length]) ?? []
}
