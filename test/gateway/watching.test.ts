import { describe, expect, test, vi } from 'vitest'
import type { Verification } from '../../gateway/auth/authenticator.ts'
import { Chat } from '../../gateway/chat.ts'
import { Outbox } from '../../gateway/outbox.ts'
import { serveRequest } from '../../gateway/requests.ts'
import { ServedConnection } from '../../gateway/serve-connection.ts'
import { SubjectRate } from '../../gateway/subject-rate.ts'
import { closeCodes } from '../../protocol/close-code.ts'
import { type Down, down } from '../../protocol/down.ts'
import type { Request } from '../../protocol/up.ts'
import { Feeds } from '../../sessions/feeds.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import { LossyLog } from '../support/lossy-log.ts'
import { ScriptedTurn } from '../support/scripted-turn.ts'
import { servedWith } from '../support/served.ts'
import { quietTelemetry } from '../support/telemetry.ts'

const owner = { tenant: 'default', subject: 'ada' }
const identity = { ...owner, scopes: new Set(['chat', 'history'] as const), expiresAtMs: 1e15 }
const session = 's1'

/** One socket's outbox on a store, without a socket: frames are kept, pings answered when a test says so. */
class Desk {
  readonly store = createMemoryLog()
  /** What the outbox reads of. */
  readonly lossy = new LossyLog(this.store)
  readonly feeds = new Feeds(this.store)
  readonly frames: Down[] = []
  readonly pings: string[] = []
  readonly bugs: unknown[] = []
  sends: (frame: Down) => void = (frame) => void this.frames.push(frame)
  readonly chat: Chat
  readonly outbox: Outbox

  constructor(send: ConstructorParameters<typeof Chat>[1]['send'] = () => Promise.reject(new Error('not used'))) {
    const sink = {
      send: (frame: string | Buffer) => this.sends(down.parse(JSON.parse(String(frame)))),
      ping: (payload: string) => void this.pings.push(payload),
    }
    this.chat = new Chat(
      this.store,
      { send, offersPrompt: () => true, suspect: () => undefined },
      () => 1,
      (error) => this.bugs.push(error),
    )
    this.outbox = new Outbox(sink, this.feeds, this.lossy.log, quietTelemetry().sockets, {
      broke: (error) => this.bugs.push(error),
    })
  }

  async make(...sessions: readonly string[]): Promise<this> {
    for (const name of sessions) await this.store.create({ session: name, owner, attributes: {}, timeMs: 1 })
    return this
  }

  ask(request: Request, watchedSessions = 10): Promise<void> {
    const served = servedWith(this.chat, this.outbox, watchedSessions)
    return serveRequest(served, identity, request, () => undefined)
  }

  /** Not a moment later: in memory everything is answered within microtasks. */
  async begunToWatch(): Promise<void> {
    for (let n = 0; n < 1_000 && !this.outbox.watches(session); n++) await Promise.resolve()
    expect(this.outbox.watches(session)).toBe(true)
  }

  /** Answers to requests, by their `ref`. */
  answers(): Record<string, string> {
    const answers = this.frames.flatMap((frame) => {
      if (!('ref' in frame) || frame.ref === undefined) return []
      return [[frame.ref, frame.type === 'error' ? frame.kind : frame.type]]
    })
    return Object.fromEntries(answers)
  }

  pong(): void {
    for (const payload of this.pings.splice(0)) this.outbox.pong(payload)
  }

  of<T extends Down['type']>(type: T): Extract<Down, { type: T }>[] {
    // Its type was just compared.
    return this.frames.filter((frame) => frame.type === type) as Extract<Down, { type: T }>[]
  }
}

describe('a reader that keeps up', () => {
  test('[OUTBOX-11] is never served by the store, from the first message of a session on', async () => {
    const desk = await new Desk().make(session)
    await desk.ask({ type: 'session.open', id: 'o', session })
    for (const name of ['t1', 't2']) {
      const turn = await ScriptedTurn.accepted(desk.store, session, name)
      await turn.open()
      for (let n = 0; n < 20; n++) {
        await turn.write('q'.repeat(9_000))
        desk.pong()
      }
      await turn.end()
    }
    expect(desk.of('turn.completed')).toHaveLength(2)
    expect(desk.lossy.readCount).toBe(0)
  })
})

