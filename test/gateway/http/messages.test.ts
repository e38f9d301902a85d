import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Policy } from '../../../orchestrator/policy.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { noLimits } from '../../support/policy.ts'
import { testedTransports } from '../../support/transports.ts'
import { EventsClient } from './events-client.ts'
import { type Json, jsonOf, newSession, type Station, startStation } from './station.ts'

const events = { accept: 'text/event-stream' }
/** About a second of answer, so that there is a middle to drop in. */
const slow = 'Count for me.\n[[answer=count tokens=60 tps=60]]'
const quick = 'Count for me.\n[[answer=count tokens=40]]'

describe.each(testedTransports)('messages over HTTP on %s', (transport) => {
  test('[HTTP-1] a message is answered with its turn as events: accepted, records, deltas, terminal, end', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const client = new EventsClient()
    await client.read(await send(station, session, { content: slow }, events))
    expect(client.types.slice(0, 3)).toEqual(['message.accepted', 'message.added', 'turn.started'])
    expect(new Set(client.types.slice(3, -1))).toEqual(new Set(['turn.delta']))
    expect(client.types.length).toBeGreaterThan(10)
    expect(client.last).toMatchObject({ type: 'turn.completed', session, ...digest(client.text) })
    expect(client.last).not.toHaveProperty('text')
    expect(client.retryMs).toBeGreaterThan(0)
    const next = new EventsClient()
    await next.read(await send(station, session, { content: quick }, events))
    expect(next.events[0]?.id, 'a stream begins at its message').toMatch(/^3\./)
    expect(next.types).not.toContain('session.opened')
  })

  test('[HTTP-2] a stream dropped in mid-answer goes on at Last-Event-ID: the joined text is exact', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const client = new EventsClient()
    await client.read(await send(station, session, { content: slow }, events), ({ text }) => text.length > 20)
    const turn = String(client.events[0]?.frame.turn)
    let drops = 1
    for (; client.last?.type !== 'turn.completed' && drops < 4; drops++) {
      const had = client.text.length
      await client.read(await resume(station, session, turn, client.lastEventId), ({ text }) => text.length > had + 20)
    }
    await client.read(await resume(station, session, turn, client.lastEventId))
    expect(drops).toBe(4)
    expect(client.last).toMatchObject({ type: 'turn.completed', ...digest(client.text) })
    expect(client.types.filter((type) => type !== 'turn.delta')).toEqual([
      'message.accepted',
      'message.added',
      'turn.started',
      'turn.completed',
    ])
  })

  test('[HTTP-3] losing the stream ends nothing: the turn completes and is read later', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const dropped = new EventsClient()
    await dropped.read(await send(station, session, { content: slow }, events), ({ text }) => text.length > 5)
    const later = new EventsClient()
    await later.read(await resume(station, session, String(dropped.events[0]?.frame.turn)))
    expect(later.last).toMatchObject({ type: 'turn.completed', finishReason: 'stop', ...digest(later.text) })
  })

  test('[HTTP-4] without events asked for, the answer is the terminal record with its whole text', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const answer = await jsonOf(await send(station, session, { content: slow }))
    expect(answer).toMatchObject({ type: 'turn.completed', session, ...digest(Buffer.from(String(answer.text))) })
    expect(String(answer.text).length).toBeGreaterThan(20)
  })

  test('[HTTP-5] Prefer: respond-async answers 202 at once, and says where the events are', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const response = await send(station, session, { content: slow }, { prefer: 'respond-async' })
    const accepted = await jsonOf(response, 202)
    expect(accepted).toMatchObject({ type: 'message.accepted', session, seq: 1 })
    expect(response.headers.get('preference-applied')).toBe('respond-async')
    const client = new EventsClient()
    await client.read(await station.call(String(response.headers.get('location'))))
    expect(client.last).toMatchObject({ type: 'turn.completed', turn: accepted.turn, ...digest(client.text) })
  })

  test('[HTTP-6] a message sent twice with one key is one turn; with other content it is a conflict', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const key = { 'idempotency-key': 'message-1' }
    const first = await jsonOf(await send(station, session, { content: quick }, key))
    const again = await jsonOf(await send(station, session, { content: quick, messageId: 'message-1' }))
    const streamed = new EventsClient()
    await streamed.read(await send(station, session, { content: quick }, { ...key, ...events }))
    expect(again).toEqual(first)
    expect(streamed.last?.turn).toBe(first.turn)
    expect(streamed.text.toString()).toBe(first.text)
    expect(station.model.requests.length).toBe(1)
    const other = await send(station, session, { content: 'else' }, key)
    expect(await jsonOf(other, 409)).toMatchObject({ error: { kind: 'conflict', retryable: false } })
    const both = await send(station, session, { content: quick, messageId: 'message-2' }, key)
    expect(await jsonOf(both, 400)).toMatchObject({ error: { kind: 'invalid' } })
  })

  test('[HTTP-7] a cancel ends the turn, and the partial text is the answer', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const whole = send(station, session, { content: 'Go on.\n[[answer=count tokens=2000 tps=50]]' })
    const turn = await runningTurn(station, session)
    const watcher = new EventsClient()
    await watcher.read(await resume(station, session, turn), ({ text }) => text.length > 10)
    const cancelled = await station.call(`/v1/sessions/${session}/turns/${turn}/cancel`, { method: 'POST' })
    expect(await jsonOf(cancelled, 202)).toMatchObject({ type: 'turn.cancelling', session, turn })
    const answer = await jsonOf(await whole)
    expect(answer).toMatchObject({ type: 'turn.cancelled', turn, ...digest(Buffer.from(String(answer.text))) })
    await watcher.read(await resume(station, session, turn, watcher.lastEventId))
    expect(watcher.text.toString()).toBe(answer.text)
  })

  test("[HTTP-8] a failed turn's JSON answer has the status of its error's kind, and the record", async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const failed = await jsonOf(await send(station, session, { content: 'x\n[[fault=no-marker tokens=20]]' }), 502)
    expect(failed).toMatchObject({ type: 'turn.failed', session, error: { kind: 'provider' } })
    expect(failed).toMatchObject(digest(Buffer.from(String(failed.text))))
  })

  test('[HTTP-9] a second message while a turn runs is refused before anything is streamed', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    await jsonOf(await send(station, session, { content: slow }, { prefer: 'respond-async' }), 202)
    const second = await send(station, session, { content: 'me too' }, events)
    expect(second.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(await jsonOf(second, 409)).toMatchObject({ error: { kind: 'busy', retryable: true } })
    const tooLarge = await send(station, await newSession(station), { content: 'x'.repeat(140_000) }, events)
    expect(await jsonOf(tooLarge, 413)).toMatchObject({ error: { kind: 'too-large' } })
  })

  const limited = (policy: Policy): Policy => {
    const subject = { ...noLimits, messagesPerMinute: 1 }
    return { ...policy, limits: { ...policy.limits, scopes: { ...policy.limits.scopes, subject } } }
  }

  test('[HTTP-9] too many messages a minute are 429 with Retry-After', async () => {
    await using station = await startStation({ transport, policy: limited })
    const session = await newSession(station)
    await jsonOf(await send(station, session, { content: quick }))
    const refused = await send(station, session, { content: quick }, events)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30)
    expect(await jsonOf(refused, 429)).toMatchObject({ error: { kind: 'rate-limited', retryable: true } })
  })

  test('[HTTP-10] streams and waiting answers of one subject are bounded, and come back when they end', async () => {
    await using station = await startStation({ transport, deps: { streamsPerSubject: 1 } })
    const session = await newSession(station)
    const other = await newSession(station)
    const client = new EventsClient()
    const response = await send(station, session, { content: slow }, events)
    const refused = await send(station, other, { content: quick })
    expect(await jsonOf(refused, 429)).toMatchObject({ error: { kind: 'rate-limited' } })
    await client.read(response)
    expect(await jsonOf(await send(station, other, { content: quick }))).toMatchObject({ type: 'turn.completed' })
  })
})

