import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { inTime } from './arrivals.ts'
import { openClient, RawClient } from './clients.ts'
import { type Adapter, Station, startStation } from './station.ts'

/** Who finds no place to wait tries again after one second, three and seven. */
const dialMaxMs = 20_000

/** From listen to close. */
export function lifecycleContract(adapter: Adapter): void {
  describe('life', () => {
    test('[SOCKET-28] a port that is taken is refused with its address and what to do', async () => {
      const other = createServer()
      const port = await new Promise<number>((resolve) => {
        other.listen({ port: 0, host: '127.0.0.1' }, () => {
          const address = other.address()
          resolve(typeof address === 'object' && address ? address.port : 0)
        })
      })
      await using station = new Station(adapter, { port })
      await expect(station.start()).rejects.toThrow(
        `unable to listen on 127.0.0.1:${port}: another process uses this port; stop it, or set PORT to another one`,
      )
      other.close()
    })

    test('[SOCKET-28] two transports never share a port', async () => {
      await using first = await startStation(adapter)
      await using second = new Station(adapter, { port: first.port })
      await expect(second.start()).rejects.toThrow(`unable to listen on 127.0.0.1:${first.port}`)
    })

    test('[SOCKET-36] clients that all dial at once wait to be accepted, however busy the gateway is', async () => {
      await using station = await startStation(adapter)
      // As many as the system lets wait, less what chance deals unevenly.
      const most = Number(await readFile('/proc/sys/net/core/somaxconn', 'utf8'))
      const dialed = new Int32Array(new SharedArrayBuffer(4))
      const count = Math.min(2_000, most / 2)
      await using dialing = new Worker(new URL('./dial.ts', import.meta.url), {
        workerData: { port: station.port, count, dialed },
      })
      await once(dialing, 'online')
      // Nothing is accepted meanwhile: this is the gateway's thread, too.
      expect(Atomics.wait(dialed, 0, 0, dialMaxMs)).not.toBe('timed-out')
      expect(Atomics.load(dialed, 0)).toBe(count)
    })

    test('[SOCKET-29] after stopListening new connections are refused and old sockets go on', async () => {
      await using station = await startStation(adapter, {
        onEvent: (event, socket) => event.kind === 'text' && socket.send(event.frame),
      })
      const client = await openClient(station.socketUrl)
      station.transport.stopListening()
      await expect(openClient(station.socketUrl)).rejects.toThrow('ECONNREFUSED')
      client.webSocket.send('going on')
      expect(await client.events.next('echo')).toEqual({ kind: 'text', frame: 'going on' })
    })

    test('[SOCKET-29] after stopListening a request under way is answered, and its connection ends', async () => {
      const arrived = Promise.withResolvers<void>()
      const answer = Promise.withResolvers<Response>()
      await using station = await startStation(adapter, {
        fetch: () => {
          arrived.resolve()
          return answer.promise
        },
      })
      const raw = new RawClient(station.port, 'GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await inTime(arrived.promise, 'the request')
      station.transport.stopListening()
      answer.resolve(new Response('done at last'))
      await raw.seen('done at last')
      expect(raw.received.toLowerCase()).toContain('connection: close')
      await raw.ended.next('end')
    })

    test('[SOCKET-29] after stopListening a stream under way goes on to its end, and its connection ends', async () => {
      const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>>()
      const writer = writable.getWriter()
      await using station = await startStation(adapter, {
        fetch: () => new Response(readable, { headers: { 'content-type': 'text/event-stream' } }),
      })
      const raw = new RawClient(station.port, 'GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await writer.write(Buffer.from('before;'))
      await raw.seen('before;')
      station.transport.stopListening()
      await writer.write(Buffer.from('after;'))
      await raw.seen('after;')
      await writer.close()
      await raw.ended.next('end')
    })

    test('[SOCKET-29] after stopListening an idle connection gets no further answer', async () => {
      let requestCount = 0
      await using station = await startStation(adapter, {
        fetch: () => {
          requestCount += 1
          return new Response('answer')
        },
      })
      const raw = new RawClient(station.port, 'GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await raw.seen('answer')
      station.transport.stopListening()
      raw.tcp.write('GET /2 HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await raw.ended.next('close')
      expect(requestCount).toBe(1)
    })

    test('[SOCKET-30] close ends every socket and request, and tells each socket before it resolves', async () => {
      const aborted = Promise.withResolvers<void>()
      const arrived = Promise.withResolvers<void>()
      await using station = await startStation(adapter, {
        fetch: (request) => {
          request.signal.addEventListener('abort', () => aborted.resolve())
          arrived.resolve()
          return new Promise(() => undefined)
        },
      })
      const clients = [await openClient(station.socketUrl), await openClient(station.socketUrl)]
      const raw = new RawClient(station.port, 'GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await inTime(arrived.promise, 'the request')
      await inTime(station.transport.close(), 'close')
      for (const { events } of station.served.all) {
        expect(events.all).toEqual([{ kind: 'closed', code: 1006, reason: expect.any(String) }])
      }
      expect(station.served.all).toHaveLength(2)
      for (const client of clients) expect(await client.events.next('close')).toMatchObject({ code: 1006 })
      await raw.ended.next('close', (how) => how === 'close')
      await inTime(aborted.promise, 'the request’s signal')
      await expect(openClient(station.socketUrl)).rejects.toThrow('ECONNREFUSED')
    })

    test('[SOCKET-30] close may be called twice, and before listen', async () => {
      const station = new Station(adapter, {})
      await station.transport.close()
      await station.transport.close()
    })
  })
}
