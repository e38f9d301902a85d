import { describe, expect, test } from 'vitest'
import { MAX_UNSENT_BYTES } from '../../../gateway/transport/guarded-socket.ts'
import { encodeFrame, OPCODE, openClient, openRaw } from './clients.ts'
import { type Adapter, MAX_FRAME_BYTES, type SocketEvent, startStation } from './station.ts'

const HANDLERS: readonly SocketEvent['kind'][] = ['text', 'binary', 'pong', 'alive']

/** How a socket ends, from each side and by each mishap. */
export function closingContract(adapter: Adapter): void {
  describe('closing', () => {
    test('[SOCKET-7] a frame over the limit loses that socket alone', async () => {
      await using station = await startStation(adapter)
      const [large, other] = [await openClient(station.socketUrl), await openClient(station.socketUrl)]
      large.webSocket.send('x'.repeat(MAX_FRAME_BYTES + 1))
      expect(await large.events.next('close')).toMatchObject({ kind: 'closed', code: adapter.differences.oversize })
      const { events } = await station.served.next('socket')
      expect(await events.next('close')).toEqual({ kind: 'closed', code: 1006, reason: expect.any(String) })
      expect(events.all).toHaveLength(1)
      other.webSocket.ping('alive')
      await other.events.next('pong')
    })

    test('[SOCKET-7] the limit holds for the sum of the fragments', async () => {
      await using station = await startStation(adapter)
      const raw = await openRaw(station.port)
      const half = Buffer.alloc(MAX_FRAME_BYTES / 2 + 1, 'x')
      raw.tcp.write(encodeFrame(OPCODE.text, half, false))
      raw.tcp.write(encodeFrame(OPCODE.continuation, half))
      await raw.ended.next('end')
      const { events } = await station.served.next('socket')
      raw.tcp.destroy()
      expect(await events.next('close')).toMatchObject({ kind: 'closed', code: 1006 })
    })

    test('[SOCKET-8] text that is not UTF-8 loses that socket and is not delivered', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      client.webSocket.send(Buffer.from([0x61, 0xc3, 0x28]), { binary: false })
      const { invalidUtf8 } = adapter.differences
      expect(await client.events.next('close')).toMatchObject({ kind: 'closed', code: invalidUtf8 })
      const { events } = await station.served.next('socket')
      expect(await events.next('close')).toMatchObject({ kind: 'closed', code: 1006 })
      expect(events.all).toHaveLength(1)
    })

    test('[SOCKET-9] a close gives the client code and reason, and the gateway one last event', async () => {
      await using station = await startStation(adapter, {
        onEvent: (event, socket) => event.kind === 'text' && socket.close(4321, 'grüße'),
      })
      const client = await openClient(station.socketUrl)
      for (const frame of ['first', 'second', 'third']) client.webSocket.send(frame)
      client.webSocket.ping()
      expect(await client.events.next('close', isClosed)).toEqual({ kind: 'closed', code: 4321, reason: 'grüße' })
      const { events } = await station.served.next('socket')
      await events.next('close', isClosed)
      expect(events.all).toEqual([
        { kind: 'text', frame: 'first' },
        { kind: 'closed', code: 4321, reason: 'grüße' },
      ])
    })

    test('[SOCKET-9] what was sent before the close arrives before it, also when the kernel did not take it yet', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      const { socket } = await station.served.next('socket')
      client.webSocket.pause()
      const frame = 'x'.repeat(64 * 1024)
      let sentCount = 0
      for (; socket.bufferedBytes() === 0; sentCount += 1) socket.send(frame)
      socket.close(4001, 'after all that')
      client.webSocket.resume()
      await client.events.next('close', isClosed)
      const kinds = client.events.all.map((event) => event.kind)
      expect(kinds).toEqual([...Array(sentCount).fill('text'), 'closed'])
      expect(client.events.all.at(-1)).toMatchObject({ code: 4001, reason: 'after all that' })
    })

    test('[SOCKET-9] `closed` is never told inside the gateway’s own call', async () => {
      const calls: string[] = []
      await using station = await startStation(adapter, {
        onEvent: (event, socket) => {
          if (event.kind === 'closed') calls.push('closed')
          if (event.kind !== 'text') return
          if (event.frame === 'close') socket.close(4001, '')
          else socket.terminate()
          calls.push('returned')
        },
      })
      for (const frame of ['close', 'terminate']) {
        const client = await openClient(station.socketUrl)
        client.webSocket.send(frame)
        await client.events.next('close', isClosed)
        await (await station.served.next('socket')).events.next('close', isClosed)
      }
      expect(calls).toEqual(['returned', 'closed', 'returned', 'closed'])
    })

    test('[SOCKET-10] a client’s close tells its code and reason, and is answered', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      client.webSocket.close(4100, 'bye 語')
      const { events } = await station.served.next('socket')
      expect(await events.next('close')).toEqual({ kind: 'closed', code: 4100, reason: 'bye 語' })
      expect(await client.events.next('close')).toEqual({ kind: 'closed', code: 4100, reason: 'bye 語' })
    })

    test('[SOCKET-10] a close frame without a code is 1005', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      client.webSocket.close()
      const { events } = await station.served.next('socket')
      expect(await events.next('close')).toEqual({ kind: 'closed', code: 1005, reason: '' })
    })

    test.each([
      ['ASCII', 'x'.repeat(200), 'x'.repeat(123)],
      ['two bytes each', 'é'.repeat(100), 'é'.repeat(61)],
      ['three bytes each', '語'.repeat(100), '語'.repeat(41)],
      ['four bytes each', '👧'.repeat(100), '👧'.repeat(30)],
      ['just fitting', 'é'.repeat(61), 'é'.repeat(61)],
    ])('[SOCKET-11] a reason is cut to 123 bytes between characters: %s', async (_, reason, cut) => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      const { socket } = await station.served.next('socket')
      socket.close(4500, reason)
      expect(await client.events.next('close')).toEqual({ kind: 'closed', code: 4500, reason: cut })
    })

    test('[SOCKET-12] terminate ends the connection without a close frame', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      const { socket, events } = await station.served.next('socket')
      socket.terminate()
      expect(await client.events.next('close')).toEqual({ kind: 'closed', code: 1006, reason: '' })
      expect(await events.next('close')).toEqual({ kind: 'closed', code: 1006, reason: '' })
    })

    test('[SOCKET-12] a connection that breaks is 1006', async () => {
      await using station = await startStation(adapter)
      const raw = await openRaw(station.port)
      const { events } = await station.served.next('socket')
      raw.tcp.resetAndDestroy()
      expect(await events.next('close')).toEqual({ kind: 'closed', code: 1006, reason: expect.any(String) })
    })

    test.each(HANDLERS)(
      '[SOCKET-13] an exception from %s closes its socket with 4000, and others live',
      async (kind) => {
        await using station = await startStation(adapter, {
          onEvent: (event) => {
            if (event.kind === kind) throw new Error('a bug with user text in it')
          },
        })
        const [broken, other] = [await openClient(station.socketUrl), await openClient(station.socketUrl)]
        const { socket, events } = await station.served.next('socket')
        if (kind === 'text') broken.webSocket.send('x')
        if (kind === 'binary') broken.webSocket.send(Buffer.from('x'))
        if (kind === 'alive') broken.webSocket.ping()
        if (kind === 'pong') socket.ping('1')
        const code = 4000
        expect(await broken.events.next('close', isClosed)).toEqual({ kind: 'closed', code, reason: 'internal error' })
        expect(await events.next('close', isClosed)).toMatchObject({ code })
        expect(await station.log.next('log')).toMatchObject({ level: 'error', message: 'a socket handler failed' })
        ;(await station.served.next('socket')).socket.send('still here')
        expect(await other.events.next('frame')).toEqual({ kind: 'text', frame: 'still here' })
      },
    )

    test('[SOCKET-13] an exception from accept closes its socket with 4000', async () => {
      await using station = await startStation(adapter, {
        onAccept: () => {
          throw new Error('a bug')
        },
      })
      const raw = await openRaw(station.port)
      await raw.seen('\x88\x10\x0f\xa0internal error')
    })

    test('[SOCKET-13] an exception from closed is logged', async () => {
      await using station = await startStation(adapter, {
        onEvent: () => {
          throw new Error('a bug')
        },
      })
      const client = await openClient(station.socketUrl)
      client.webSocket.close(4100)
      expect(await station.log.next('log')).toMatchObject({ level: 'error', message: 'a socket handler failed' })
    })

    test('[SOCKET-14] after the close every verb does nothing', async () => {
      await using station = await startStation(adapter)
      const client = await openClient(station.socketUrl)
      const { socket, events } = await station.served.next('socket')
      const useAll = () => {
        socket.send('late')
        socket.send(Buffer.from('late'))
        socket.ping('late')
        socket.close(4002, 'late')
        expect(socket.bufferedBytes()).toBe(0)
      }
      socket.send('before')
      socket.close(4001, 'now')
      socket.send('late')
      socket.ping('late')
      await events.next('close', isClosed)
      useAll()
      socket.terminate()
      await client.events.next('close', isClosed)
      expect(client.events.all).toEqual([
        { kind: 'text', frame: 'before' },
        { kind: 'closed', code: 4001, reason: 'now' },
      ])
    })

    test('[SOCKET-14] the same after the client’s close', async () => {
      await using station = await startStation(adapter, {
        onEvent: (event, socket) => {
          if (event.kind !== 'closed') return
          socket.send('late')
          socket.ping('late')
          socket.close(4002, 'late')
          socket.terminate()
        },
      })
      const client = await openClient(station.socketUrl)
      client.webSocket.close(4100)
      const { events } = await station.served.next('socket')
      await events.next('close', isClosed)
      await client.events.next('close', isClosed)
      expect(station.log.all.filter((line) => line.level === 'error')).toEqual([])
    })

    test('[SOCKET-16] a client that ends its half of the connection is closed with 1006', async () => {
      await using station = await startStation(adapter)
      const raw = await openRaw(station.port, { allowHalfOpen: true })
      raw.tcp.write(encodeFrame(OPCODE.text, Buffer.from('last')))
      raw.tcp.end()
      const { events } = await station.served.next('socket')
      await events.next('close', isClosed)
      expect(events.all).toEqual([
        { kind: 'text', frame: 'last' },
        { kind: 'closed', code: 1006, reason: expect.any(String) },
      ])
      await raw.ended.next('end')
    })

    test('[SOCKET-17] a socket over its bound of unsent bytes is ended; no frame is dropped in silence', async () => {
      await using station = await startStation(adapter)
      const raw = await openRaw(station.port)
      raw.tcp.pause()
      const { socket, events } = await station.served.next('socket')
      const frame = Buffer.alloc(1024 * 1024, 'x')
      let peakBytes = 0
      for (let count = 0; count < 64 && events.all.length === 0; count += 1) {
        socket.send(frame)
        peakBytes = Math.max(peakBytes, socket.bufferedBytes())
      }
      expect(await events.next('close')).toMatchObject({ kind: 'closed', code: 1006 })
      expect(peakBytes).toBeGreaterThan(MAX_UNSENT_BYTES / 2)
      expect(peakBytes).toBeLessThan(MAX_UNSENT_BYTES + 2 * frame.length)
      expect(station.log.all).toContainEqual(expect.objectContaining({ level: 'warn' }))
      raw.tcp.destroy()
    })

    test('[SOCKET-19] `closed` follows a close that the client never answers', async () => {
      await using station = await startStation(adapter)
      const raw = await openRaw(station.port, { allowHalfOpen: true })
      const { socket, events } = await station.served.next('socket')
      socket.close(4001, 'unanswered')
      const code = adapter.differences.unansweredClose
      expect(await events.next('close')).toMatchObject({ kind: 'closed', code })
      raw.tcp.destroy()
    })
  })
}

function isClosed(event: { readonly kind: string }): boolean {
  return event.kind === 'closed'
}
