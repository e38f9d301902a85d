import { describe, expect, test } from 'vitest'
import { inTime } from './arrivals.ts'
import { RawClient } from './clients.ts'
import { type Adapter, type Station, startStation } from './station.ts'

const CHUNK_BYTES = 64 * 1024
/** More than any socket buffer of the kernel; a transport without back-pressure would pull all of it at once. */
const SOURCE_BYTES = 256 * 1024 * 1024
const MAX_AHEAD_BYTES = 32 * 1024 * 1024

/** Bodies that come in pieces, and clients that go away or read slowly. */
export function streamsContract(adapter: Adapter): void {
  describe('HTTP streams', () => {
    test('[SOCKET-23] a streamed answer arrives piece by piece, as it is made', async () => {
      const source = openSource()
      await using station = await startStation(adapter, { fetch: () => eventStream(source.stream) })
      const answering = fetch(station.url)
      source.push('data: 1\n\n')
      const response = await inTime(answering, 'the first piece')
      const reader = textReader(response)
      expect(await inTime(reader.next(), 'piece 1')).toBe('data: 1\n\n')
      source.push('data: 語\n\n')
      expect(await inTime(reader.next(), 'piece 2')).toBe('data: 語\n\n')
      source.close()
      expect(await inTime(reader.next(), 'the end')).toBe(undefined)
    })

    test('[SOCKET-23] the head of a stream comes ahead of its first piece, where the library can', async () => {
      const source = openSource()
      await using station = await startStation(adapter, {
        fetch: ({ url }) => (url.endsWith('/stream') ? eventStream(source.stream) : new Response('pong')),
      })
      const raw = new RawClient(station.port, 'GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n')
      if (adapter.differences.headAhead) await raw.seen('200 OK')
      await roundTrips(station, 10)
      expect(raw.received.includes('200 OK')).toBe(adapter.differences.headAhead)
      source.push('data: 1\n\n')
      await raw.seen('data: 1\n\n')
      expect(raw.received).toContain('200 OK')
      raw.tcp.destroy()
    })

    test('[SOCKET-23] a client that goes away aborts the signal and cancels the body', async () => {
      const source = openSource()
      const aborted = Promise.withResolvers<void>()
      await using station = await startStation(adapter, {
        fetch: (request) => {
          request.signal.addEventListener('abort', () => aborted.resolve())
          return eventStream(source.stream)
        },
      })
      source.push('data: 1\n\n')
      const client = new AbortController()
      await inTime(fetch(station.url, { signal: client.signal }), 'the first piece')
      client.abort()
      await inTime(aborted.promise, 'the signal')
      await inTime(source.cancelled, 'the cancel of the body')
    })

    test('[SOCKET-23] a client that goes away before the answer aborts the signal', async () => {
      const aborted = Promise.withResolvers<void>()
      const arrived = Promise.withResolvers<void>()
      await using station = await startStation(adapter, {
        fetch: (request) => {
          arrived.resolve()
          return new Promise((_, reject) => {
            request.signal.addEventListener('abort', () => {
              aborted.resolve()
              reject(request.signal.reason)
            })
          })
        },
      })
      const raw = new RawClient(station.port, 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab')
      await inTime(arrived.promise, 'the request')
      raw.tcp.destroy()
      await inTime(aborted.promise, 'the signal')
      expect((await station.log.next('log')).level).toBe('info')
    })

    test('[SOCKET-23] a client that goes away in mid-upload fails the body', async () => {
      const outcome = Promise.withResolvers<string>()
      await using station = await startStation(adapter, {
        fetch: async (request) => {
          if (request.method === 'GET') return new Response('pong')
          await request.text().then(
            () => outcome.resolve('whole'),
            () => outcome.resolve('failed'),
          )
          return new Response('')
        },
      })
      const raw = new RawClient(station.port, 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc')
      await roundTrips(station, 3)
      raw.tcp.destroy()
      expect(await inTime(outcome.promise, 'the outcome')).toBe('failed')
    })

    test('[SOCKET-24] a client that does not read holds the source back, and one that reads again gets on', async () => {
      const source = measuredSource()
      await using station = await startStation(adapter, {
        fetch: ({ url }) => (url.endsWith('/stream') ? new Response(source.stream) : new Response('pong')),
      })
      const raw = new RawClient(station.port, 'GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await raw.seen('200 OK')
      raw.tcp.pause()
      await roundTrips(station, 50)
      const heldAt = source.pulledBytes()
      expect(heldAt).toBeLessThan(MAX_AHEAD_BYTES)
      raw.tcp.resume()
      let readBytes = 0
      while (readBytes < 2 * MAX_AHEAD_BYTES) readBytes += (await raw.bytes.next('more')).length
      expect(source.pulledBytes()).toBeGreaterThan(heldAt)
      raw.tcp.destroy()
      await inTime(source.cancelled, 'the cancel of the body')
      expect(source.pulledBytes()).toBeLessThan(SOURCE_BYTES)
    })

    test('[SOCKET-25] a body that nobody reads is not taken from the client', async () => {
      const answer = Promise.withResolvers<Response>()
      await using station = await startStation(adapter, {
        fetch: ({ url }) => (url.endsWith('/upload') ? answer.promise : new Response('pong')),
      })
      const head = `POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${SOURCE_BYTES}\r\n\r\n`
      const raw = new RawClient(station.port, head)
      let takenBytes = 0
      const chunk = Buffer.alloc(CHUNK_BYTES)
      const feed = () => {
        while (takenBytes < SOURCE_BYTES && raw.tcp.writable && raw.tcp.write(chunk)) takenBytes += chunk.length
      }
      raw.tcp.on('drain', feed)
      feed()
      await roundTrips(station, 50)
      expect(takenBytes).toBeLessThan(MAX_AHEAD_BYTES)
      answer.resolve(new Response('enough', { status: 413 }))
      await raw.seen('413')
      raw.tcp.destroy()
    })

    test('[SOCKET-34] a body that fails at once ends the connection and says nothing of why', async () => {
      await using station = await startStation(adapter, {
        fetch: () => new Response(new ReadableStream({ pull: () => Promise.reject(new Error('secret')) })),
      })
      const raw = new RawClient(station.port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await raw.ended.next('close', (how) => how === 'close')
      expect(raw.received).not.toContain('secret')
      expect(await station.log.next('log')).toMatchObject({ level: 'error', message: 'the HTTP response failed' })
    })

    test('[SOCKET-34] a body that fails ends the connection without its proper end', async () => {
      const source = openSource()
      await using station = await startStation(adapter, { fetch: () => eventStream(source.stream) })
      source.push('data: 1\n\n')
      const reader = textReader(await inTime(fetch(station.url), 'the first piece'))
      await reader.next()
      source.fail(new Error('secret'))
      await expect(inTime(reader.next(), 'the failure')).rejects.toThrow('terminated')
    })
  })
}

/** Requests on other connections, one after the other: time for whatever would go on by itself to go on. */
async function roundTrips(station: Station, count: number): Promise<void> {
  for (let at = 0; at < count; at += 1) await (await fetch(`${station.url}/ping`)).text()
}

function eventStream(body: ReadableStream<Uint8Array<ArrayBuffer>>): Response {
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}

function openSource() {
  const cancelled = Promise.withResolvers<void>()
  let controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (started) => {
      controller = started
    },
    cancel: () => cancelled.resolve(),
  })
  return {
    stream,
    cancelled: cancelled.promise,
    push: (text: string) => controller?.enqueue(new TextEncoder().encode(text)),
    close: () => controller?.close(),
    fail: (error: Error) => controller?.error(error),
  }
}

function measuredSource() {
  const cancelled = Promise.withResolvers<void>()
  let pulledBytes = 0
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => {
      if (pulledBytes >= SOURCE_BYTES) return controller.close()
      pulledBytes += CHUNK_BYTES
      controller.enqueue(new Uint8Array(CHUNK_BYTES))
    },
    cancel: () => cancelled.resolve(),
  })
  return { stream, cancelled: cancelled.promise, pulledBytes: () => pulledBytes }
}

function textReader(response: Response) {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  return {
    next: async () => {
      const read = await reader?.read()
      return read?.done === false ? decoder.decode(read.value) : undefined
    },
  }
}
