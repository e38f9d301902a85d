import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeEventId, encodeEventId } from '../../../gateway/http/event-id.ts'
import type { SessionLog } from '../../../sessions/session-log.ts'
import { ScriptedTurn } from '../../support/scripted-turn.ts'
import { testedTransports } from '../../support/transports.ts'
import { EventsClient } from './events-client.ts'
import { jsonOf, newSession, type Station, startStation } from './station.ts'

describe.each(testedTransports)('the events of a turn on %s', (transport) => {
  test('[HTTP-11] an ended turn is streamed from its beginning: records, its text in pieces, the terminal', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const long = 'Ä🙂x'.repeat(30_000)
    await endedTurn(station.log, session, 'old', 'the older one')
    await endedTurn(station.log, session, 'turn', long)
    await endedTurn(station.log, session, 'new', 'the newer one')
    const client = new EventsClient()
    await client.read(await events(station, session, 'turn'))
    expect(client.text.toString()).toBe(long)
    expect(client.types.filter((type) => type !== 'turn.delta')).toEqual([
      'message.added',
      'turn.started',
      'turn.completed',
    ])
    expect(new Set(client.events.map(({ frame }) => frame.turn))).toEqual(new Set(['turn']))
  })

  test('[HTTP-122] a turn that is not there costs the store one question, however long the session is', async () => {
    const calls: string[] = []
    await using station = await startStation({ transport, between: (log) => countReads(log, calls) })
    const session = await newSession(station)
    for (let n = 0; n < 60; n++) await endedTurn(station.log, session, `turn-${n}`, 'text')
    calls.length = 0
    expect((await events(station, session, 'nope')).status).toBe(404)
    expect(calls).toEqual(['findTurn'])
  })

  test('[HTTP-123] a place far from the turn is not walked to it record by record', async () => {
    const calls: string[] = []
    await using station = await startStation({ transport, between: (log) => countReads(log, calls) })
    const session = await newSession(station)
    for (let n = 0; n < 60; n++) await endedTurn(station.log, session, `turn-${n}`, 'text')
    const idFor = await idAfter(station.log, session, 1)
    calls.length = 0
    const unknown = await events(station, session, 'nope', idFor('nope'))
    expect(await unknown.text()).toContain('not-found')
    expect(calls.length).toBeLessThan(10)
    calls.length = 0
    const client = new EventsClient()
    await client.read(await events(station, session, 'turn-50', idFor('turn-50')))
    expect(client.text.toString()).toBe('text')
    expect(client.types[0]).toBe('message.added')
    expect(calls.length).toBeLessThan(20)
    calls.length = 0
    const over = await events(station, session, 'turn-0', (await idAfter(station.log, session, 20))('turn-0'))
    expect(await over.text()).toContain('not-found')
    expect(calls.length).toBeLessThan(10)
  })

  test('[HTTP-12] every id of a stream resumes it exactly there, while the turn runs and after it ended', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const turn = await ScriptedTurn.accepted(station.log, session, 'turn')
    await turn.open()
    await turn.write('one ')
    const whole = new EventsClient()
    const reading = whole.read(await events(station, session, 'turn'))
    for (const word of ['two ', 'thréé ', '🙂 ', 'five']) {
      await turn.write(word)
      const end = Buffer.byteLength(turn.text)
      const partial = new EventsClient()
      await partial.read(await events(station, session, 'turn'), ({ text }) => text.length >= end)
      expect(partial.text.toString()).toBe(turn.text)
    }
    await turn.end()
    await reading
    const frames = whole.events.map(({ frame }) => frame)
    for (const [n, { id, frame }] of whole.events.slice(0, -1).entries()) {
      const rest = new EventsClient()
      const has = frames.slice(0, n + 1).reduce((end, { end: reached }) => Number(reached ?? end), 0)
      rest.text = Buffer.from(turn.text).subarray(0, has)
      await rest.read(await events(station, session, 'turn', id))
      expect(rest.text.toString(), `after ${JSON.stringify(frame)}`).toBe(turn.text)
      const isRecord = ({ type }: { type?: unknown }) => type !== 'turn.delta'
      expect(rest.events.map(({ frame: other }) => other).filter(isRecord)).toEqual(
        frames.slice(n + 1).filter(isRecord),
      )
    }
  })

  test("[HTTP-12] what happens to other turns meanwhile is no part of a turn's stream", async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    await endedTurn(station.log, session, 'old', 'the older one')
    const turn = await ScriptedTurn.accepted(station.log, session, 'turn')
    await turn.open()
    const client = new EventsClient()
    const reading = client.read(await events(station, session, 'turn'))
    for (const name of ['old', 'turn']) {
      await jsonOf(await station.call(`/v1/sessions/${session}/turns/${name}/feedback`, { body: { rating: 1 } }))
    }
    await turn.end()
    await reading
    expect(client.types).toEqual(['message.added', 'turn.started', 'feedback.added', 'turn.completed'])
    expect(new Set(client.events.map(({ frame }) => frame.turn))).toEqual(new Set(['turn']))
  })

  test('[HTTP-13] after the terminal nothing follows: 204, so that an EventSource stops', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    await endedTurn(station.log, session, 'turn', 'all of it')
    const client = new EventsClient()
    await client.read(await events(station, session, 'turn'))
    expect((await events(station, session, 'turn', client.lastEventId)).status).toBe(204)
    const byQuery = await station.call(
      `/v1/sessions/${session}/turns/turn/events?lastEventId=${encodeURIComponent(client.lastEventId ?? '')}`,
    )
    expect(byQuery.status).toBe(204)
  })

  test.each([
    'x',
    '1',
    '1.2',
    '-1.0.turn',
    '1.0.other',
    '1.0.turn.0',
    '1.0.turn.1.x',
    '1.0.turn.end.1',
    '1.0.turn..',
    '9'.repeat(3000),
  ])('[HTTP-14] an id that was not made for this turn is refused: %s', async (id) => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    await endedTurn(station.log, session, 'turn', 'text')
    const refused = await jsonOf(await events(station, session, 'turn', id), 400)
    expect(refused).toMatchObject({ error: { kind: 'invalid', message: expect.stringContaining('Last-Event-ID') } })
  })

  test('[HTTP-15] a restarted attempt: what is kept stays, and only the rest comes', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const turn = await ScriptedTurn.accepted(station.log, session, 'turn')
    await turn.open()
    await turn.write('kept, dropped')
    const client = new EventsClient()
    await client.read(await events(station, session, 'turn'), ({ text }) => text.length === 13)
    await turn.open(5)
    await turn.write(' and more')
    await turn.end()
    await client.read(await events(station, session, 'turn', client.lastEventId))
    expect(client.text.toString()).toBe('kept, and more')
    expect(client.types).toContain('turn.restarted')
  })

  test('[HTTP-17] erasing the session ends its streams with session.deleted', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const turn = await ScriptedTurn.accepted(station.log, session, 'turn')
    await turn.open()
    await turn.write('so far')
    const client = new EventsClient()
    const reading = client.read(await events(station, session, 'turn'))
    expect((await station.call(`/v1/sessions/${session}`, { method: 'DELETE' })).status).toBe(204)
    await reading
    expect(client.last).toMatchObject({ type: 'session.deleted', session, reason: 'erased' })
  })

  test('[HTTP-18] a place in another history: the stream says what there is now, then goes on', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const turn = await ScriptedTurn.accepted(station.log, session, 'turn')
    await turn.open()
    await turn.write('the text')
    const client = new EventsClient()
    const reading = client.read(
      await events(station, session, 'turn', '2.zz.turn.1.3'),
      ({ text }) => text.length === 8,
    )
    await reading
    expect(client.events[0]?.frame).toMatchObject({ type: 'session.opened', reset: true, seq: 2 })
    expect(client.text.toString()).toBe('the text')
  })

  test('[HTTP-18] a turn that the store lost ends its stream with not-found, instead of waiting for ever', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    await endedTurn(station.log, session, 'turn', 'text')
    const client = new EventsClient()
    await client.read(await events(station, session, 'lost', '9.zz.lost.1.3'))
    expect(client.types).toEqual(['session.opened', 'error'])
    expect(client.last).toMatchObject({ type: 'error', kind: 'not-found' })
  })

  test('[HTTP-19] a HEAD of a stream leaves nothing behind', async () => {
    await using station = await startStation({ transport, deps: { streamsPerSubject: 1 } })
    const session = await newSession(station)
    const turn = await ScriptedTurn.accepted(station.log, session, 'turn')
    await turn.open()
    for (let n = 0; n < 2; n++) {
      const head = await station.call(`/v1/sessions/${session}/turns/turn/events`, { method: 'HEAD' })
      expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
    }
    expect(station.feeds.size).toBe(0)
  })

  test('[HTTP-19] a dropped stream leaves nothing behind', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const turn = await ScriptedTurn.accepted(station.log, session, 'turn')
    await turn.open()
    await turn.write('so far')
    await new EventsClient().read(await events(station, session, 'turn'), ({ text }) => text.length === 6)
    for (let tries = 0; station.feeds.size > 0 && tries < 500; tries++) {
      // Each request is a round trip on the same server, after which it may have seen the drop.
      await station.call('/healthz')
    }
    expect(station.feeds.size).toBe(0)
  })
})

