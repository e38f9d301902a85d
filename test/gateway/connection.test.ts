import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Identity, Scope } from '../../gateway/auth/identity.ts'
import { openConnection, stepConnection } from '../../gateway/connection.ts'
import type { ConnectionEffect, ConnectionEvent, ConnectionState } from '../../gateway/connection-state.ts'
import { closeCodes } from '../../protocol/close-code.ts'
import type { Down } from '../../protocol/down.ts'
import type { Up } from '../../protocol/up.ts'

const settings = {
  connection: 'c1',
  contentBytes: 1000,
  framesPerSecond: 10,
  watchedSessions: 5,
  helloDeadlineMs: 10_000,
  heartbeatMs: 25_000,
}
const farMs = 3_600_000

function identity(subject = 'ada', expiresAtMs = farMs, scopes: readonly Scope[] = ['chat', 'history']): Identity {
  return { subject, tenant: 'default', scopes: new Set(scopes), expiresAtMs }
}

/** Feeds events to a fresh connection and keeps what came out. */
class Driven {
  state: ConnectionState
  readonly effects: ConnectionEffect[] = []

  constructor(headerToken?: string) {
    this.state = openConnection(settings, 0, headerToken)
  }

  step(event: ConnectionEvent): readonly ConnectionEffect[] {
    const { state, effects } = stepConnection(this.state, event)
    this.state = state
    this.effects.push(...effects)
    return effects
  }

  frame(frame: Up, nowMs = 0): readonly ConnectionEffect[] {
    return this.text(JSON.stringify(frame), nowMs)
  }

  text(text: string, nowMs = 0, subjectWaitMs = 0): readonly ConnectionEffect[] {
    return this.step({ type: 'frame', text, subjectWaitMs, nowMs })
  }

  tick(nowMs: number, unansweredBytes = 0): readonly ConnectionEffect[] {
    return this.step({ type: 'tick', unansweredBytes, nowMs })
  }

  verified(
    who: Identity,
    purpose: { kind: 'hello' } | { kind: 'refresh'; ref: string } = { kind: 'hello' },
    hasPlace = true,
  ) {
    return this.step({ type: 'verified', purpose, verification: { kind: 'ok', identity: who }, hasPlace, nowMs: 0 })
  }

  static ready(who = identity()): Driven {
    const driven = new Driven()
    driven.frame({ type: 'hello', token: 't' })
    driven.verified(who)
    driven.effects.length = 0
    return driven
  }
}

const sent = (effects: readonly ConnectionEffect[]): Down[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? [effect.frame] : []))
const closes = (effects: readonly ConnectionEffect[]) =>
  effects.flatMap((effect) => (effect.type === 'close' ? [effect.code] : []))

