import { describe, expect, test } from 'vitest'
import { RawClient, upgradeRequest } from './clients.ts'
import { type Adapter, SOCKET_PATH, type Station, startStation } from './station.ts'

/** What balancers send that browsers do not. */
export function balancersContract(adapter: Adapter): void {
  const { oldHttp } = adapter.differences

  describe('requests of balancers', () => {
    test.each([
      ['GET / HTTP/1.0\r\n\r\n', 'GET localhost/ null'],
      ['GET / HTTP/1.0\r\nHost: chat.example\r\n\r\n', 'GET chat.example/ chat.example'],
      ['OPTIONS /x?y HTTP/1.0\r\n\r\n', 'OPTIONS localhost/x?y null'],
      ['POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc', 'POST a/ a abc'],
    ])('[SOCKET-320] HTTP/1.0 is served and its connection closed, or refused as such: %j', async (bytes, told) => {
      await using station = await startTelling(adapter)
      const raw = new RawClient(station.port, bytes)
      await raw.ended.next('close', (how) => how === 'close')
      if (oldHttp) expect(raw.received).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*connection: close\r\n/i)
      if (oldHttp) expect(bodyOf(raw)).toBe(told)
      else expect(raw.received).toMatch(/^HTTP\/1\.1 505 (?:.|\r\n)*does not support HTTP\/1\.0/)
    })

    test('[SOCKET-320] HTTP/1.0 that asks for keep-alive keeps its connection', async () => {
      await using station = await startTelling(adapter)
      const ask = (path: string) => `GET ${path} HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n`
      const raw = new RawClient(station.port, ask('/1'))
      await raw.seen(oldHttp ? 'localhost/1' : '505')
      if (oldHttp) raw.tcp.write(ask('/2'))
      if (oldHttp) await raw.seen('localhost/2')
      raw.tcp.destroy()
    })

    test('[SOCKET-320] a streamed answer in HTTP/1.0 has no chunks, and ends with its connection', async () => {
      await using station = await startStation(adapter, {
        fetch: () => {
          const pieces = ['data: 1\n\n', 'data: 2\n\n'].map((piece) => Buffer.from(piece))
          const pull = async (stream: ReadableStreamDefaultController) => {
            await new Promise((resolve) => setImmediate(resolve))
            const piece = pieces.shift()
            if (piece === undefined) stream.close()
            else stream.enqueue(piece)
          }
          return new Response(new ReadableStream({ pull }))
        },
      })
      const raw = new RawClient(station.port, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
      await raw.ended.next('close', (how) => how === 'close')
      if (oldHttp) expect(bodyOf(raw)).toBe('data: 1\n\ndata: 2\n\n')
      else expect(raw.received).toMatch(/^HTTP\/1\.1 505/)
    })

    test.each([
      ['\r\nHost:\r\n', 'GET localhost/'],
      ['\r\nHost: chat.example:\r\n', 'GET chat.example/'],
      ['\r\nHost: chat.example.\r\n', 'GET chat.example./'],
      ['\r\nHost: [2001:db8::1]:8080\r\n', 'GET [2001:db8::1]:8080/'],
      ['\r\nHost: sluice_backend\r\n', 'GET sluice_backend/'],
    ])(
      '[SOCKET-321] a host may be empty, an address, a name with a dot, and its port empty: %j',
      async (host, told) => {
        await using station = await startTelling(adapter)
        const raw = new RawClient(station.port, `GET / HTTP/1.1${host}Connection: close\r\n\r\n`)
        await raw.ended.next('close', (how) => how === 'close')
        expect(raw.received).toMatch(/^HTTP\/1\.1 200/)
        expect(bodyOf(raw).split(' ').slice(0, 2).join(' ')).toBe(told)
      },
    )

    test.each([
      ['GET http://localhost/x?y HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET localhost/x?y localhost'],
      ['GET HTTP://LOCALHOST:80/x HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET localhost/x localhost'],
      ['GET http://localhost?y HTTP/1.1\r\nHost: localhost:80\r\n\r\n', 'GET localhost/?y localhost:80'],
      ['GET http://elsewhere/x HTTP/1.0\r\n\r\n', 'GET localhost/x null'],
    ])('[SOCKET-322] a target that names its host too is its path, or refused with 505: %j', async (bytes, told) => {
      await using station = await startTelling(adapter)
      const raw = new RawClient(station.port, bytes)
      await raw.seen(oldHttp ? told : 'HTTP/1.1 505')
      raw.tcp.destroy()
    })

    test('[SOCKET-322] so it opens a socket, but not where it names another host', async () => {
      await using station = await startTelling(adapter)
      const named = new RawClient(station.port, upgradeRequest(`http://127.0.0.1${SOCKET_PATH}`))
      await named.seen(oldHttp ? 'HTTP/1.1 101' : 'HTTP/1.1 505')
      const other = new RawClient(station.port, upgradeRequest(`http://elsewhere${SOCKET_PATH}`))
      await other.seen(oldHttp ? 'HTTP/1.1 404' : 'HTTP/1.1 505')
      expect(station.served.all.length).toBe(oldHttp ? 1 : 0)
      named.tcp.destroy()
    })

    test.each([
      ['Connection: keep-alive, UPGRADE', 'Upgrade: WebSocket'],
      ['Connection: close, Upgrade', 'Upgrade: websocket'],
      ['Connection:upgrade', 'Upgrade: h2c, websocket'],
    ])('[SOCKET-323] an upgrade is one in any case and among others: %s, %s', async (connection, upgrade) => {
      await using station = await startTelling(adapter)
      const raw = new RawClient(station.port, upgradeWith(connection, upgrade))
      await raw.seen('HTTP/1.1 101 Switching Protocols')
      expect(station.served.all.length).toBe(1)
      raw.tcp.destroy()
    })

    test.each([
      ['of which `Connection` says nothing', upgradeWith('X: y', 'Upgrade: websocket')],
      ['that a proxy turned into a close', upgradeWith('Connection: close', 'Upgrade: websocket')],
      ['to something else', upgradeWith('Connection: Upgrade', 'Upgrade: h2c')],
      ['in HTTP/1.0', upgradeWith('Connection: Upgrade', 'Upgrade: websocket', '1.0')],
    ])('[SOCKET-323] an upgrade %s is none, and the answer says what a proxy has to pass on', async (_, bytes) => {
      await using station = await startTelling(adapter)
      const raw = new RawClient(station.port, bytes)
      const isServed = oldHttp || !bytes.includes('HTTP/1.0')
      await raw.seen(isServed ? 'a proxy in front has to pass `Upgrade`' : 'HTTP/1.1 505')
      expect(raw.received).toMatch(isServed ? /^HTTP\/1\.1 426/ : /^HTTP\/1\.1 505/)
      if (/close|HTTP\/1\.0/.test(bytes)) await raw.ended.next('close', (how) => how === 'close')
      raw.tcp.destroy()
      expect(station.served.all).toEqual([])
    })

    test('[SOCKET-325] a header in several lines is one list: a client’s line does not hide its proxy’s', async () => {
      const heads: (string | undefined)[] = []
      await using station = await startStation(adapter, {
        fetch: (request) => new Response(request.headers.get('x-forwarded-for')),
        answerWhole: ({ header }) => void heads.push(header('x-forwarded-for')),
      })
      const lines = 'X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 198.51.100.2\r\nConnection: '
      const list = '203.0.113.7, 198.51.100.2'
      const asked = new RawClient(station.port, `GET / HTTP/1.1\r\nHost: a\r\n${lines}close\r\n\r\n`)
      await asked.seen(list)
      const upgrade = upgradeRequest(SOCKET_PATH).replace('Connection: ', `${lines}keep-alive\r\nConnection: `)
      const opened = new RawClient(station.port, upgrade)
      await opened.seen('HTTP/1.1 101')
      expect(heads).toEqual([list, list])
      expect((await station.served.next('a socket')).upgrade.forwardedFor).toBe(list)
      opened.tcp.destroy()
    })

    const addressed = Buffer.from('\x21\x11\0\x0c\x0a\0\0\x01\x0a\0\0\x02\0\x50\0\x50', 'latin1')
    test.each([
      ['PROXY protocol', Buffer.from(`PROXY TCP4 10.0.0.1 10.0.0.2 80 80\r\n${upgradeRequest(SOCKET_PATH)}`)],
      ['PROXY protocol', proxied(upgradeRequest(SOCKET_PATH))],
      ['PROXY protocol', proxied('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
      ['TLS', Buffer.from('\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'latin1')],
      ['HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ])('[SOCKET-324] a connection that speaks %s is refused, and the log says what to set', async (protocol, bytes) => {
      await using station = await startTelling(adapter)
      const isSeen = oldHttp || bytes.includes('QUIT')
      for (const _ of [1, 2]) {
        const raw = new RawClient(station.port, bytes)
        await raw.ended.next('close', (how) => how === 'close')
        expect(raw.received).toMatch(isSeen ? /^HTTP\/1\.1 400 (?:.|\r\n)*\r\n\r\nthis port / : /^HTTP\/1\.1 505/)
      }
      const lines = station.log.all.map(({ level, fields }) => ({ level, ...fields }))
      // Once in a while, however many come.
      expect(lines).toEqual(isSeen ? [{ level: 'warn', protocol, address: '127.0.0.1' }] : [])
      expect(station.served.all).toEqual([])
    })

    function proxied(request: string): Buffer {
      return Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n'), addressed, Buffer.from(request)])
    }
  })
}

/** Answers with what it was asked. */
function startTelling(adapter: Adapter): Promise<Station> {
  return startStation(adapter, {
    fetch: async (request) => {
      const { host, pathname, search } = new URL(request.url)
      const body = await request.text()
      return new Response(`${request.method} ${host}${pathname}${search} ${request.headers.get('host')} ${body}`.trim())
    },
  })
}

function bodyOf({ received }: RawClient): string {
  return received.slice(received.indexOf('\r\n\r\n') + 4)
}

function upgradeWith(connection: string, upgrade: string, version = '1.1'): string {
  return upgradeRequest(SOCKET_PATH)
    .replace('HTTP/1.1', `HTTP/${version}`)
    .replace('Connection: Upgrade', connection)
    .replace('Upgrade: websocket', upgrade)
}
