import { expect, test } from 'vitest'
import {
  answerTurn,
  appending,
  ending,
  history,
  leaseMs,
  listen,
  type MakeLog,
  makeSession,
  placeOf,
  session,
  started,
  startTurn,
} from './bench.ts'

export function describeWatching(makeLog: MakeLog): void {
  test('[STORE-60] records are told in the order of the log, each with the head before it', async () => {
    const made = await makeLog()
    await makeSession(made)
    const ear = await listen(made)
    await answerTurn(made.log, 1, 'one')
    await answerTurn(made.log, 2, 'two')
    const entries = await history(made.log)
    const told = (await ear.all()).filter((heard) => heard.kind === 'record')
    expect(told.map(({ entry }) => entry.record)).toEqual(entries.map(({ record }) => record))
    expect(told.map(({ previous }) => previous)).toEqual([{ seq: 0, mark: 0 }, ...entries.slice(0, -1).map(placeOf)])
    expect(told.map(({ entry }) => entry.openedBy)).toEqual(entries.map(({ openedBy }) => openedBy))
    expect(told.filter(({ entry }) => entry.texts !== undefined)).toEqual([])
  })

  test('[STORE-61] deltas are told with fence and range, after the record that opened their attempt', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const ear = await listen(made)
    const fence = await startTurn(log, 1, 'é!')
    await log.append(appending(fence, 3, 'more'))
    await log.append(appending(fence, 3, 'more'))
    await log.append(appending(fence, 7, '', { leaseMs }))
    await log.append(appending(fence, 0, 'thought', { part: 1 }))
    const second = { ...fence, attempt: 2 }
    await log.append(appending(second, 0, 'new', { open: started('turn-1', 2) }))
    await log.end(ending(second, ['new']))
    const kinds = [
      'message.added',
      'turn.started',
      'delta',
      'delta',
      'delta',
      'turn.started',
      'delta',
      'turn.completed',
    ]
    expect((await ear.kinds()).slice(1)).toEqual(kinds)
    expect((await ear.all()).filter(({ kind }) => kind === 'delta')).toEqual([
      { kind: 'delta', fence, part: 0, at: 0, end: 3, text: 'é!' },
      { kind: 'delta', fence, part: 0, at: 3, end: 7, text: 'more' },
      { kind: 'delta', fence, part: 1, at: 0, end: 7, text: 'thought' },
      { kind: 'delta', fence: second, part: 0, at: 0, end: 3, text: 'new' },
    ])
  })

  test('[STORE-62] deltas are heard only while wanted, records and nudges always', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const [ear, other] = [await listen(made), await listen(made)]
    ear.subscription.hearDeltas(false)
    const fence = await startTurn(log, 1, 'a')
    await log.append(appending(fence, 1, 'b'))
    // What was published before and is heard late would count, too.
    await ear.all()
    ear.subscription.hearDeltas(true)
    await log.append(appending(fence, 2, 'c'))
    await log.cancel({ session, turn: 'turn-1' })
    expect(await ear.kinds()).toEqual(['confirmed', 'message.added', 'turn.started', 'delta', 'cancel'])
    expect((await other.kinds()).filter((kind) => kind === 'delta').length).toBe(3)
  })

  test('[STORE-63] nothing is heard before confirmed, nor after closing, which may be repeated', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const ear = await listen(made)
    const staying = await listen(made)
    ear.subscription.close()
    ear.subscription.close()
    ear.subscription.hearDeltas(true)
    await startTurn(log, 1, 'text')
    expect(await ear.kinds()).toEqual(['confirmed'])
    expect(await staying.kinds()).toEqual(['confirmed', 'message.added', 'turn.started', 'delta'])
  })

  test('[STORE-63] one subscribes to a session before it is made', async () => {
    const made = await makeLog()
    const ear = await listen(made)
    await makeSession(made)
    await startTurn(made.log, 1, 'text')
    expect(await ear.kinds()).toEqual(['confirmed', 'message.added', 'turn.started', 'delta'])
  })

  test('[STORE-64] refused and repeated operations tell nobody anything', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const fence = await startTurn(log, 1, 'text')
    const ear = await listen(made)
    await startTurn(log, 1, 'text')
    await log.append(appending({ ...fence, token: 'other' }, 4, 'x'))
    await log.append(appending(fence, 9, 'x'))
    await log.end(ending(fence, ['other']))
    await log.cancel({ session, turn: 'turn-0' })
    expect(await ear.kinds()).toEqual(['confirmed'])
    await log.end(ending(fence, ['text']))
    await log.end(ending(fence, ['text']))
    expect(await ear.kinds()).toEqual(['confirmed', 'turn.completed'])
  })

  test('[STORE-65] who listens can build the text from deltas alone', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    const ear = await listen(made)
    const fence = await startTurn(log, 1, '')
    const words = 'many small words, ünd sömé 😀 not so small'.split(' ')
    let text = ''
    for (const word of words) {
      await log.append(appending(fence, Buffer.byteLength(text), word))
      text += word
    }
    const deltas = (await ear.all()).filter((heard) => heard.kind === 'delta')
    expect(deltas.map((delta) => delta.text).join('')).toBe(text)
    expect(deltas.slice(1).map(({ at }) => at)).toEqual(deltas.slice(0, -1).map(({ end }) => end))
  })
}
