import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Chat } from '../../gateway/chat.ts'
import { Outbox } from '../../gateway/outbox.ts'
import { serveRequest } from '../../gateway/requests.ts'
import { SendWindow } from '../../gateway/window.ts'
import { frameDownBytes, windowBytes } from '../../protocol/limits.ts'
import { Feeds } from '../../sessions/feeds.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { MiniReader, tooLong } from '../support/mini-reader.ts'
import { ScriptedTurn } from '../support/scripted-turn.ts'
import { servedWith } from '../support/served.ts'

const owner = { tenant: 'default', subject: 'ada' }
const identity = { ...owner, scopes: new Set(['chat', 'history'] as const), expiresAtMs: 1e12 }
const session = 's1'

/** A store, its feeds, and readers that answer pings when a test says so. */
class Stage {
  readonly log: SessionLog = createMemoryLog()
  readonly feeds = new Feeds(this.log)
  readonly held = { count: 0 }
  readonly #chat: Chat

  constructor() {
    const turns = {
      send: () => Promise.reject(new Error('not used here')),
      offersPrompt: () => true,
      suspect: () => undefined,
    }
    this.#chat = new Chat(
      this.log,
      turns,
      () => 1,
      (error) => expect(error).toBeUndefined(),
    )
  }

  async start(): Promise<this> {
    await this.log.create({ session, owner, attributes: {}, timeMs: 1 })
    return this
  }

  reader(): Watching {
    const reader = new MiniReader()
    const events = {
      frameSent: () => undefined,
      deltaSent: () => undefined,
      held: () => this.held.count++,
      sessionOpened: () => undefined,
    }
    return { reader, outbox: new Outbox(reader, this.feeds, this.log, events) }
  }

  /** What a client's session.open does; from its sending on the reader takes nothing until the answer. */
  async open({ reader, outbox }: Watching, from: 'cursor' | 'start'): Promise<void> {
    reader.isDeaf = true
    const cursor = from === 'cursor' && reader.seq > 0 ? { cursor: reader.cursor } : {}
    if (from === 'start') Object.assign(reader, { seq: 0, mark: 0, turn: undefined, text: '' })
    const served = servedWith(this.#chat, outbox)
    await serveRequest(served, identity, { type: 'session.open', id: 'o', session, ...cursor }, (kind) =>
      expect(kind).toBe(''),
    )
  }
}

interface Watching {
  readonly reader: MiniReader
  readonly outbox: Outbox
}

function answerPings({ reader, outbox }: Watching): void {
  for (const payload of reader.pings.splice(0)) outbox.pong(payload)
}

describe('window', () => {
  test('[WINDOW-1] a ping follows each 16 KiB; at most 64 KiB are unanswered; a pong opens as far as it proves', () => {
    const window = new SendWindow()
    expect(window.wrote(16 * 1024 - 1)).toBeUndefined()
    expect(window.wrote(1)).toBe('16384')
    expect(window.wrote(48 * 1024)).toBe('65536')
    expect(window.room).toBe(0)
    window.answered('16384')
    expect(window.room).toBe(16 * 1024)
    for (const forged of ['999999', '-1', 'NaN', '', '1e9', '16385.5']) window.answered(forged)
    expect(window.room).toBe(16 * 1024)
    window.answered('65536')
    expect(window.room).toBe(windowBytes)
  })
})