describe('a reader that the store serves', () => {
  /** A reader that was too slow for the turn before: its text is no longer in the feed. */
  const behind = async () => {
    const desk = await new Desk().make(session)
    await desk.ask({ type: 'session.open', id: 'o', session })
    const turns = []
    for (const name of ['t1', 't2']) {
      const turn = await ScriptedTurn.accepted(desk.store, session, name)
      await turn.open()
      for (let n = 0; n < 4; n++) await turn.write('z'.repeat(40_000))
      await turn.end()
      turns.push(turn)
    }
    return desk
  }

  test('[OUTBOX-6] asks again when the store did not answer, later each time, until it has everything', async () => {
    const desk = await behind()
    desk.lossy.reading = 'fail'
    while (desk.pings.length > 0) desk.pong()
    await new Promise(setImmediate)
    expect(desk.lossy.readCount).toBe(1)
    await vi.waitFor(() => expect(desk.lossy.readCount).toBe(3), { timeout: 5_000 })
    expect(desk.of('turn.completed')).toEqual([])
    desk.lossy.reading = 'now'
    await vi.waitFor(
      () => {
        desk.pong()
        expect(desk.of('turn.completed').map(({ turn }) => turn)).toEqual(['t1', 't2'])
      },
      { timeout: 5_000 },
    )
    desk.outbox.close()
  })

  test('[OUTBOX-6] asks no more once it is closed', async () => {
    const desk = await behind()
    desk.lossy.reading = 'fail'
    while (desk.pings.length > 0) desk.pong()
    await new Promise(setImmediate)
    desk.outbox.close()
    vi.useFakeTimers()
    try {
      await vi.advanceTimersByTimeAsync(60_000)
    } finally {
      vi.useRealTimers()
    }
    expect(desk.lossy.readCount).toBe(1)
  })

  test('[OUTBOX-7] is served from the beginning, once, where its position is in the middle of a character', async () => {
    const desk = await new Desk().make(session)
    const rated = ['r0', 'r1', 'r2', 'r3']
    for (const name of rated) {
      const earlier = await ScriptedTurn.accepted(desk.store, session, name)
      await earlier.open()
      await earlier.end()
    }
    const turn = await ScriptedTurn.accepted(desk.store, session, 't1')
    await turn.open()
    await desk.ask({ type: 'session.open', id: 'first', session })
    const [opened] = desk.of('session.opened')
    await turn.write(`ab🙂${'é'.repeat(40_000)}`)
    // A page of records between the position and the end, so that the position is not judged with the answer.
    for (let n = 0; n < 60; n++) {
      const of = rated[n % rated.length] ?? ''
      const record = { type: 'feedback.added' as const, timeMs: 1, turn: of, rating: 1 as const, comment: `${n}` }
      await desk.store.addFeedback({ session, record })
    }
    await turn.end()
    desk.outbox.unwatch(session)
    desk.frames.length = 0
    const cursor = { seq: opened?.seq ?? 0, mark: opened?.mark ?? 0, turn: 't1', attempt: 1, ends: [4] }
    await desk.ask({ type: 'session.open', id: 'again', session, cursor })
    await vi.waitFor(() => {
      desk.pong()
      expect(desk.of('turn.completed')).toHaveLength(1)
    })
    const deltas = desk.of('turn.delta')
    expect(deltas.map(({ text }) => text).join('')).toBe(turn.text)
    expect(deltas[0]?.at).toBe(0)
  })

  test('[OUTBOX-7] does not ask without a pause for text that the store does not give', async () => {
    const desk = await behind()
    let reads = 0
    const log = {
      ...desk.store,
      read: () => Promise.resolve({ kind: ++reads > 0 ? ('unknown' as const) : ('gone' as const) }),
    }
    const frames: string[] = []
    const sink = { send: (frame: string | Buffer) => void frames.push(String(frame)), ping: () => undefined }
    const outbox = new Outbox(sink, desk.feeds, log, quietTelemetry().sockets)
    const watched = await outbox.watch(session, { owner, createdMs: 1 })
    if (watched.kind !== 'watching') throw new Error(watched.kind)
    const page = await desk.store.open({ session, cursor: { seq: 0, mark: 0 }, limit: 2 })
    const started = page.kind === 'ok' ? page.entries[1]?.record : undefined
    if (started === undefined) throw new Error('no record')
    watched.reader.place(watched.feed, started, { turn: 't1', attempt: 1, ends: [] })
    outbox.moved(watched.reader)
    for (let n = 0; n < 5; n++) await new Promise(setImmediate)
    expect(reads).toBe(1)
    outbox.close()
  })
})

