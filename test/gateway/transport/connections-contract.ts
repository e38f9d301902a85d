import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { Guest } from '../../../gateway/transport/transport.ts'
import { inTime } from './arrivals.ts'
import { openClient, RawClient, upgradeRequest } from './clients.ts'
import { malformedRequests } from './malformed-requests.ts'
import { type Adapter, SOCKET_PATH, startStation } from './station.ts'

const timeouts = { keepAliveMs: 300, untakenAnswerMs: 2_000 }
const slowPauseMs = 400
/** More than the kernel takes for a client that reads nothing. */
const LARGE_BYTES = 32 * 1024 * 1024
/** uWebSockets.js looks every 4 s for what had its 10 s. */
const LIBRARY_TIMEOUT_MS = 20_000
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`

/** What a TCP connection may do, and when it is ended. */
export function connectionsContract(adapter: Adapter): void {
  describe('connections', () => {
    test.each([
      ['many at once', get('/first').repeat(1_000)],
      ['one behind a body', `POST /first HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc${get('/second')}`],
      ['an upgrade', get('/first') + upgradeRequest(SOCKET_PATH)],
      ['one behind a refused upgrade', upgradeRequest('/first') + get('/second')],
    ])('[SOCKET-100] a request before the last answer ends the connection: %s', async (_, bytes) => {
      const handled: string[] = []
      await using station = await startStation(adapter, {
        fetch: async ({ url }) => {
          handled.push(new URL(url).pathname)
          return new Response('x'.repeat(100_000))
        },
      })
      const raw = new RawClient(station.port, bytes)
      await raw.ended.next('the end')
      expect(handled.filter((path) => path !== '/first')).toEqual([])
      expect(handled.length).toBeLessThan(2)
    })

    test('[SOCKET-100] a request behind an upgrade is none', async () => {
      const handled: string[] = []
      await using station = await startStation(adapter, {
        fetch: async ({ url }) => {
          handled.push(url)
          return new Response('')
        },
      })
      const raw = new RawClient(station.port, upgradeRequest(SOCKET_PATH) + get('/second'))
      await raw.seen('101 Switching Protocols')
      raw.tcp.end()
      await raw.ended.next('the end')
      expect(handled).toEqual([])
    })

    test('[SOCKET-100] and one whose answer is not taken yet ends it, too', async () => {
      let handledCount = 0
      const body = Buffer.alloc(LARGE_BYTES)
      const told = tellingGuest()
      await using station = await startStation(adapter, {
        admit: told.admit,
        fetch: () => {
          handledCount += 1
          return new Response(body)
        },
      })
      const raw = new RawClient(station.port, get('/first'))
      await raw.seen('200 OK')
      raw.tcp.pause()
      raw.tcp.write(get('/second'))
      await expect.poll(() => told.all, { timeout: 5_000 }).toContain('closed')
      expect(handledCount).toBe(1)
      raw.tcp.destroy()
    })

    test('[SOCKET-100] requests one after the other go on and on', async () => {
      await using station = await startStation(adapter, {
        fetch: () => new Response('large'.repeat(20_000)),
        answerWhole: ({ url }) => (url === '/whole' ? { status: 200, headers: {}, body: Buffer.from('w') } : undefined),
      })
      expect(await oneAfterAnother(station.port, 2_000)).toBe(2_000)
    })

    test('[SOCKET-101] an answer of which nothing is taken is given up, and one that is taken slowly is not', {
      timeout: 2 * LIBRARY_TIMEOUT_MS,
    }, async () => {
      const body = Buffer.alloc(LARGE_BYTES)
      const told = tellingGuest()
      await using station = await startStation(adapter, {
        timeouts,
        admit: told.admit,
        fetch: () => new Response(body),
      })
      const deaf = new RawClient(station.port, get('/deaf'))
      await deaf.seen('200 OK')
      deaf.tcp.pause()
      expect(await takenSlowly(station.port, LARGE_BYTES)).toBe(LARGE_BYTES)
      await expect.poll(() => told.all, { timeout: LIBRARY_TIMEOUT_MS }).toContain('closed')
      deaf.tcp.destroy()
    })

    test('[SOCKET-102] a connection without a request is closed after a while, also one that sends line ends', {
      timeout: 2 * LIBRARY_TIMEOUT_MS,
    }, async () => {
      await using station = await startStation(adapter, { timeouts, fetch: () => new Response('answer') })
      const raw = new RawClient(station.port, get('/'))
      await raw.seen('answer')
      const dripping = setInterval(() => raw.tcp.write('\r\n'), 50)
      await expect.poll(() => raw.ended.all.length, { timeout: LIBRARY_TIMEOUT_MS }).toBeGreaterThan(0)
      clearInterval(dripping)
    })

    test('[SOCKET-103] a connection that is not admitted is closed before anything is read of it', async () => {
      let handledCount = 0
      await using station = await startStation(adapter, {
        admit: () => undefined,
        fetch: () => {
          handledCount += 1
          return new Response('')
        },
      })
      for (let count = 0; count < 50; count += 1) {
        const raw = new RawClient(station.port, get('/'))
        await raw.ended.next('close', (how) => how === 'close')
        expect(raw.received).toBe('')
      }
      expect(handledCount).toBe(0)
    })

    test('[SOCKET-103] its place is told when a request was answered and when the connection is gone', async () => {
      const told = tellingGuest()
      await using station = await startStation(adapter, {
        admit: told.admit,
        fetch: (_request, peer) => {
          peer.guest?.earned()
          return new Response('answer')
        },
      })
      const raw = new RawClient(station.port, get('/'))
      await raw.seen('answer')
      await expect.poll(() => told.all).toEqual(['earned', 'idle'])
      raw.tcp.destroy()
      await expect.poll(() => told.all).toEqual(['earned', 'idle', 'closed'])
    })

    test.each([
      ['sent nothing', ''],
      ['went away before its answer', get('/never')],
      ['was refused an upgrade', upgradeRequest('/elsewhere')],
      ['sent no request', 'nothing\r\n\r\n'],
    ])('[SOCKET-103] the place of a connection that %s is given back, once', async (_, bytes) => {
      const told = tellingGuest()
      await using station = await startStation(adapter, {
        admit: told.admit,
        fetch: () => new Promise(() => undefined),
      })
      const raw = new RawClient(station.port, bytes)
      raw.tcp.resume()
      await expect.poll(() => told.admitted).toBe(1)
      raw.tcp.destroy()
      await expect.poll(() => told.all.filter((what) => what === 'closed')).toEqual(['closed'])
    })

    test('[SOCKET-103] a WebSocket keeps the place of its connection until it is closed', async () => {
      const told = tellingGuest()
      await using station = await startStation(adapter, {
        admit: told.admit,
        onAccept: ({ guest }) => guest?.earned(),
      })
      const client = await openClient(station.socketUrl)
      client.webSocket.ping()
      await client.events.next('pong')
      expect(told.all).toEqual(['earned'])
      client.webSocket.close()
      await expect.poll(() => told.all).toEqual(['earned', 'closed'])
    })

    test.each(malformedRequests)('[SOCKET-104] nothing is served behind $name', async ({ bytes, reachesHandler }) => {
      const handled: string[] = []
      await using station = await startStation(adapter, {
        fetch: async (request) => {
          const { pathname } = new URL(request.url)
          if (pathname === '/ping') return new Response('pong')
          handled.push(pathname)
          await request.text().catch(() => undefined)
          return new Response('answer')
        },
      })
      const raw = new RawClient(station.port, bytes)
      for (let count = 0; count < 5; count += 1) await (await fetch(`${station.url}/ping`)).text()
      raw.tcp.end()
      await raw.ended.next('close', (how) => how === 'close')
      expect(handled).not.toContain('/hidden')
      expect(handled.length).toBeLessThanOrEqual(reachesHandler ? 1 : 0)
      expect(raw.received.match(/HTTP\/1\.1 2\d\d/g)?.length ?? 0).toBeLessThanOrEqual(reachesHandler ? 1 : 0)
    })

    test('[SOCKET-105] an answer that is whole needs no handler, and the same bytes go to everybody', async () => {
      const body = Buffer.alloc(LARGE_BYTES, 'b')
      await using station = await startStation(adapter, {
        fetch: () => new Response('by the handler'),
        answerWhole: ({ method, url, header }) => {
          if (url === '/304') return { status: 304, headers: { etag: '"1"' }, body: Buffer.alloc(0) }
          if (url !== '/whole?x') return undefined
          return { status: 203, headers: { 'x-asked': `${method} ${header('x-test')}` }, body }
        },
      })
      const whole = await fetch(`${station.url}/whole?x`, { headers: { 'x-test': 'a' } })
      expect([whole.status, whole.headers.get('x-asked')]).toEqual([203, 'GET a'])
      expect(Buffer.from(await whole.arrayBuffer()).equals(body)).toBe(true)
      const head = await fetch(`${station.url}/whole?x`, { method: 'HEAD' })
      expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([203, `${LARGE_BYTES}`, ''])
      const unchanged = await fetch(`${station.url}/304`)
      expect([unchanged.status, unchanged.headers.get('etag'), await unchanged.text()]).toEqual([304, '"1"', ''])
      expect(await (await fetch(station.url)).text()).toBe('by the handler')
    })

    test('[SOCKET-105] it may refuse an upgrade, and may wait', async () => {
      await using station = await startStation(adapter, {
        answerWhole: ({ isUpgrade, url }) => {
          if (!isUpgrade || !url.includes('refuse')) return undefined
          return { status: 429, headers: { 'retry-after': '1' }, body: Buffer.from('slowly'), delayMs: 20 }
        },
      })
      await expect(openClient(`${station.socketUrl}?refuse`)).rejects.toThrow('429')
      await openClient(station.socketUrl)
      expect(station.served.all.length).toBe(1)
    })
  })
}

function tellingGuest() {
  const all: string[] = []
  const guest: Guest = {
    earned: () => void all.push('earned'),
    idle: () => void all.push('idle'),
    closed: () => void all.push('closed'),
  }
  const told = {
    all,
    admitted: 0,
    /** The first connection's place is told. */
    admit: () => {
      told.admitted += 1
      return told.admitted === 1 ? { guest } : {}
    },
  }
  return told
}

/** Requests on one connection, each after the last one's answer; answers how many were answered. */
function oneAfterAnother(port: number, count: number): Promise<number> {
  return new Promise((resolve) => {
    const tcp = connect(port, '127.0.0.1')
    let answered = 0
    let missing = 0
    let text = ''
    const ask = () => tcp.write(get(answered % 2 === 0 ? '/whole' : '/other'))
    tcp.on('connect', ask)
    tcp.on('close', () => resolve(answered))
    tcp.on('data', (bytes) => {
      text += bytes.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (missing === 0 && end === -1) return
      if (missing === 0) missing = end + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1])
      if (text.length < missing) return
      text = ''
      missing = 0
      answered += 1
      if (answered === count) tcp.destroy()
      else ask()
    })
  })
}

/** Reads a large answer with pauses that are shorter than the timeout, but longer in all. */
async function takenSlowly(port: number, bytes: number): Promise<number> {
  const raw = new RawClient(port, get('/slow'))
  await raw.seen('\r\n\r\n')
  const head = raw.received.indexOf('\r\n\r\n') + 4
  const length = () => raw.bytes.all.reduce((sum, piece) => sum + piece.length, 0) - head
  for (let count = 0; count < 7; count += 1) {
    raw.tcp.pause()
    await new Promise((resolve) => setTimeout(resolve, slowPauseMs))
    raw.tcp.resume()
    await inTime(raw.bytes.next('more'), 'more')
  }
  await expect.poll(length, { timeout: 10_000 }).toBe(bytes)
  raw.tcp.destroy()
  return length()
}