describe('greeting', () => {
  test('[CONN-25] a node that leaves says so after the welcome, not before, and once', () => {
    const driven = new Driven()
    const leaving = { type: 'leaving', reconnectAfterMs: 7, deadlineMs: 900 } as const
    expect(driven.step(leaving)).toEqual([])
    driven.frame({ type: 'hello', token: 't' })
    expect(sent(driven.verified(identity())).map(({ type }) => type)).toEqual(['welcome', 'going.away'])
    const ready = Driven.ready()
    expect(sent(ready.step(leaving))).toEqual([{ type: 'going.away', reconnectAfterMs: 7, deadlineMs: 900 }])
  })

  test('[CONN-10] hello with a token is verified, then welcomed', () => {
    const driven = new Driven()
    expect(driven.frame({ type: 'hello', token: 't' })).toEqual([
      { type: 'verify', token: 't', purpose: { kind: 'hello' } },
    ])
    const effects = driven.verified(identity())
    expect(effects[0]).toMatchObject({ type: 'welcomed', identity: { subject: 'ada' } })
    expect(sent(effects)).toMatchObject([
      { type: 'welcome', protocol: 'sluice.v1', subject: 'ada', heartbeatMs: 25_000 },
    ])
  })

  test("[CONN-11] hello's token wins over the header's, which is enough alone", () => {
    expect(new Driven('header').frame({ type: 'hello', token: 'hello' })).toMatchObject([{ token: 'hello' }])
    expect(new Driven('header').frame({ type: 'hello' })).toMatchObject([{ token: 'header' }])
    expect(closes(new Driven().frame({ type: 'hello' }))).toEqual([closeCodes.unauthenticated])
  })

  test('[CONN-12] anything but hello first ends the socket for good', () => {
    const effects = new Driven().frame({ type: 'ping', id: 'p' })
    expect(sent(effects)).toMatchObject([{ type: 'error', kind: 'invalid' }])
    expect(closes(effects)).toEqual([closeCodes.protocol])
  })

  test('[CONN-13] no hello within the deadline ends the socket', () => {
    const driven = new Driven()
    expect(driven.tick(9_999)).toEqual([])
    expect(closes(driven.tick(10_000))).toEqual([closeCodes.helloTimeout])
  })

  test('[CONN-14] requests sent before welcome wait for it, in order, a bounded number of them', () => {
    const driven = new Driven()
    driven.frame({ type: 'hello', token: 't' })
    const early = Array.from({ length: 10 }, (_, n): Up => ({ type: 'session.close', id: `l${n}`, session: 's' }))
    for (const frame of early.slice(0, 9)) expect(driven.frame(frame)).toEqual([])
    const served = driven.verified(identity()).flatMap((effect) => (effect.type === 'serve' ? [effect.request.id] : []))
    expect(served).toEqual(early.slice(0, 9).map((frame) => ('id' in frame ? frame.id : '')))
  })

  test.each([
    ['expired', closeCodes.tokenExpired],
    ['signature', closeCodes.unauthenticated],
    ['unavailable', closeCodes.unavailable],
  ] as const)('[CONN-15] a token refused as %s closes with %i', (reason, code) => {
    const driven = new Driven()
    driven.frame({ type: 'hello', token: 't' })
    const verification = { kind: 'refused' as const, reason, message: 'no' }
    const effects = driven.step({
      type: 'verified',
      purpose: { kind: 'hello' },
      verification,
      hasPlace: true,
      nowMs: 0,
    })
    expect(closes(effects)).toEqual([code])
  })

  test('[CONN-16] a subject with as many sockets as it may is told so and may come back', () => {
    const driven = new Driven()
    driven.frame({ type: 'hello', token: 't' })
    expect(closes(driven.verified(identity(), { kind: 'hello' }, false))).toEqual([closeCodes.tooManySockets])
  })
})