describe('outbox', () => {
  test('[OUTBOX-1] a reader that stops costs no frames: later ones cover everything, cut to the window', async () => {
    const stage = await new Stage().start()
    const [fast, slow] = [stage.reader(), stage.reader()]
    await stage.open(fast, 'cursor')
    await stage.open(slow, 'cursor')
    const turn = await ScriptedTurn.accepted(stage.log, session, 't1')
    await turn.open()
    for (let n = 0; n < 3_000; n++) {
      await turn.write(`token ${n} with some text to it 🙂 `)
      answerPings(fast)
    }
    expect(slow.outbox.unansweredBytes).toBeLessThanOrEqual(windowBytes)
    expect(fast.reader.text).toBe(turn.text)
    await turn.end()
    while (slow.reader.pings.length > 0) answerPings(slow)
    answerPings(fast)
    expect(slow.reader.finished.get('t1')).toBe(turn.text)
    expect(fast.reader.finished.get('t1')).toBe(turn.text)
    expect(slow.reader.largestFrameBytes).toBeLessThanOrEqual(windowBytes + 200)
  })

  test('[OUTBOX-2] a reader that slept through several turns gets each, in order, with its whole text', async () => {
    const stage = await new Stage().start()
    const slow = stage.reader()
    await stage.open(slow, 'cursor')
    const texts: string[] = []
    for (let n = 0; n < 40; n++) {
      const turn = await ScriptedTurn.accepted(stage.log, session, `t${n}`)
      await turn.open()
      await turn.write(`${n}: ${'long answer '.repeat(700)}`)
      await turn.end()
      texts.push(turn.text)
    }
    for (let round = 0; round < 500 && slow.reader.finished.size < 40; round++) {
      answerPings(slow)
      await new Promise(setImmediate)
    }
    expect([...slow.reader.finished.values()]).toEqual(texts)
    expect(slow.reader.resets).toBe(0)
  })

  test('[OUTBOX-3] no frame is above 256 KiB, however JSON escapes its text', async () => {
    const stage = await new Stage().start()
    const watching = stage.reader()
    const turn = await ScriptedTurn.accepted(stage.log, session, 't1')
    await turn.open()
    for (let n = 0; n < 6; n++) await turn.write('\u0001'.repeat(60_000))
    await stage.open(watching, 'start')
    while (watching.reader.pings.length > 0) answerPings(watching)
    await turn.end()
    while (watching.reader.pings.length > 0) answerPings(watching)
    expect(watching.reader.finished.get('t1')).toBe(turn.text)
    expect(watching.reader.largestFrameBytes).toBeLessThanOrEqual(frameDownBytes)
  })

  test('[OUTBOX-120] nor is the frame of a turn that a slow reader slept through, whose text is in its record', async () => {
    const stage = await new Stage().start()
    const watching = stage.reader()
    await stage.open(watching, 'cursor')
    const texts = new Map<string, string>()
    for (let n = 0; n < 6; n++) {
      const turn = await ScriptedTurn.accepted(stage.log, session, `t${n}`)
      await turn.open()
      await turn.write('\u0001'.repeat(60_000))
      await turn.end()
      texts.set(`t${n}`, turn.text)
    }
    for (let round = 0; round < 1_000 && watching.reader.finished.size < 6; round++) {
      answerPings(watching)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(watching.reader.finished).toEqual(texts)
    expect(watching.reader.largestFrameBytes).toBeLessThanOrEqual(frameDownBytes)
  })

  test('[OUTBOX-4] a position in the middle of a character counts as the beginning', async () => {
    const stage = await new Stage().start()
    const watching = stage.reader()
    await stage.open(watching, 'cursor')
    const turn = await ScriptedTurn.accepted(stage.log, session, 't1')
    await turn.open()
    await turn.write('ab🙂é')
    watching.reader.isDeaf = true
    const frames: unknown[] = []
    const sink = {
      send: (frame: string | Buffer) => void frames.push(JSON.parse(String(frame))),
      ping: () => undefined,
    }
    const events = {
      frameSent: () => undefined,
      deltaSent: () => undefined,
      held: () => undefined,
      sessionOpened: () => undefined,
    }
    const outbox = new Outbox(sink, stage.feeds, stage.log, events)
    const cursor = { ...watching.reader.cursor, ends: [4] }
    const chat = new Chat(
      stage.log,
      { send: () => Promise.reject(new Error()), offersPrompt: () => true, suspect: () => undefined },
      () => 1,
      () => undefined,
    )
    await serveRequest(
      servedWith(chat, outbox, 1),
      identity,
      { type: 'session.open', id: 'o', session, cursor },
      () => undefined,
    )
    expect(frames).toMatchObject([
      { type: 'session.opened', turn: { ends: [0] } },
      { type: 'turn.delta', at: 0, text: 'ab🙂é' },
    ])
  })

  test('[OUTBOX-5] whatever readers do (stall, leave, come back with what they have), each ends with the texts', async () => {
    const action = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.tuple(
          fc.constant('write' as const),
          fc.constantFrom('a', 'bé', '🙂', 'x'.repeat(5_000), 'ß'.repeat(15_000)),
        ),
      },
      { weight: 3, arbitrary: fc.tuple(fc.constant('pong' as const), fc.nat(2)) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('reopen' as const), fc.nat(2)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('join' as const), fc.nat(2)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('restart' as const), fc.option(fc.nat(100), { nil: undefined })) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('end' as const), fc.constant(0)) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('yield' as const), fc.constant(0)) },
    )
    let [reopens, restarts, ended] = [0, 0, 0]
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 80 }), async (actions) => {
        const stage = await new Stage().start()
        const readers = [stage.reader(), stage.reader(), stage.reader()]
        for (const watching of readers) await stage.open(watching, 'cursor')
        const texts = new Map<string, string>()
        let turn: ScriptedTurn | undefined
        const opens: Promise<void>[] = []
        for (const [kind, value] of actions) {
          const watching = typeof value === 'number' ? readers[value] : undefined
          if (kind === 'write') {
            if (turn === undefined) {
              turn = await ScriptedTurn.accepted(stage.log, session, `t${texts.size}`)
              await turn.open()
            }
            await turn.write(String(value))
          } else if (kind === 'pong' && watching) answerPings(watching)
          else if ((kind === 'reopen' || kind === 'join') && watching && !watching.reader.isDeaf) {
            reopens++
            opens.push(stage.open(watching, kind === 'join' ? 'start' : 'cursor'))
          } else if (kind === 'restart' && turn !== undefined) {
            restarts++
            await turn.open(typeof value === 'number' ? boundary(turn.text, value) : undefined)
          } else if (kind === 'end' && turn !== undefined) {
            await turn.end()
            texts.set(turn.turn, turn.text)
            turn = undefined
            ended++
          } else if (kind === 'yield') await new Promise(setImmediate)
        }
        if (turn !== undefined) {
          await turn.end()
          texts.set(turn.turn, turn.text)
        }
        await Promise.all(opens)
        const isDone = () => readers.every(({ reader }) => texts.size === 0 || reader.finished.size === texts.size)
        for (let round = 0; round < 300 && !isDone(); round++) {
          for (const watching of readers) answerPings(watching)
          await new Promise(setImmediate)
        }
        for (const { reader } of readers) {
          const seen = [...reader.finished].map(([turn, text]) => [turn, text === tooLong ? texts.get(turn) : text])
          expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(texts))
          expect(reader.resets).toBe(0)
        }
      }),
      { numRuns: 150 },
    )
    expect(Math.min(reopens, restarts, ended)).toBeGreaterThan(20)
  })
})

/** The last start of a character at or before `at`. */
function boundary(text: string, at: number): number {
  const bytes = Buffer.from(text)
  let end = Math.min(at, bytes.length)
  while (end > 0 && end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return end
}