test('[HTTP-14] an id is read back as it was written', () => {
  const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
  const turn = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/)
  const position = { seq: number, mark: number, turn }
  const inAttempt = fc.record({
    ...position,
    attempt: fc.integer({ min: 1 }),
    ends: fc.array(number, { maxLength: 64 }),
  })
  fc.assert(
    fc.property(inAttempt, ({ attempt, ends, ...place }) => {
      const written = { ...place, attempt: { turn: place.turn, attempt, ends }, isEnded: false }
      expect(decodeEventId(encodeEventId(written), place.turn)).toEqual(written)
    }),
  )
  fc.assert(
    fc.property(fc.record(position), fc.boolean(), (place, isEnded) => {
      const written = { ...place, attempt: undefined, isEnded }
      expect(decodeEventId(encodeEventId(written), place.turn)).toEqual(written)
      expect(decodeEventId(encodeEventId(written), `${place.turn}x`)).toBeUndefined()
    }),
  )
})

/** Writes down which reads of the log there were. */
function countReads(log: SessionLog, calls: string[]): SessionLog {
  const count =
    <Arguments extends readonly unknown[], Reply>(name: string, read: (...given: Arguments) => Reply) =>
    (...given: Arguments): Reply => {
      calls.push(name)
      return read(...given)
    }
  return {
    ...log,
    open: count('open', log.open),
    page: count('page', log.page),
    read: count('read', log.read),
    findTurn: count('findTurn', log.findTurn),
  }
}

/** Makes ids of the place after the record `seq`. */
async function idAfter(log: SessionLog, session: string, seq: number): Promise<(turn: string) => string> {
  const reply = await log.page({ session, before: seq + 1, limit: 1 })
  const mark = reply.kind === 'ok' ? (reply.entries[0]?.record.mark ?? 0) : 0
  return (turn) => encodeEventId({ seq, mark, turn, attempt: undefined, isEnded: false })
}

function events(station: Station, session: string, turn: string, lastEventId?: string): Promise<Response> {
  const headers: Record<string, string> = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
  return station.call(`/v1/sessions/${session}/turns/${turn}/events`, { headers })
}

async function endedTurn(log: SessionLog, session: string, name: string, text: string): Promise<void> {
  const turn = await ScriptedTurn.accepted(log, session, name)
  await turn.open()
  for (const piece of text.match(/.{1,10000}/gsu) ?? []) await turn.write(piece)
  await turn.end()
}
