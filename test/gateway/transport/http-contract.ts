import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { openClient, RawClient, upgradeRequest } from './clients.ts'
import { type Adapter, SOCKET_PATH, startStation } from './station.ts'

/** Requests and answers that are whole. Streams are in streams-contract.ts. */
export function httpContract(adapter: Adapter): void {
  describe('HTTP', () => {
    test.each(['/', '/elsewhere', `${SOCKET_PATH}/`, `${SOCKET_PATH}/below`])(
      '[SOCKET-20] an upgrade at %s is 404 and never reaches the gateway',
      async (path) => {
        let requestCount = 0
        await using station = await startStation(adapter, {
          fetch: () => {
            requestCount += 1
            return new Response('')
          },
        })
        const raw = new RawClient(station.port, upgradeRequest(path))
        await raw.seen('HTTP/1.1 404 Not Found')
        await raw.ended.next('end')
        expect(requestCount).toBe(0)
        expect(station.served.all).toEqual([])
      },
    )

    test('[SOCKET-20] an upgrade to something else than WebSocket is an ordinary request', async () => {
      await using station = await startStation(adapter, { fetch: () => new Response('plain') })
      const upgrade = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'
      const raw = new RawClient(station.port, `GET / HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n`)
      await raw.seen('HTTP/1.1 200 OK')
      await raw.seen('plain')
      raw.tcp.destroy()
    })

    test.each(['GET', 'POST'])('[SOCKET-21] a plain %s at the socket’s path is 426', async (method) => {
      await using station = await startStation(adapter)
      const response = await fetch(station.url + SOCKET_PATH, { method })
      expect(response.status).toBe(426)
      expect(response.headers.get('upgrade')).toBe('websocket')
      await response.text()
    })

    test('[SOCKET-22] the handler gets method, URL, headers, body and peer', async () => {
      await using station = await startStation(adapter, {
        fetch: async (request, peer) =>
          Response.json({
            method: request.method,
            url: request.url,
            header: request.headers.get('x-test'),
            body: await request.text(),
            peer,
          }),
      })
      const headers = { 'x-test': 'a, b' }
      const response = await fetch(`${station.url}/v1/x?y=1&z=%20`, { method: 'POST', body: 'grüße', headers })
      expect(await response.json()).toEqual({
        method: 'POST',
        url: `${station.url}/v1/x?y=1&z=%20`,
        header: 'a, b',
        body: 'grüße',
        peer: { address: '127.0.0.1' },
      })
    })

    test.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS'])('[SOCKET-22] %s without a body', async (method) => {
      await using station = await startStation(adapter, {
        fetch: async (request) => new Response(`${request.method}:${await request.text()}`),
      })
      expect(await (await fetch(station.url, { method })).text()).toBe(`${method}:`)
    })

    test('[SOCKET-22] status, headers and cookies of the answer arrive; a whole body has a length', async () => {
      await using station = await startStation(adapter, {
        fetch: () => {
          const headers = new Headers({ 'content-type': 'application/json', 'x-latin': 'gr\xfc\xdfe' })
          headers.append('set-cookie', 'a=1')
          headers.append('set-cookie', 'b=2')
          return new Response('{}', { status: 201, headers })
        },
      })
      const response = await fetch(station.url)
      expect(response.status).toBe(201)
      expect(response.headers.get('content-type')).toBe('application/json')
      expect(response.headers.get('x-latin')).toBe('gr\xfc\xdfe')
      expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
      expect(response.headers.get('content-length')).toBe('2')
      expect(await response.text()).toBe('{}')
    })

    test('[SOCKET-22] one connection serves many requests', async () => {
      await using station = await startStation(adapter, {
        fetch: async (request) => new Response(`${new URL(request.url).pathname}=${await request.text()};`),
      })
      const raw = new RawClient(station.port, 'GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await raw.seen('/1=;')
      raw.tcp.write('POST /2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc')
      await raw.seen('/2=abc;')
      raw.tcp.write('POST /3 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n')
      await raw.seen('/3=de;')
      raw.tcp.destroy()
    })

    test('[SOCKET-35] headers of 12 KiB are taken; of 20 KiB they are refused and reach nobody', async () => {
      let requestCount = 0
      await using station = await startStation(adapter, {
        fetch: (request) => {
          requestCount += 1
          return new Response(String(request.headers.get('x-large')?.length))
        },
      })
      const head = (bytes: number) => `GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: ${'x'.repeat(bytes)}\r\n\r\n`
      const taken = new RawClient(station.port, head(12 * 1024))
      await taken.seen('12288')
      taken.tcp.destroy()
      const refused = new RawClient(station.port, head(20 * 1024))
      await refused.seen('HTTP/1.1 431')
      expect(requestCount).toBe(1)
      refused.tcp.destroy()
    })

    test('[SOCKET-25] large bodies arrive unchanged, up and down', async () => {
      await using station = await startStation(adapter, {
        fetch: async (request) => new Response(await request.arrayBuffer()),
      })
      const body = randomBytes(8 * 1024 * 1024)
      const response = await fetch(station.url, { method: 'POST', body })
      expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(body))
    })

    test('[SOCKET-25] a large body goes through as a stream, unchanged', async () => {
      await using station = await startStation(adapter, { fetch: (request) => new Response(request.body) })
      const body = randomBytes(8 * 1024 * 1024)
      const response = await fetch(station.url, { method: 'POST', body })
      expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(body))
    })

    test('[SOCKET-25] an answer that does not wait for the body reaches the client, and the gateway lives', async () => {
      await using station = await startStation(adapter, { fetch: () => new Response('too large', { status: 413 }) })
      const body = Buffer.alloc(256 * 1024)
      const response = await fetch(station.url, { method: 'POST', body })
      expect(response.status).toBe(413)
      expect(await response.text()).toBe('too large')
      expect((await fetch(station.url)).status).toBe(413)
    })

    test('[SOCKET-26] HEAD is answered with the headers and the length alone', async () => {
      await using station = await startStation(adapter, {
        fetch: () => new Response('12345', { headers: { 'content-length': '5', etag: '"x"' } }),
      })
      const raw = new RawClient(station.port, 'HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await raw.seen('\r\n\r\n')
      raw.tcp.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await raw.seen('12345')
      const [head, second] = raw.received.split('\r\n\r\n')
      expect(head?.toLowerCase()).toContain('content-length: 5')
      expect(head).toContain('"x"')
      expect(second).toMatch(/^HTTP\/1\.1 200/)
      raw.tcp.destroy()
    })

    test.each([204, 304])('[SOCKET-26] %i has no body, and the connection goes on', async (status) => {
      await using station = await startStation(adapter, {
        fetch: ({ url }) => (url.endsWith('/none') ? new Response(null, { status }) : new Response('next')),
      })
      const raw = new RawClient(station.port, 'GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await raw.seen('\r\n\r\n')
      raw.tcp.write('GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await raw.seen('next')
      expect(raw.received.split('\r\n\r\n')[1]).toMatch(/^HTTP\/1\.1 200/)
      raw.tcp.destroy()
    })

    test('[SOCKET-26] an empty answer has the length 0', async () => {
      await using station = await startStation(adapter, { fetch: () => new Response(null, { status: 202 }) })
      const response = await fetch(station.url)
      expect(response.status).toBe(202)
      expect(await response.text()).toBe('')
    })

    test.each([
      [
        'throws',
        () => {
          throw new Error('secret')
        },
      ],
      ['rejects', () => Promise.reject(new Error('secret'))],
    ])('[SOCKET-27] a handler that %s is a 500 that says nothing, and is logged', async (_, handler) => {
      await using station = await startStation(adapter, { fetch: handler })
      const response = await fetch(station.url)
      expect(response.status).toBe(500)
      expect(await response.text()).toBe('internal error\n')
      expect(await station.log.next('log')).toMatchObject({ level: 'error', message: 'the HTTP handler failed' })
      await openClient(station.socketUrl)
    })

    test.each([
      'GET / HTTP/1.1\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a b\r\n\r\n',
      'GET /page HTTP/1.1\r\nHost: 127.0.0.1/admin?\r\n\r\n',
      'GET /page/..\\admin HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    ])('[SOCKET-27] a request that is none never reaches the handler: %j', async (bytes) => {
      let requestCount = 0
      await using station = await startStation(adapter, {
        fetch: () => {
          requestCount += 1
          return new Response('')
        },
      })
      const raw = new RawClient(station.port, bytes)
      await raw.seen('HTTP/1.1 400')
      expect(requestCount).toBe(0)
      raw.tcp.destroy()
    })
  })
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