describe('one socket, many sessions', () => {
  test('[OUTBOX-8] who fills the window waits behind those who had none of it', async () => {
    const desk = await new Desk().make('endless', 'small')
    await desk.ask({ type: 'session.open', id: 'a', session: 'endless' })
    await desk.ask({ type: 'session.open', id: 'b', session: 'small' })
    const endless = await ScriptedTurn.accepted(desk.store, 'endless', 't1')
    await endless.open()
    for (let n = 0; n < 12; n++) await endless.write('e'.repeat(50_000))
    const small = await ScriptedTurn.accepted(desk.store, 'small', 't2')
    await small.open()
    await small.write('a few words')
    const bytesBefore = desk.of('turn.delta').reduce((sum, { text }) => sum + text.length, 0)
    desk.pong()
    desk.pong()
    expect(bytesBefore).toBeLessThan(100_000)
    expect(desk.of('turn.delta').map(({ session: of }) => of)).toContain('small')
  })

  test('[OUTBOX-9] metadata is replaced, not queued, for who does not read', async () => {
    const desk = await new Desk().make(session)
    await desk.ask({ type: 'session.open', id: 'o', session })
    for (let n = 0; n < 500; n++) await desk.store.update({ session, metadata: { n, text: 'm'.repeat(1_000) } })
    expect(desk.outbox.unansweredBytes).toBeLessThan(70_000)
    while (desk.pings.length > 0) desk.pong()
    expect(desk.of('session.updated').at(-1)?.metadata).toMatchObject({ n: 499 })
    expect(desk.of('session.updated').length).toBeLessThan(130)
  })

  test('[OUTBOX-10] a bug in sending to one socket costs neither the producer nor other sockets', async () => {
    const desk = await new Desk().make(session)
    await desk.ask({ type: 'session.open', id: 'o', session })
    const others: string[] = []
    const sink = { send: (frame: string | Buffer) => void others.push(String(frame)), ping: () => undefined }
    const other = new Outbox(sink, desk.feeds, desk.store, quietTelemetry().sockets)
    const served = servedWith(desk.chat, other, 1)
    await serveRequest(served, identity, { type: 'session.open', id: 'x', session }, () => undefined)
    desk.sends = () => {
      throw new Error('a bug')
    }
    const turn = await ScriptedTurn.accepted(desk.store, session, 't1')
    await turn.open()
    await turn.write('text')
    await turn.end()
    expect(desk.bugs.length).toBeGreaterThan(0)
    expect(others.filter((frame) => frame.includes('"turn.')).length).toBe(3)
  })
})

