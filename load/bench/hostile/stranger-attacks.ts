import { finPing, masked, maskedText, upgradeRequest } from '../raw-socket.ts'
import type { Attack } from './line.ts'
import { type ShapeName, shapeFrame } from './shapes.ts'
import type { Stage } from './stage.ts'

/** Attacks on sockets before they are welcome. */

const text = 0x01
const finText = 0x81
const continuation = 0x00
const frameCount = 20

/**
 * Frames of 1 MiB before `hello`, one behind the other on one socket; when it ends, on the next one, until all were sent
 * or the time is over.
 */
export function firstFrames(names: readonly ShapeName[]) {
  return (stage: Stage): Attack => {
    const frames = names.map(shapeFrame)
    return async () => {
      let socket = dialed(stage)
      for (let n = 0; n < frameCount && !stage.isOver; n++) {
        if (socket.destroyed) socket = dialed(stage)
        stage.requestCount++
        await stage.send(socket, frames[n % frames.length] ?? '')
      }
      await stage.pause(1_000)
    }
  }
}

/** A `hello` whose key has to be fetched, and behind it as many frames of 1 MiB as are held. */
export function heldFrames(socketCount: number, framesEach: number) {
  return (stage: Stage): Attack => {
    const frame = shapeFrame('duplicate-keys')
    return () =>
      each(stage, socketCount, async (n) => {
        const socket = dialed(stage)
        await stage.send(socket, maskedText(JSON.stringify({ type: 'hello', token: unknownKeyToken(n) })))
        for (let sent = 0; sent < framesEach; sent++) if (!(await stage.send(socket, frame))) return
        await stage.pause(10_000)
      })
  }
}

/** One frame of 1 MB, each byte in a segment of its own. */
export function oneByteSegments(socketCount: number) {
  return (stage: Stage): Attack =>
    () =>
      each(stage, socketCount, async () => {
        const socket = dialed(stage)
        const frame = masked(finText, Buffer.alloc(1_000_000, 0x20))
        for (let at = 0; at < frame.length && !stage.isOver; at++) {
          // Each write is a segment, since the socket does not wait for more (noDelay).
          if (!(await stage.send(socket, frame.subarray(at, at + 1)))) return
          if (at % 16 === 0) await new Promise((resolve) => setImmediate(resolve))
        }
      })
}

/** One message in fragments of `bytesEach`, which never ends. */
export function tinyFragments(socketCount: number, bytesEach: number) {
  return (stage: Stage): Attack => {
    const first = masked(text, Buffer.from('{'))
    const fragments = repeated(masked(continuation, Buffer.alloc(bytesEach, 0x20)), 1_000)
    return () =>
      each(stage, socketCount, async () => {
        const socket = dialed(stage)
        await stage.send(socket, first)
        while (!stage.isOver && (await stage.send(socket, fragments))) stage.requestCount += 1_000
      })
  }
}

/** Pings of 125 bytes, whose pongs nobody reads. */
export function unreadPongs(socketCount: number) {
  return (stage: Stage): Attack =>
    () =>
      each(stage, socketCount, async () => {
        const socket = dialed(stage)
        while (!stage.isOver && (await stage.send(socket, pings))) stage.requestCount += pingsAtOnce
      })
}

const pingsAtOnce = 500
export const pings = repeated(masked(finPing, Buffer.alloc(125, 0x61)), pingsAtOnce)

/** Sockets that open and say nothing. */
export function silentSockets(socketCount: number) {
  return (stage: Stage): Attack =>
    () =>
      each(stage, socketCount, async (n) => {
        await stage.pause(n)
        dialed(stage).resume()
        await stage.pause(60_000)
      })
}

/** A `hello` that is refused, and the next socket at once. */
export function badHellos(atOnce: number, token: (stage: Stage, n: number) => string) {
  return (stage: Stage): Attack =>
    () =>
      stage.loop(stage.part(atOnce), async () => {
        const socket = dialed(stage)
        const hello = JSON.stringify({ type: 'hello', token: token(stage, stage.requestCount++) })
        await stage.send(socket, maskedText(hello))
        await stage.wait<void>((done) => {
          const refused = (bytes: Buffer) => {
            if (bytes.includes('"error"')) done()
          }
          socket.on('data', refused).once('close', done).once('end', done).resume()
          if (socket.destroyed) done()
        }, undefined)
        // Without waiting for the end of the closing handshake.
        stage.drop(socket)
      })
}

/** The attacker's own token with another signature. */
export function forgedToken(stage: Stage, n: number): string {
  const [head, claims] = stage.options.token.split('.')
  return `${head}.${claims}.${Buffer.from(`forged ${n} `.repeat(4)).toString('base64url').slice(0, 43)}`
}

/** As long as a token may be, 16 KiB. */
export function longToken(_: Stage, n: number): string {
  return unsigned({ alg: 'HS256' }, { sub: `s${n}`, exp: 4e9, pad: 'x'.repeat(12_000) })
}

export function unknownKeyToken(n: number): string {
  return unsigned({ alg: 'RS256', kid: `unknown-${n}` }, { sub: `s${n}`, exp: 4e9 })
}

function unsigned(head: object, claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(head)}.${part(claims)}.${Buffer.alloc(256, 7).toString('base64url')}`
}

/** A connection that asks to become a socket. It does not wait for the answer and reads nothing. */
function dialed(stage: Stage) {
  const socket = stage.connect()
  socket.write(upgradeRequest(stage.socketUrl))
  return socket
}

function repeated(frame: Buffer, count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => frame))
}

async function each(stage: Stage, count: number, work: (n: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: stage.part(count) }, (_, n) => work(n)))
}
