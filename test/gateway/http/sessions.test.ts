import { describe, expect, test } from 'vitest'
import { ScriptedTurn } from '../../support/scripted-turn.ts'
import { testedTransports } from '../../support/transports.ts'
import { type Json, jsonOf, newSession, startStation } from './station.ts'

describe.each(testedTransports)('sessions over HTTP on %s', (transport) => {
  test('[HTTP-22] a session is made once for one key of one subject', async () => {
    await using station = await startStation({ transport })
    const make = (subject: string) =>
      station.call('/v1/sessions', {
        subject,
        body: { channel: 'web', metadata: { title: 'Tea' } },
        headers: { 'idempotency-key': 'first' },
      })
    const response = await make('ann')
    const made = await jsonOf(response, 201)
    expect(made).toMatchObject({
      type: 'session.opened',
      seq: 0,
      reset: false,
      records: [],
      metadata: { title: 'Tea' },
    })
    expect(response.headers.get('location')).toBe(`/v1/sessions/${made.session}`)
    expect((await jsonOf(await make('ann'), 200)).session).toBe(made.session)
    expect((await jsonOf(await make('bob'), 201)).session).not.toBe(made.session)
    expect(await jsonOf(await station.call('/v1/sessions', { method: 'POST' }), 201)).toMatchObject({ seq: 0 })
  })

  test('[HTTP-23] sessions come page by page, the latest used first, and nobody sees those of others', async () => {
    await using station = await startStation({ transport })
    const made: string[] = []
    for (let n = 0; n < 5; n++) made.unshift(await newSession(station))
    await newSession(station, 'bob')
    const listed: unknown[] = []
    let path = '/v1/sessions?limit=2'
    for (let pages = 1; ; pages++) {
      const page = await jsonOf(await station.call(path))
      listed.push(...(page.sessions as Json[]).map(({ session }) => session))
      if (page.next === undefined) {
        expect(pages).toBe(3)
        break
      }
      path = `/v1/sessions?limit=2&before=${encodeURIComponent(String(page.next))}`
    }
    expect(listed).toEqual(made)
    for (const query of ['before=nonsense', 'limit=0', 'limit=101', 'limit=x']) {
      const refused = await jsonOf(await station.call(`/v1/sessions?${query}`), 400)
      expect(refused).toMatchObject({
        error: { kind: 'invalid', message: expect.stringContaining(query.split('=')[0] ?? '') },
      })
    }
  })

  test('[HTTP-24] a session shows its latest records and its running turn', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const turn = await ScriptedTurn.accepted(station.log, session, 'turn')
    await turn.open()
    await turn.write('so far')
    const opened = await jsonOf(await station.call(`/v1/sessions/${session}`))
    expect(opened).toMatchObject({ seq: 2, turn: { turn: 'turn', attempt: 1, state: 'streaming' } })
    const text = await jsonOf(await station.call(`/v1/sessions/${session}/turns/turn/text?at=3`))
    expect(text).toMatchObject({ type: 'turn.text', part: 0, at: 3, end: 6, bytes: 6, text: 'far' })
    await turn.end()
    const after = await jsonOf(await station.call(`/v1/sessions/${session}`))
    expect((after.records as Json[]).at(-1)).toMatchObject({ type: 'turn.completed', text: 'so far' })
  })

  test('[HTTP-25] history comes page by page, ascending in each', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    for (const name of ['a', 'b', 'c']) {
      const turn = await ScriptedTurn.accepted(station.log, session, name)
      await turn.open()
      await turn.end()
    }
    const seen: unknown[] = []
    let before = ''
    for (;;) {
      const page = await jsonOf(await station.call(`/v1/sessions/${session}/history?limit=4${before}`))
      const seqs = (page.records as Json[]).map(({ seq }) => seq)
      seen.unshift(...seqs)
      if (!page.hasMore) break
      before = `&before=${seqs[0]}`
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('[HTTP-26] metadata is replaced as a whole; a deleted session is not found any more', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const path = `/v1/sessions/${session}`
    const changed = await station.call(path, { method: 'PATCH', body: { metadata: { title: 'New', n: 1 } } })
    expect(await jsonOf(changed)).toMatchObject({ type: 'session.updated', session, metadata: { title: 'New', n: 1 } })
    expect(await jsonOf(await station.call(path))).toMatchObject({ metadata: { title: 'New', n: 1 } })
    const erased = await station.call(path, { method: 'DELETE' })
    expect([erased.status, await erased.text()]).toEqual([204, ''])
    expect(await jsonOf(await station.call(path), 404)).toMatchObject({ error: { kind: 'not-found' } })
    expect((await station.call(path, { method: 'DELETE' })).status).toBe(404)
  })

  test('[HTTP-27] feedback is a record of the turn', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    await ScriptedTurn.accepted(station.log, session, 'turn')
    const give = (turn: string, body: Json) => station.call(`/v1/sessions/${session}/turns/${turn}/feedback`, { body })
    const given = await jsonOf(await give('turn', { rating: 1, comment: 'good' }))
    expect(given).toMatchObject({ type: 'feedback.added', seq: 2, turn: 'turn', rating: 1, comment: 'good' })
    expect((await give('turn', { rating: 2 })).status).toBe(400)
    expect((await give('none', { rating: 1 })).status).toBe(404)
  })

  test("[HTTP-28] another subject's session is not found, on every route", async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const turn = await ScriptedTurn.accepted(station.log, session, 'turn')
    await turn.open()
    const path = `/v1/sessions/${session}`
    const requests: [string, string, unknown?][] = [
      ['GET', path],
      ['PATCH', path, { metadata: {} }],
      ['DELETE', path],
      ['GET', `${path}/history`],
      ['POST', `${path}/messages`, { content: 'hello' }],
      ['GET', `${path}/turns/turn/events`],
      ['GET', `${path}/turns/turn/text`],
      ['POST', `${path}/turns/turn/cancel`],
      ['POST', `${path}/turns/turn/feedback`, { rating: 1 }],
    ]
    for (const [method, target, body] of requests) {
      const response = await station.call(target, { method, subject: 'bob', ...(body === undefined ? {} : { body }) })
      expect([method, target, response.status]).toEqual([method, target, 404])
    }
    expect((await station.call(path)).status).toBe(200)
  })
})
