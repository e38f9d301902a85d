import { afterEach, expect, test, vi } from 'vitest'
import { eventTextBytes, heartbeatMs, stalledMs } from '../../../gateway/http/limits.ts'
import { eventStream } from '../../../gateway/http/sse.ts'
import { TurnEvents } from '../../../gateway/http/turn-events.ts'
import { Feeds } from '../../../sessions/feeds.ts'
import { createMemoryLog } from '../../../sessions/memory-log.ts'
import type { SessionLog } from '../../../sessions/session-log.ts'
import { ScriptedTurn } from '../../support/scripted-turn.ts'

afterEach(() => {
  vi.useRealTimers()
})

test('[HTTP-20] a silent stream says : ping every 15 s, and only to who takes it', async () => {
  const { reader, turn } = await openStream()
  vi.advanceTimersByTime(7 * heartbeatMs)
  await turn.write('late')
  expect(await drain(reader, 'turn.delta')).toContain('"text":"late"')
  const silent = reader.read()
  vi.advanceTimersByTime(heartbeatMs - 1)
  await Promise.resolve()
  vi.advanceTimersByTime(1)
  expect(textOf(await silent)).toBe(': ping\n\n')
  const next = reader.read()
  await turn.write(' more')
  expect(textOf(await next)).toContain('"text":" more"')
})

test('[HTTP-21] a client that takes nothing for two minutes is given up, and its watch with it', async () => {
  const { reader, turn, feeds, ended } = await openStream()
  expect(feeds.size).toBe(1)
  await turn.write('x')
  await drain(reader, 'turn.delta')
  vi.advanceTimersByTime(stalledMs)
  await expect(reader.read()).rejects.toThrow('takes nothing')
  expect(feeds.size).toBe(0)
  expect(ended()).toBeGreaterThan(0)
})

test('[HTTP-21] an answer that nobody ever reads is over after the same time', async () => {
  const { reader, feeds, ended } = await openStream()
  vi.advanceTimersByTime(stalledMs)
  await expect(reader.read()).rejects.toThrow('takes nothing')
  expect([feeds.size, ended()]).toEqual([0, 1])
})

test('[HTTP-51] a bug in making an event ends its stream, and leaves no watch and no place behind', async () => {
  const { reader, feeds, ended, breakOpen } = await openStream()
  expect(textOf(await reader.read())).toContain('retry: ')
  expect(feeds.size).toBe(1)
  breakOpen()
  // The turn began before the feed was there, so its records are asked of the store.
  await expect(reader.read()).rejects.toThrow(TypeError)
  expect([feeds.size, ended()]).toEqual([0, 1])
})

test('[HTTP-16] a client that does not read costs a position: what it missed comes in few large pieces', async () => {
  const { reader, turn } = await openStream()
  await turn.write('.')
  await drain(reader, 'turn.delta')
  for (let n = 0; n < 5_000; n++) await turn.write(`word ${n} `)
  await turn.end()
  let text = '.'
  let pieces = 0
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const data = /^data: (.*)$/m.exec(textOf(read))?.[1] ?? ''
    const { type, text: piece } = JSON.parse(data)
    if (type !== 'turn.delta') continue
    pieces++
    text += piece
  }
  expect(text).toBe(turn.text)
  // A frame's head takes a part of each piece's room.
  expect(pieces).toBeLessThanOrEqual(Math.ceil(Buffer.byteLength(turn.text) / (0.9 * eventTextBytes)))
})

async function openStream() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const real = createMemoryLog()
  let isOpenBroken = false
  const log: SessionLog = {
    ...real,
    // A store that breaks its contract: the compiler would not let one.
    open: (request) => (isOpenBroken ? Promise.resolve({ kind: 'ok', from: 'after' } as never) : real.open(request)),
  }
  const feeds = new Feeds(log)
  const info = { owner: { tenant: 't', subject: 's' }, createdMs: 1 }
  await log.create({ session: 's', owner: info.owner, attributes: {}, timeMs: 1 })
  const turn = await ScriptedTurn.accepted(log, 's', 'turn')
  await turn.open()
  const events = new TurnEvents({ feeds, log }, { session: 's', turn: 'turn', text: 'deltas' })
  await events.start({ seq: 0, mark: 0, turn: 'turn', attempt: undefined, isEnded: false }, info)
  let endedCount = 0
  const { body } = eventStream(events, undefined, () => {
    endedCount++
  })
  if (body === null) throw new Error('no body')
  const breakOpen = () => {
    isOpenBroken = true
  }
  return { reader: body.getReader(), turn, feeds, ended: () => endedCount, breakOpen }
}

type Reader = ReadableStreamDefaultReader<Uint8Array>

/** Reads on until an event of this type. */
async function drain(reader: Reader, type: string): Promise<string> {
  for (;;) {
    const text = textOf(await reader.read())
    if (text.includes(`event: ${type}\n`)) return text
  }
}

function textOf({ value }: ReadableStreamReadResult<Uint8Array>): string {
  return Buffer.from(value ?? []).toString()
}