test('[HTTP-1] the gateway serves all this beside its sockets', async () => {
  await using gateway = await startTestGateway()
  const headers = { authorization: `Bearer ${await gateway.token('ann')}`, 'content-type': 'application/json' }
  const ask = (path: string, body: Json, more = {}) =>
    fetch(gateway.httpUrl + path, { method: 'POST', headers: { ...headers, ...more }, body: JSON.stringify(body) })
  const { session } = await jsonOf(await ask('/v1/sessions', {}), 201)
  const client = new EventsClient()
  await client.read(await ask(`/v1/sessions/${session}/messages`, { content: quick }, events))
  expect(client.last).toMatchObject({ type: 'turn.completed', ...digest(client.text) })
  expect((await fetch(`${gateway.httpUrl}/readyz`)).status).toBe(200)
  expect(gateway.telemetry.troubles).toEqual([])
})

function send(station: Station, session: string, body: Json, headers: Record<string, string> = {}): Promise<Response> {
  return station.call(`/v1/sessions/${session}/messages`, { method: 'POST', body, headers })
}

function resume(station: Station, session: string, turn: string, lastEventId?: string): Promise<Response> {
  const headers: Record<string, string> = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
  return station.call(`/v1/sessions/${session}/turns/${turn}/events`, { headers })
}

function digest(text: Buffer) {
  return { bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') }
}

/** The turn that runs, once the store has it. */
async function runningTurn(station: Station, session: string): Promise<string> {
  const started = Promise.withResolvers<string>()
  const nothing = () => undefined
  const subscription = station.log.subscribe(session, {
    confirmed: async () => {
      const reply = await station.log.open({ session, limit: 1 })
      if (reply.kind === 'ok' && reply.run !== undefined) started.resolve(reply.run.turn)
    },
    record: (_previous, { record }) => record.type !== 'record.skipped' && started.resolve(record.turn),
    lost: nothing,
    delta: nothing,
    nudge: nothing,
    updated: nothing,
    erased: nothing,
  })
  const turn = await started.promise
  subscription.close()
  return turn
}