describe('ready', () => {
  test('[CONN-17] a second hello is refused and changes nothing', () => {
    const driven = Driven.ready()
    expect(sent(driven.frame({ type: 'hello', token: 'x' }))).toMatchObject([{ type: 'error', kind: 'invalid' }])
    expect(driven.state.phase).toBe('ready')
  })

  test('[CONN-18] what the scopes do not allow is forbidden', () => {
    const driven = Driven.ready(identity('ada', farMs, ['history']))
    const effects = driven.frame({ type: 'message.send', id: 'm', session: 's', messageId: 'm', content: 'hi' })
    expect(sent(effects)).toMatchObject([{ type: 'error', ref: 'm', kind: 'forbidden' }])
  })

  test('[CONN-19] more frames than allowed are refused with a delay; a flood closes the socket, which may come back', () => {
    const driven = Driven.ready()
    const ping = (n: number): Up => ({ type: 'ping', id: `p${n}` })
    const answers = Array.from({ length: 9 }, (_, n) => sent(driven.frame(ping(n), 1))[0]?.type)
    expect(new Set(answers)).toEqual(new Set(['pong']))
    const refused = sent(driven.frame(ping(10), 1))[0]
    expect(refused).toMatchObject({ type: 'error', ref: 'p10', kind: 'rate-limited', retryable: true })
    for (let n = 0; n < 200 && driven.state.phase !== 'closed'; n++) driven.frame(ping(n), 1)
    expect(closes(driven.effects)).toEqual([closeCodes.tooFast])
  })

  test('[CONN-20] frames that are none are refused and forgiven, up to a bound', () => {
    const driven = Driven.ready()
    const bad = (nowMs: number) => driven.text('{"type":"none","id":"x"}', nowMs)
    expect(sent(bad(0))).toMatchObject([{ type: 'error', ref: 'x', kind: 'invalid' }])
    for (let second = 1; second <= 19; second++) bad(second * 100)
    expect(driven.state.phase).toBe('ready')
    for (let n = 0; n < 3; n++) bad(2_000)
    expect(closes(driven.effects)).toEqual([closeCodes.tooManyErrors])
  })

  test('[CONN-21] a token is warned of once, 60 s ahead, and ends the socket when it ends', () => {
    const driven = Driven.ready(identity('ada', 100_000))
    driven.step({ type: 'control', nowMs: 35_000 })
    expect(sent(driven.tick(39_999))).toEqual([])
    expect(sent(driven.tick(40_000))).toEqual([{ type: 'token.expiring', tokenExpiresAt: 100_000 }])
    expect(sent(driven.tick(41_000))).toEqual([])
    driven.step({ type: 'control', nowMs: 100_000 })
    expect(closes(driven.tick(104_999))).toEqual([])
    expect(closes(driven.tick(105_000))).toEqual([closeCodes.tokenExpired])
  })

  test('[CONN-22] a token is refreshed in place for the same subject and tenant, and for nobody else', () => {
    const driven = Driven.ready(identity('ada', 100_000))
    expect(driven.frame({ type: 'token.refresh', id: 'r1', token: 'n' })).toMatchObject([
      { type: 'verify', purpose: { kind: 'refresh', ref: 'r1' } },
    ])
    expect(sent(driven.frame({ type: 'token.refresh', id: 'r2', token: 'n' }))).toMatchObject([
      { type: 'error', ref: 'r2', kind: 'busy' },
    ])
    expect(sent(driven.verified(identity('ada', 500_000), { kind: 'refresh', ref: 'r1' }))).toEqual([
      { type: 'token.refreshed', ref: 'r1', tokenExpiresAt: 500_000 },
    ])
    driven.frame({ type: 'token.refresh', id: 'r3', token: 'n' })
    expect(sent(driven.verified(identity('bob', 900_000), { kind: 'refresh', ref: 'r3' }))).toMatchObject([
      { type: 'error', ref: 'r3', kind: 'forbidden' },
    ])
    const { state } = driven
    expect(state.phase === 'ready' && state.identity).toMatchObject({ subject: 'ada', expiresAtMs: 500_000 })
  })

  test('[CONN-23] a ping goes out each heartbeat, and three without any sign of life end the socket', () => {
    const driven = Driven.ready()
    expect(driven.tick(25_000)).toEqual([{ type: 'ping' }])
    driven.step({ type: 'control', nowMs: 26_000 })
    expect(driven.tick(50_000)).toEqual([{ type: 'ping' }])
    expect(closes(driven.tick(100_999))).toEqual([])
    expect(closes(driven.tick(101_000))).toEqual([closeCodes.unresponsive])
  })
})

describe('before welcome', () => {
  test('[CONN-120] a token that is not verified by the hello deadline closes the socket, which may come back', () => {
    const driven = new Driven()
    driven.frame({ type: 'hello', token: 't' })
    expect(driven.tick(9_999)).toEqual([])
    expect(closes(driven.tick(10_000))).toEqual([closeCodes.unavailable])
    expect(driven.verified(identity())).toEqual([])
  })

  test('[CONN-121] frames behind hello are held as text: at most 64 Ki characters of them, and parsed after welcome', () => {
    const driven = new Driven()
    driven.frame({ type: 'hello', token: 't' })
    const filler = 'x'.repeat(20 * 1024)
    const frame = (id: string) => JSON.stringify({ type: 'session.close', id, session: 's', filler })
    for (const id of ['a', 'b', 'c']) expect(driven.text(frame(id), 500)).toEqual([])
    expect(sent(driven.text(frame('d'), 500))).toMatchObject([{ type: 'error', ref: 'd', kind: 'rate-limited' }])
    expect(driven.text('nonsense', 500)).toEqual([])
    const effects = driven.verified(identity())
    expect(effects.flatMap((effect) => (effect.type === 'serve' ? [effect.request.id] : []))).toEqual(['a', 'b', 'c'])
    expect(sent(effects)).toMatchObject([{ type: 'welcome' }, { type: 'error', kind: 'invalid' }])
  })

  test('[CONN-122] what the transport drops before welcome closes the socket for good, and says the bound', () => {
    const driven = new Driven()
    driven.frame({ type: 'hello', token: 't' })
    const effects = driven.step({ type: 'over-limit' })
    expect(sent(effects)).toMatchObject([{ kind: 'too-large', message: expect.stringContaining('24576') }])
    expect(closes(effects)).toEqual([closeCodes.protocol])
  })
})