describe('two requests for one session', () => {
  test('[CONN-26] of two opens in flight the later one is answered, the other is busy, never not-found', async () => {
    const desk = await new Desk().make(session)
    await Promise.all([
      desk.ask({ type: 'session.open', id: 'one', session }),
      desk.ask({ type: 'session.open', id: 'two', session }),
    ])
    expect(desk.answers()).toEqual({ one: 'busy', two: 'session.opened' })
    expect([desk.outbox.watchedCount, desk.feeds.size]).toEqual([1, 1])
  })

  test('[CONN-26] an open that is closed before it is answered is busy, and nothing is watched', async () => {
    const desk = await new Desk().make(session)
    const opening = desk.ask({ type: 'session.open', id: 'open', session })
    await desk.begunToWatch()
    await desk.ask({ type: 'session.close', id: 'close', session })
    await opening
    expect(desk.answers()).toEqual({ open: 'busy', close: 'session.closed' })
    expect([desk.outbox.watchedCount, desk.feeds.size]).toEqual([0, 0])
  })

  test('[CONN-26] an open of a session that is deleted meanwhile is not-found', async () => {
    const desk = await new Desk().make(session)
    const opening = desk.ask({ type: 'session.open', id: 'open', session })
    const deleting = desk.ask({ type: 'session.delete', id: 'delete', session })
    await Promise.all([opening, deleting])
    expect(desk.answers()).toEqual({ open: 'not-found', delete: 'session.deleted' })
    expect([desk.outbox.watchedCount, desk.feeds.size]).toEqual([0, 0])
  })

  test('[CONN-27] a message and an open of its session at once: both are answered, and nobody is told of a race', async () => {
    const accepted = Promise.withResolvers<void>()
    const desk = await new Desk(async () => {
      await accepted.promise
      return { kind: 'accepted', turn: 't1', seq: 1, isRepeat: false }
    }).make(session)
    const sending = desk.ask({ type: 'message.send', id: 'send', session, messageId: 'm', content: 'hi' })
    accepted.resolve()
    await desk.begunToWatch()
    await Promise.all([sending, desk.ask({ type: 'session.open', id: 'open', session })])
    expect(desk.answers()).toEqual({ send: 'message.accepted', open: 'session.opened' })
    expect(desk.of('error')).toEqual([])
  })

  test('[CONN-28] opens at once watch no more than allowed, and who may not watch makes no session', async () => {
    const desk = new Desk()
    await desk.make(...Array.from({ length: 30 }, (_, n) => `s${n}`))
    const opens = Array.from({ length: 30 }, (_, n) =>
      desk.ask({ type: 'session.open', id: `o${n}`, session: `s${n}` }, 10),
    )
    await Promise.all(opens)
    const kinds = Object.values(desk.answers())
    expect(kinds.filter((kind) => kind === 'session.opened')).toHaveLength(10)
    expect(kinds.filter((kind) => kind === 'busy')).toHaveLength(20)
    await desk.ask({ type: 'session.open', id: 'new' }, 10)
    expect(desk.answers().new).toBe('busy')
    const listed = await desk.store.list({ owner, limit: 100 })
    expect(listed.kind === 'ok' && listed.sessions.length).toBe(30)
  })

  test('[CONN-29] a socket that closes while a request is served leaves no watch and no feed', async () => {
    const desk = await new Desk().make(session)
    const opening = desk.ask({ type: 'session.open', id: 'open', session })
    desk.outbox.close()
    await opening
    expect([desk.frames, desk.outbox.watchedCount, desk.feeds.size]).toEqual([[], 0, 0])
  })
})

describe('a bug behind a promise or a timer', () => {
  test.each(['verify', 'tick', 'leave'] as const)('[CONN-30] in %s closes its socket, and no other', async (where) => {
    const desk = new Desk()
    const telemetry = quietTelemetry()
    const closes: number[] = []
    const fails = () => {
      throw new Error('a bug')
    }
    const socket = {
      send: () => (where === 'leave' ? fails() : undefined),
      admit: () => undefined,
      ping: () => undefined,
      close: (code: number) => void closes.push(code),
      terminate: () => undefined,
      bufferedBytes: () => 0,
    }
    const settings = {
      connection: 'c',
      contentBytes: 1,
      framesPerSecond: 10,
      watchedSessions: 1,
      helloDeadlineMs: 1,
      heartbeatMs: 1,
    }
    let isBroken = where === 'verify'
    const deps = {
      chat: desk.chat,
      feeds: desk.feeds,
      log: desk.store,
      telemetry: telemetry.sockets,
      subjectRate: new SubjectRate(100, () => 1),
      nowMs: () => (isBroken && where === 'tick' ? fails() : 1),
      verify: (): Promise<Verification> => Promise.resolve({ kind: 'ok', identity }),
      hasPlace: () => (where === 'verify' ? fails() : true),
      welcomed: () => undefined,
      closed: () => undefined,
      watched: () => undefined,
    }
    const connection = new ServedConnection(socket, deps, settings, undefined, undefined)
    if (where !== 'leave') connection.text('{"type":"hello","token":"t"}')
    await new Promise(setImmediate)
    isBroken = true
    if (where === 'tick') connection.tick()
    if (where === 'leave') {
      connection.text('{"type":"hello","token":"t"}')
      await new Promise(setImmediate)
      connection.leave(1, 1)
    }
    expect(closes).toEqual([closeCodes.internal])
    expect(telemetry.troubles).toHaveLength(1)
  })
})
