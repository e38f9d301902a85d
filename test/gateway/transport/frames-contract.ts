import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { encodeFrame, OPCODE, openClient, openRaw } from './clients.ts'
import { type Adapter, MAX_FRAME_BYTES, SOCKET_PATH, SUBPROTOCOL, startStation } from './station.ts'

const TEXTS = ['a', 'grüße', '語'.repeat(5_000), '👩‍👩‍👧 "quoted"\n', ' ', '\uFEFFbom']

/** Frames in, frames out, and what the upgrade says. */
export function framesContract(adapter: Adapter): void {
  describe('frames', () => {
    test('[SOCKET-1] text frames arrive whole, unchanged and in order, up and down', async () => {
      await using station = await startStation(adapter, {
        onEvent: (event, socket) => event.kind === 'text' && socket.send(event.frame),
      })
      const client = await openClient(station.socketUrl)
      const sent = Array.from({ length: 300 }, (_, at) => `${at} ${TEXTS[at % TEXTS.length]}`)
      for (const frame of sent) client.webSocket.send(frame)
      for (const frame of sent) expect(await client.events.next('echo')).toEqual({ kind: 'text', frame })
      const served = await station.served.next('socket')
      expect(served.events.all).toEqual(sent.map((frame) => ({ kind: 'text', frame })))
    })

    test('[SOCKET-1] a frame of exactly the limit passes', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      const frame = 'x'.repeat(MAX_FRAME_BYTES)
      client.webSocket.send(frame)
      const served = await station.served.next('socket')
      expect(await served.events.next('frame')).toEqual({ kind: 'text', frame })
    })

    test('[SOCKET-1] half a surrogate pair goes out as U+FFFD, never as broken UTF-8', async () => {
      await using station = await startStation(adapter, { onAccept: (_, socket) => socket.send('a\ud83d!') })
      const raw = await openRaw(station.port)
      await raw.seen('\x81\x05a\xef\xbf\xbd!')
    })

    test('[SOCKET-1] frames sent from inside accept come first', async () => {
      await using station = await startStation(adapter, { onAccept: (_, socket) => socket.send('early') })
      const raw = await openRaw(station.port)
      await raw.seen('\x81\x05early')
    })

    test('[SOCKET-2] a message in fragments is one frame, with a ping between them', async () => {
      await using station = await startStation(adapter)
      const raw = await openRaw(station.port)
      const bytes = Buffer.from('één語')
      raw.tcp.write(encodeFrame(OPCODE.text, bytes.subarray(0, 1), false))
      raw.tcp.write(encodeFrame(OPCODE.ping, Buffer.from('mid')))
      raw.tcp.write(encodeFrame(OPCODE.continuation, bytes.subarray(1, 5), false))
      raw.tcp.write(encodeFrame(OPCODE.continuation, bytes.subarray(5)))
      const served = await station.served.next('socket')
      expect(await served.events.next('ping')).toEqual({ kind: 'alive' })
      expect(await served.events.next('text')).toEqual({ kind: 'text', frame: 'één語' })
    })

    test('[SOCKET-3] a pong with the payload says that all that was sent before was read', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      const { socket, events } = await station.served.next('socket')
      for (let at = 0; at < 50; at += 1) socket.send('語'.repeat(1_000) + at)
      socket.ping('150000')
      expect(await events.next('pong')).toEqual({ kind: 'pong', payload: '150000' })
      expect(client.events.all.map((event) => event.kind)).toEqual([...Array(50).fill('text'), 'ping'])
    })

    test('[SOCKET-4] a client’s ping is a sign of life and is answered with its payload', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      client.webSocket.ping('there?')
      expect(await client.events.next('pong')).toEqual({ kind: 'pong', payload: 'there?' })
      const { events } = await station.served.next('socket')
      expect(await events.next('alive')).toEqual({ kind: 'alive' })
    })

    test('[SOCKET-5] our subprotocol is chosen among those offered', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl, ['other.v9', SUBPROTOCOL])
      expect(client.webSocket.protocol).toBe(SUBPROTOCOL)
    })

    test('[SOCKET-5] a client that offers none is served', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      expect(client.webSocket.protocol).toBe('')
    })

    test('[SOCKET-5] a client that offers only others gets none, and by RFC 6455 gives up itself', async () => {
      await using station = await startStation(adapter)
      await expect(openClient(station.socketUrl, ['other.v9'])).rejects.toThrow('Server sent no subprotocol')
    })

    test('[SOCKET-6] a binary frame is told as one, and the socket lives', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      client.webSocket.send(randomBytes(100))
      client.webSocket.send('after')
      const { events } = await station.served.next('socket')
      await events.next('text', (event) => event.kind === 'text')
      expect(events.all).toEqual([{ kind: 'binary' }, { kind: 'text', frame: 'after' }])
    })

    test('[SOCKET-15] one Buffer may be sent to many sockets', async () => {
      await using station = await startStation(adapter)
      const clients = await Promise.all(Array.from({ length: 5 }, () => openClient(station.socketUrl)))
      const shared = Buffer.from('shared 語')
      for (let count = 0; count < 5; count += 1) (await station.served.next('socket')).socket.send(shared)
      for (const client of clients) {
        expect(await client.events.next('frame')).toEqual({ kind: 'text', frame: 'shared 語' })
      }
      expect(shared.toString()).toBe('shared 語')
    })

    test('[SOCKET-18] the upgrade is told as it was sent, and what was not sent is absent', async () => {
      await using station = await startStation(adapter)
      const headers = {
        authorization: 'Bearer abc',
        'x-forwarded-for': '10.1.1.1, 10.2.2.2',
        'x-forwarded-proto': 'https',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        'user-agent': 'tester/1',
      }
      await openClient(`${station.socketUrl}?a=1&b=%20`, [], { headers, origin: 'https://page.example' })
      await openClient(station.socketUrl)
      expect((await station.served.next('socket')).upgrade).toEqual({
        address: '127.0.0.1',
        url: `${SOCKET_PATH}?a=1&b=%20`,
        host: `127.0.0.1:${station.port}`,
        origin: 'https://page.example',
        authorization: 'Bearer abc',
        forwardedFor: '10.1.1.1, 10.2.2.2',
        forwardedProto: 'https',
        traceparent: headers.traceparent,
        userAgent: 'tester/1',
      })
      const plain = (await station.served.next('socket')).upgrade
      expect(plain).toEqual({ address: '127.0.0.1', url: SOCKET_PATH, host: `127.0.0.1:${station.port}` })
    })

    test('[SOCKET-18] IPv6 and IPv4 on a dual-stack listener are spelled the short way', async () => {
      await using station = await startStation(adapter, { host: '::' })
      await openClient(`ws://127.0.0.1:${station.port}${SOCKET_PATH}`)
      await openClient(`ws://[::1]:${station.port}${SOCKET_PATH}`)
      expect((await station.served.next('socket')).upgrade.address).toBe('127.0.0.1')
      expect((await station.served.next('socket')).upgrade.address).toBe('::1')
    })
  })
}