describe('what a frame counts for', () => {
  const large = (length: number, id = 'a') =>
    JSON.stringify({ type: 'session.close', id, session: 's', filler: 'x'.repeat(length - 60) })
  const kinds = (effects: readonly ConnectionEffect[]) =>
    sent(effects).flatMap((frame) => (frame.type === 'error' ? [frame.kind] : []))

  test('[CONN-123] a frame counts once for each started 16 Ki characters, and a full rate takes any frame', () => {
    const driven = Driven.ready()
    expect(kinds(driven.text(large(1_000_000), 10_000))).toEqual([])
    const [refused] = sent(driven.text(large(100), 10_000))
    expect(refused).toMatchObject({ kind: 'rate-limited', retryAfterMs: 200 })
    expect(kinds(driven.text(large(64 * 1024), 10_700))).toEqual([])
    expect(kinds(driven.text(large(64 * 1024), 10_700))).toEqual(['rate-limited'])
  })

  test('[CONN-124] what is too fast is not parsed: neither its JSON nor its shape is looked at', () => {
    const driven = Driven.ready()
    driven.text(large(1_000_000), 10_000)
    expect(kinds(driven.text(`{"type":${'['.repeat(100_000)}`, 10_000))).toEqual(['rate-limited'])
    expect(kinds(driven.text('nonsense', 10_000))).toEqual(['rate-limited'])
    expect(driven.state.badFrames.level).toBe(20)
  })

  test('[CONN-125] a refusal as too fast has a `ref` when the frame is short, or begins with its type and id', () => {
    const driven = Driven.ready()
    const refOf = (text: string) => sent(driven.text(text, 10_000)).map((frame) => ('ref' in frame ? frame.ref : ''))
    driven.text(large(1_000_000), 10_000)
    expect(refOf('{"session":"s","type":"session.close","id":"short"}')).toEqual(['short'])
    expect(refOf(large(10_000, 'first'))).toEqual(['first'])
    expect(refOf(JSON.stringify({ filler: 'x'.repeat(10_000), id: 'last' }))).toEqual([''])
  })

  test('[CONN-126] a request for a page counts eight times, and a large answer once for each 16 KiB', () => {
    const driven = Driven.ready()
    expect(kinds(driven.frame({ type: 'history.get', id: 'a', session: 's' }, 10_000))).toEqual([])
    expect(sent(driven.frame({ type: 'session.list', id: 'b' }, 10_000))).toMatchObject([
      { ref: 'b', kind: 'rate-limited' },
    ])
    driven.step({ type: 'answered', bytes: 200 * 1024, nowMs: 20_000 })
    expect(kinds(driven.frame({ type: 'ping', id: 'c' }, 20_000))).toEqual(['rate-limited'])
    expect(kinds(driven.frame({ type: 'ping', id: 'd' }, 21_300))).toEqual([])
    for (let n = 0; n < 100; n++) driven.step({ type: 'answered', bytes: 200 * 1024, nowMs: 21_300 })
    expect(kinds(driven.frame({ type: 'ping', id: 'e' }, 21_300))).toEqual(['rate-limited'])
    expect(driven.state.phase).toBe('ready')
  })

  test('[CONN-127] pings of the client, and pongs that say nothing new, count as frames', () => {
    const driven = Driven.ready()
    for (let n = 0; n < 9; n++) driven.step({ type: 'control', nowMs: 0 })
    expect(kinds(driven.frame({ type: 'ping', id: 'a' }))).toEqual(['rate-limited'])
    for (let n = 0; n < 100 && driven.state.phase !== 'closed'; n++) driven.step({ type: 'control', nowMs: 0 })
    expect(closes(driven.effects)).toEqual([closeCodes.tooFast])
  })

  test('[CONN-128] what a subject sends too fast over all its sockets is refused, and closes none', () => {
    const driven = Driven.ready()
    const [refused] = sent(driven.text('{"type":"ping","id":"a"}', 0, 70))
    expect(refused).toMatchObject({ ref: 'a', kind: 'rate-limited', retryAfterMs: 70 })
    expect(driven.state.phase).toBe('ready')
  })
})

