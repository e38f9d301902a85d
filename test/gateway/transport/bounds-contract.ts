import { describe, expect, test } from 'vitest'
import { MAX_UNSENT_BYTES } from '../../../gateway/transport/guarded-socket.ts'
import { encodeFrame, OPCODE, openRaw, type RawClient } from './clients.ts'
import { type Adapter, MAX_FRAME_BYTES, type SocketEvent, startStation } from './station.ts'

const beforeAdmit = { frameBytes: 1_000, totalBytes: 4_000 }
const text = (length: number) => Buffer.alloc(length, 'x')

/** What a client can make the transport hold. */
export function boundsContract(adapter: Adapter): void {
  const { countsPieces } = adapter.differences

  describe('bounds', () => {
    test('[SOCKET-120] before `admit` a larger frame is not delivered, and the socket ends after `overLimit`', async () => {
      await using station = await startStation(adapter, { beforeAdmit })
      const raw = await openRaw(station.port)
      raw.tcp.write(encodeFrame(OPCODE.text, text(1_000)))
      raw.tcp.write(encodeFrame(OPCODE.text, text(1_001)))
      raw.tcp.write(encodeFrame(OPCODE.text, text(10)))
      expect(await kindsUntilClosed(await station.served.next('socket'))).toEqual(['text', 'overLimit', 'closed'])
      raw.tcp.destroy()
    })

    test('[SOCKET-120] before `admit` all that comes together is bounded, control frames too', async () => {
      await using station = await startStation(adapter, { beforeAdmit })
      const raw = await openRaw(station.port)
      for (let n = 0; n < 40; n++) raw.tcp.write(encodeFrame(OPCODE.ping, text(125)))
      const kinds = await kindsUntilClosed(await station.served.next('socket'))
      expect(kinds.slice(-2)).toEqual(['overLimit', 'closed'])
      expect(kinds.length).toBeLessThan(36)
      raw.tcp.destroy()
    })

    test('[SOCKET-120] a frame that is never complete counts before `admit` where the library tells of it', async () => {
      await using station = await startStation(adapter, { beforeAdmit })
      const raw = await openRaw(station.port)
      const whole = encodeFrame(OPCODE.text, text(60_000))
      raw.tcp.write(whole.subarray(0, 50_000))
      const served = await station.served.next('socket')
      if (!countsPieces) raw.tcp.write(whole.subarray(50_000))
      expect(await kindsUntilClosed(served)).toEqual(['overLimit', 'closed'])
      raw.tcp.destroy()
    })

    test('[SOCKET-120] after `admit` a frame up to the limit is delivered', async () => {
      await using station = await startStation(adapter, {
        beforeAdmit,
        onEvent: (event, socket) => event.kind === 'text' && socket.admit(),
      })
      const raw = await openRaw(station.port)
      raw.tcp.write(encodeFrame(OPCODE.text, text(10)))
      const { events } = await station.served.next('socket')
      await events.next('the small one')
      raw.tcp.write(encodeFrame(OPCODE.text, text(MAX_FRAME_BYTES - 1)))
      await events.next('the large one', (event) => event.kind === 'text' && event.frame.length > 10)
      raw.tcp.destroy()
    })

    test('[SOCKET-121] pongs that the client does not read end its socket before they are many', async () => {
      await using station = await startStation(adapter)
      const raw = await openRaw(station.port)
      raw.tcp.pause()
      const { socket, events } = await station.served.next('socket')
      const pings = Buffer.concat(Array.from({ length: 400 }, () => encodeFrame(OPCODE.ping, text(125))))
      let peakBytes = 0
      for (let round = 0; round < 600 && !raw.tcp.destroyed && !isOver(events.all); round++) {
        await new Promise((resolve) => raw.tcp.write(pings, resolve))
        peakBytes = Math.max(peakBytes, socket.bufferedBytes())
      }
      await events.next('close', ({ kind }) => kind === 'closed')
      expect(peakBytes).toBeLessThan(MAX_UNSENT_BYTES + 2 * pings.length)
      raw.tcp.destroy()
    })

    test('[SOCKET-122] a frame in very many pieces ends its socket where each piece is held by itself', async () => {
      await using station = await startStation(adapter)
      const raw = await openRaw(station.port)
      raw.tcp.setNoDelay(true)
      const { events } = await station.served.next('socket')
      const frame = encodeFrame(OPCODE.text, text(1_000))
      for (let at = 0; at < frame.length && !isOver(events.all); at++) {
        raw.tcp.write(frame.subarray(at, at + 1))
        // The other end of the connection, in this process too, reads it by itself.
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect((await events.next('frame or close')).kind).toBe(countsPieces ? 'closed' : 'text')
      raw.tcp.destroy()
    })

    test('[SOCKET-122] so does a message in very many fragments, also when they are empty', async () => {
      await using station = await startStation(adapter)
      const raw = await openRaw(station.port)
      raw.tcp.write(encodeFrame(OPCODE.text, text(1), false))
      const empty = encodeFrame(OPCODE.continuation, text(0), false)
      raw.tcp.write(Buffer.concat(Array.from({ length: 2_000 }, () => empty)))
      raw.tcp.write(encodeFrame(OPCODE.continuation, text(1)))
      const { events } = await station.served.next('socket')
      expect((await events.next('frame or close')).kind).toBe(countsPieces ? 'closed' : 'text')
      if (countsPieces) await closeFrame(raw, 1008)
      raw.tcp.destroy()
    })
  })
}

async function kindsUntilClosed({ events }: { readonly events: Events }): Promise<readonly string[]> {
  await events.next('close', ({ kind }) => kind === 'closed')
  return events.all.map(({ kind }) => kind)
}

interface Events {
  readonly all: readonly SocketEvent[]
  next(what: string, where?: (event: SocketEvent) => boolean): Promise<SocketEvent>
}

function isOver(events: readonly SocketEvent[]): boolean {
  return events.some(({ kind }) => kind === 'closed')
}

function closeFrame(raw: RawClient, code: number): Promise<void> {
  return raw.seen(Buffer.from([0x88, 0x02, code >> 8, code & 0xff]).toString('latin1'))
}
