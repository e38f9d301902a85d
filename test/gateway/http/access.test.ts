import { describe, expect, test } from 'vitest'
import { requestBodyBytes } from '../../../gateway/bounds.ts'
import { refuse, statusOfKind } from '../../../gateway/http/refusals.ts'
import { errorKinds, refusal } from '../../../protocol/error.ts'
import { testedTransports } from '../../support/transports.ts'
import { jsonOf, jwtEnv, newSession, type Station, startStation } from './station.ts'

describe.each(testedTransports)('who is answered over HTTP on %s', (transport) => {
  test('[HTTP-29] without a good token nothing is answered but what is open', async () => {
    await using station = await startStation({ transport })
    const tokens = [undefined, 'Bearer nonsense', 'Bearer', `Basic ${btoa('a:b')}`, 'Bearer e30.e30.']
    for (const authorization of tokens) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
      const refused = await fetch(`${station.url}/v1/sessions`, { headers })
      expect(refused.headers.get('www-authenticate')).toContain('Bearer')
      expect(await jsonOf(refused, 401)).toMatchObject({ error: { kind: 'unauthenticated', retryable: false } })
    }
    for (const open of ['/healthz', '/readyz', '/v1/web-config', '/v1/openapi.json', '/v1/protocol.json']) {
      expect((await fetch(station.url + open)).status, open).toBe(200)
    }
  })

  test('[HTTP-30] a token in the URL is refused even beside a good one', async () => {
    await using station = await startStation({ transport })
    const refused = await station.call(`/v1/sessions?access_token=${await station.token('ann')}`)
    expect(await jsonOf(refused, 401)).toMatchObject({ error: { message: expect.stringContaining('URL') } })
  })

  test('[HTTP-31] scopes decide: a reader does not write, and the node is for admins', async () => {
    await using station = await startStation({ transport })
    const ask = async (path: string, scope: string, body?: object) =>
      fetch(station.url + path, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${await station.token('ann', scope)}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    expect(await jsonOf(await ask('/v1/sessions', 'history', {}), 403)).toMatchObject({ error: { kind: 'forbidden' } })
    expect((await ask('/v1/sessions', 'chat', {})).status).toBe(201)
    expect((await ask('/v1/sessions', 'chat')).status).toBe(403)
    expect((await ask('/v1/admin/node', 'chat history')).status).toBe(403)
    expect(await jsonOf(await ask('/v1/admin/node', 'admin'))).toMatchObject({ isDraining: false, runningTurns: 0 })
  })

  test('[HTTP-32] a body is JSON, bounded, and its faults are named without its content', async () => {
    await using station = await startStation({ transport })
    const session = await newSession(station)
    const path = `/v1/sessions/${session}/messages`
    const post = async (body: string | Uint8Array<ArrayBuffer>, type = 'application/json') =>
      fetch(station.url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${await station.token('ann')}`, 'content-type': type },
        body,
      })
    const messageOf = async (response: Response, status: number) => {
      const { error } = await jsonOf(response, status)
      return JSON.stringify(error)
    }
    expect(await messageOf(await post('{"content":"x"}', 'text/plain'), 400)).toContain('content-type')
    expect(await messageOf(await post('{"content":'), 400)).toContain('JSON')
    expect(await messageOf(await post(Uint8Array.of(0x22, 0xff, 0x22)), 400)).toContain('UTF-8')
    expect(await messageOf(await post(''), 400)).toContain('JSON')
    expect(await messageOf(await post('{"content":""}'), 400)).toContain('content')
    const secret = await messageOf(await post('{"content":"x","replaces":"my secret words"}'), 400)
    expect(secret).toContain('replaces')
    expect(secret).not.toContain('secret words')
    expect(await messageOf(await post(`{"content":"${'x'.repeat(requestBodyBytes)}"}`), 413)).toContain('too-large')
    const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024).fill(0x20)),
    })
    const upload: RequestInit & { duplex: 'half' } = {
      method: 'POST',
      headers: { authorization: `Bearer ${await station.token('ann')}`, 'content-type': 'application/json' },
      body: endless,
      duplex: 'half',
    }
    const chunked = await fetch(station.url + path, upload).then(
      ({ status }) => status,
      () => 'cut off',
    )
    // The answer may be lost when the connection is closed under an upload that does not end.
    expect([413, 'cut off']).toContain(chunked)
    const deep = `{"content":"x","metadata":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`
    expect(await messageOf(await post(deep), 400)).toContain('levels')
    expect((await station.call('/healthz')).status).toBe(200)
  })

  test('[HTTP-33] unknown routes, methods and ids have their statuses', async () => {
    await using station = await startStation({ transport })
    expect(await jsonOf(await station.call('/v1/nothing'), 404)).toMatchObject({ error: { kind: 'not-found' } })
    expect((await station.call('/v1/sessions/none/turns/none/events')).status).toBe(404)
    const session = await newSession(station)
    expect((await station.call(`/v1/sessions/${session}/turns/none/events`)).status).toBe(404)
    expect((await station.call(`/v1/sessions/${session}/turns/none/text`)).status).toBe(404)
    expect((await station.call(`/v1/sessions/${session}/turns/none/cancel`, { method: 'POST' })).status).toBe(404)
    const odd = await station.call('/v1/sessions/a%2Fb%20c')
    expect(await jsonOf(odd, 400)).toMatchObject({ error: { message: expect.stringContaining('session') } })
    const put = await station.call('/v1/sessions', { method: 'PUT', body: {} })
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'POST, GET'])
  })

  test('[HTTP-34] a store that is away is 503 with Retry-After, and nothing is lost by asking again', async () => {
    let isAway = false
    await using station = await startStation({
      transport,
      between: (log) =>
        new Proxy(log, {
          get: (target, name: keyof typeof log) =>
            isAway && name !== 'subscribe' ? () => Promise.reject(new Error('away')) : target[name],
        }),
    })
    const session = await newSession(station)
    isAway = true
    const refused = await station.call(`/v1/sessions/${session}`)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await jsonOf(refused, 503)).toMatchObject({ error: { kind: 'unavailable', retryable: true } })
    isAway = false
    expect((await station.call(`/v1/sessions/${session}`)).status).toBe(200)
  })

  test('[HTTP-34] a bug is 500 for one request, told to the operator by its id, and the process lives', async () => {
    const nodeState = () => {
      throw new Error('the details')
    }
    await using station = await startStation({ transport, deps: { nodeState } })
    const failed = await fetch(`${station.url}/v1/admin/node`, {
      headers: { authorization: `Bearer ${await station.token('ann', 'admin')}`, 'x-request-id': 'request-8' },
    })
    const text = JSON.stringify(await jsonOf(failed, 500))
    expect(text).toContain('request-8')
    expect(text).not.toContain('the details')
    expect(station.lines).toContainEqual(expect.objectContaining({ requestId: 'request-8', err: expect.any(Error) }))
    expect((await station.call('/healthz')).status).toBe(200)
  })

  test('[HTTP-35] the request id is taken, or made, echoed and named in answers', async () => {
    await using station = await startStation({ transport })
    const own = await station.call('/v1/sessions', { headers: { 'x-request-id': 'request-7' } })
    expect(own.headers.get('x-request-id')).toBe('request-7')
    expect(await jsonOf(own)).toMatchObject({ ref: 'request-7' })
    const made = await station.call('/v1/sessions', { headers: { 'x-request-id': 'not an id' } })
    expect(made.headers.get('x-request-id')).toMatch(/^[A-Za-z0-9_-]{22}$/)
  })

  test('[HTTP-36] each request is a line of the log and a figure, without text, query or token', async () => {
    await using station = await startStation({ transport, env: { SLUICE_TRUSTED_PROXIES: '127.0.0.0/8' } })
    const session = await newSession(station)
    const answer = await station.call(`/v1/sessions/${session}/messages?note=in-the-query`, {
      body: { content: 'my private words' },
      headers: { 'x-forwarded-for': '203.0.113.9, 127.0.0.7' },
    })
    await jsonOf(answer)
    const line = await lineOf(station, '/v1/sessions/:session/messages')
    expect(line).toMatchObject({ method: 'POST', status: 200, subject: 'ann', address: '203.0.113.9' })
    expect(station.answered).toContainEqual({ route: '/v1/sessions/:session/messages', method: 'POST', status: 200 })
    const all = JSON.stringify(station.lines)
    for (const secret of ['private', 'in-the-query', 'Bearer', 'eyJ']) expect(all).not.toContain(secret)
  })

  test('[HTTP-37] a node that leaves is not ready and takes no new work, but is alive and lets read', async () => {
    let isLeaving = false
    await using station = await startStation({ transport, deps: { isDraining: () => isLeaving } })
    const session = await newSession(station)
    expect(await jsonOf(await fetch(`${station.url}/readyz`))).toEqual({ ready: true, reasons: [] })
    isLeaving = true
    expect(await jsonOf(await fetch(`${station.url}/readyz`), 503)).toMatchObject({ ready: false })
    expect(await jsonOf(await fetch(`${station.url}/healthz`))).toEqual({ alive: true })
    for (const path of ['/v1/sessions', `/v1/sessions/${session}/messages`]) {
      const refused = await station.call(path, { body: { content: 'x' } })
      expect(await jsonOf(refused, 503)).toMatchObject({ error: { kind: 'unavailable' } })
    }
    expect((await station.call(`/v1/sessions/${session}`)).status).toBe(200)
  })
})

test('[HTTP-37] what is not ready says why', async () => {
  await using station = await startStation({ deps: { readiness: () => ({ ready: false, reasons: ['no store'] }) } })
  expect(await jsonOf(await fetch(`${station.url}/readyz`), 503)).toEqual({ ready: false, reasons: ['no store'] })
})

test('[HTTP-38] every kind of refusal has its status, and Retry-After in whole seconds, never too early', async () => {
  const statuses = errorKinds.map((kind) => [kind, refuse(refusal(kind, 'no')).status])
  expect(Object.fromEntries(statuses)).toEqual(statusOfKind)
  expect(statusOfKind).toMatchObject({
    invalid: 400,
    unauthenticated: 401,
    'over-budget': 402,
    busy: 409,
    filtered: 422,
  })
  expect(refuse(refusal('busy', 'wait', 1)).headers.get('retry-after')).toBe('1')
  expect(refuse(refusal('busy', 'wait', 1_001)).headers.get('retry-after')).toBe('2')
  expect(refuse(refusal('invalid', 'no')).headers.has('retry-after')).toBe(false)
  expect(await refuse(refusal('busy', 'wait', 5)).json()).toEqual({
    error: { kind: 'busy', message: 'wait', retryable: true, retryAfterMs: 5 },
  })
})

test('[HTTP-39] the page is told where its token comes from', async () => {
  const configOf = async (env: Record<string, string>) => {
    await using station = await startStation({ env })
    return jsonOf(await fetch(`${station.url}/v1/web-config`))
  }
  expect(await configOf({})).toEqual({ devToken: true })
  expect(await configOf(jwtEnv)).toEqual({ paste: true })
  const tokenUrl = 'https://login.example/token'
  expect(await configOf({ ...jwtEnv, SLUICE_WEB_TOKEN_URL: tokenUrl })).toEqual({ tokenUrl })
})

/** The log's line of a route; it is written when the answer is, which may be after its client has read it. */
async function lineOf(station: Station, route: string) {
  for (let tries = 0; tries < 100; tries++) {
    const line = station.lines.find((candidate) => candidate.route === route)
    if (line !== undefined) return line
    await fetch(`${station.url}/healthz`)
  }
  throw new Error(`no line of ${route}; came: ${JSON.stringify(station.lines)}`)
}