describe('a client that does not read', () => {
  const window = 64 * 1024

  test('[CONN-129] it is closed when it reads nothing for three heartbeats, or is sent more than a mebibyte', () => {
    const driven = Driven.ready()
    for (let nowMs = 1_000; nowMs <= 75_000; nowMs += 1_000) {
      driven.step({ type: 'control', nowMs })
      expect(closes(driven.tick(nowMs, window + 1))).toEqual([])
    }
    driven.step({ type: 'control', nowMs: 76_000 })
    expect(closes(driven.tick(76_000, window + 1))).toEqual([closeCodes.unresponsive])
    expect(closes(Driven.ready().tick(1_000, 1024 * 1024 + 1))).toEqual([closeCodes.unresponsive])
  })

  test('[CONN-129] one that reads slowly, or has little to read, goes on', () => {
    const driven = Driven.ready()
    for (let nowMs = 1_000; nowMs <= 300_000; nowMs += 1_000) {
      driven.step(nowMs % 60_000 === 0 ? { type: 'read', nowMs } : { type: 'control', nowMs })
      expect(closes(driven.tick(nowMs, nowMs < 200_000 ? 300_000 : window))).toEqual([])
    }
  })
})

test('[CONN-24] whatever comes in whatever order: one close at most, nothing after it, nothing served before welcome', () => {
  const up = fc.constantFrom<Up>(
    { type: 'hello', token: 't' },
    { type: 'ping', id: 'p' },
    { type: 'token.refresh', id: 'r', token: 't' },
    { type: 'session.list', id: 'l' },
  )
  const who = fc.constantFrom(identity('ada', 50_000), identity('bob', farMs))
  const event: fc.Arbitrary<Timed> = fc.oneof(
    up.map(
      (frame) =>
        (nowMs: number): ConnectionEvent => ({ type: 'frame', text: JSON.stringify(frame), subjectWaitMs: 0, nowMs }),
    ),
    fc.constant((nowMs: number): ConnectionEvent => ({ type: 'frame', text: 'nonsense', subjectWaitMs: 0, nowMs })),
    fc.constant((nowMs: number): ConnectionEvent => ({ type: 'tick', unansweredBytes: 0, nowMs })),
    fc.constant((nowMs: number): ConnectionEvent => ({ type: 'control', nowMs })),
    fc.constant((): ConnectionEvent => ({ type: 'key-removed' })),
    who.map(
      (identity) =>
        (nowMs: number): ConnectionEvent => ({
          type: 'verified',
          purpose: { kind: 'hello' },
          verification: { kind: 'ok', identity },
          hasPlace: true,
          nowMs,
        }),
    ),
    who.map(
      (identity) =>
        (nowMs: number): ConnectionEvent => ({
          type: 'verified',
          purpose: { kind: 'refresh', ref: 'r' },
          verification: { kind: 'ok', identity },
          hasPlace: true,
          nowMs,
        }),
    ),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.nat(20_000)), { maxLength: 60 }), (events) => {
      const driven = new Driven()
      let nowMs = 0
      for (const [make, laterMs] of events) {
        nowMs += laterMs
        driven.step(make(nowMs))
      }
      const kinds = driven.effects.map((effect) => effect.type)
      const closeAt = kinds.indexOf('close')
      expect(kinds.filter((kind) => kind === 'close').length).toBeLessThanOrEqual(1)
      if (closeAt >= 0) expect(closeAt).toBe(kinds.length - 1)
      const served = kinds.indexOf('serve')
      if (served >= 0) expect(kinds.indexOf('welcomed')).toBeLessThan(served)
      expect(kinds.filter((kind) => kind === 'welcomed').length).toBeLessThanOrEqual(1)
    }),
  )
})

type Timed = (nowMs: number) => ConnectionEvent
