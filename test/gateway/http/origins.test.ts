import { request as rawRequest } from 'node:http'
import { describe, expect, test } from 'vitest'
import { testedTransports } from '../../support/transports.ts'
import { jsonOf, jwtEnv, type Station, startStation } from './station.ts'

const app = 'https://app.example'

describe.each(testedTransports)('pages of other origins on %s', (transport) => {
  test('[HTTP-40] by default the own page alone is answered; another origin is 403 and has no effect', async () => {
    await using station = await startStation({ transport })
    const own = await station.call('/v1/sessions', { body: {}, headers: { origin: station.url } })
    expect(own.status).toBe(201)
    for (const origin of [app, 'null', 'http://127.0.0.1:1']) {
      const refused = await station.call('/v1/sessions', { body: {}, headers: { origin } })
      expect(refused.headers.has('access-control-allow-origin')).toBe(false)
      expect(refused.headers.get('vary')).toContain('Origin')
      expect(await jsonOf(refused, 403)).toMatchObject({ error: { kind: 'forbidden' } })
    }
    const { sessions } = await jsonOf(await station.call('/v1/sessions'))
    expect(sessions).toHaveLength(1)
  })

  test('[HTTP-41] an allowed origin passes its preflight and reads what it needs, without credentials', async () => {
    await using station = await startStation({ transport, env: { SLUICE_ALLOWED_ORIGINS: app } })
    const preflight = await fetch(`${station.url}/v1/sessions`, {
      method: 'OPTIONS',
      headers: {
        origin: app,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-origin')).toBe(app)
    expect(preflight.headers.get('access-control-allow-methods')).toContain('PATCH')
    for (const name of ['authorization', 'idempotency-key', 'last-event-id', 'prefer']) {
      expect(preflight.headers.get('access-control-allow-headers')?.toLowerCase()).toContain(name)
    }
    expect(preflight.headers.has('access-control-allow-credentials')).toBe(false)
    const made = await station.call('/v1/sessions', { body: {}, headers: { origin: app } })
    expect(made.status).toBe(201)
    expect(made.headers.get('access-control-allow-origin')).toBe(app)
    expect(made.headers.get('access-control-expose-headers')).toContain('Retry-After')
    const unauthenticated = await fetch(`${station.url}/v1/sessions`, { headers: { origin: app } })
    expect([unauthenticated.status, unauthenticated.headers.get('access-control-allow-origin')]).toEqual([401, app])
    const other = await fetch(`${station.url}/v1/sessions`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    })
    expect([other.status, other.headers.has('access-control-allow-origin')]).toEqual([403, false])
  })

  test('[HTTP-42] a development token is for this machine and the own page: not for other pages or other names', async () => {
    await using station = await startStation({ transport })
    const path = '/dev/token?subject=ann'
    const { token } = await jsonOf(await fetch(station.url + path))
    const list = await fetch(`${station.url}/v1/sessions`, { headers: { authorization: `Bearer ${token}` } })
    expect(list.status).toBe(200)
    const own = `127.0.0.1:${station.port}`
    const passed = [
      { host: own, origin: `http://${own}`, 'sec-fetch-site': 'same-origin' },
      { host: own, 'sec-fetch-site': 'same-origin' },
      { host: own, 'sec-fetch-site': 'none' },
      { host: `localhost:${station.port}` },
      { host: `[::1]:${station.port}` },
    ]
    for (const headers of passed) expect([headers, await statusOf(station, path, headers)]).toEqual([headers, 200])
    const refused = [
      { host: own, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      { host: own, origin: 'null' },
      { host: own, origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' },
      { host: own, 'sec-fetch-site': 'cross-site' },
      { host: own, 'sec-fetch-site': 'same-site' },
      { host: 'evil.example' },
      {
        host: `evil.example:${station.port}`,
        origin: `http://evil.example:${station.port}`,
        'sec-fetch-site': 'same-origin',
      },
      { host: '127.0.0.1.evil.example' },
    ]
    for (const headers of refused) expect([headers, await statusOf(station, path, headers)]).toEqual([headers, 403])
    expect((await fetch(`${station.url}/dev/token`)).status).toBe(400)
  })

  test.each([
    ['Forwarded', 'for=203.0.113.9'],
    ['X-Forwarded-For', '203.0.113.9'],
    ['X-Forwarded-For', '127.0.0.1'],
    ['X-Forwarded-Host', 'chat.example'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Port', '443'],
    ['X-Forwarded-Anything-New', ''],
    ['X-Original-Host', 'chat.example'],
    ['X-Real-IP', '203.0.113.9'],
    ['X-Client-IP', '203.0.113.9'],
    ['X-Envoy-External-Address', '203.0.113.9'],
    ['Via', '1.1 proxy'],
    ['CF-Connecting-IP', '203.0.113.9'],
    ['True-Client-IP', '203.0.113.9'],
    ['Fastly-Client-IP', '203.0.113.9'],
    ['CDN-Loop', 'cloudflare'],
  ])('[HTTP-182] what came through a proxy (%s: %s) gets no development token', async (name, value) => {
    await using station = await startStation({ transport })
    const own = `127.0.0.1:${station.port}`
    expect(await statusOf(station, '/dev/token?subject=ann', { host: own, [name]: value })).toBe(403)
    expect(await statusOf(station, '/dev/token?subject=ann', { host: own })).toBe(200)
  })

  test('[HTTP-182] a request line that names another host gets no development token', async () => {
    await using station = await startStation({ transport })
    const headers = { host: `127.0.0.1:${station.port}` }
    const foreign = await statusOf(station, 'http://evil.example/dev/token?subject=ann', headers)
    // ws reads such a line, uWebSockets.js does not.
    expect([403, 505]).toContain(foreign)
  })

  test('[HTTP-42] SLUICE_ALLOWED_ORIGINS lets a named page have one', async () => {
    const origin = 'http://localhost:5173'
    await using named = await startStation({ transport, env: { SLUICE_ALLOWED_ORIGINS: origin } })
    const given = await fetch(`${named.url}/dev/token?subject=ann`, { headers: { origin } })
    expect([given.status, given.headers.get('access-control-allow-origin')]).toEqual([200, origin])
  })

  test('[HTTP-43] with a key there are no development tokens', async () => {
    await using station = await startStation({ transport, env: jwtEnv })
    const missing = await fetch(`${station.url}/dev/token?subject=ann`)
    expect(await jsonOf(missing, 404)).toMatchObject({ error: { kind: 'not-found' } })
  })
})

/** With headers that `fetch` does not let a script set. */
function statusOf(station: Station, path: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = rawRequest({ host: '127.0.0.1', port: station.port, path, headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.on('error', reject).end()
  })
}
