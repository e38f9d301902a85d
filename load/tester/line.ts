import { WebSocket } from 'ws'
import type { Down } from '../../protocol/down.ts'
import type { Up } from '../../protocol/up.ts'
import { protocolVersion } from '../../protocol/version.ts'
import type { World } from './world.ts'
import { WrongAnswer } from './wrong-answer.ts'

export interface LineEvents {
  open(): void
  /** May throw a `WrongAnswer`: it ends the socket and goes to `closed`. */
  frame(frame: Down): void
  /** Once, last. `code` as it was received; 1006: without a close frame, or it was never open. */
  closed(code: number, error: Error | undefined): void
}

/** One socket as the load tester uses it: it counts what comes, and can be cut and slowed down. */
export interface Line {
  /** Nothing happens when it is not open. */
  send(frame: Up): void
  /** Without a close frame, as a phone in a tunnel. */
  cut(): void
  close(): void
}

/** Dials. A slow line reads no more than so many bytes a second: the rest waits in the kernel, and then with the gateway. */
export function dial(world: World, url: string, slowBytesPerSecond: number | undefined, events: LineEvents): Line {
  const { tally, stopped } = world
  const socket = new WebSocket(url, protocolVersion, { perMessageDeflate: false })
  let failure: Error | undefined
  const cut = () => socket.terminate()
  stopped.addEventListener('abort', cut, { once: true })
  const slowDown = slowBytesPerSecond === undefined ? undefined : slowReading(socket, slowBytesPerSecond)
  tally.count('sockets')
  tally.socketCount++
  socket.on('error', (error) => {
    failure ??= error
  })
  socket.on('open', () => events.open())
  socket.on('message', (data: Buffer) => {
    tally.count('frames')
    tally.count('bytes', data.length)
    slowDown?.(data.length)
    try {
      if (failure === undefined) events.frame(parsed(data))
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error))
      cut()
    }
  })
  socket.on('close', (code) => {
    stopped.removeEventListener('abort', cut)
    tally.socketCount--
    events.closed(code, failure)
  })
  const send = (frame: Up) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame))
  }
  // A slow reader would read all that is left before it found the other side's close frame.
  return { send, cut, close: () => (slowDown === undefined ? socket.close(1000) : cut()) }
}

function parsed(data: Buffer): Down {
  const text = data.toString('utf8')
  try {
    const frame: unknown = JSON.parse(text)
    // The gateway is the one under test: what matters of its frames is checked by whoever uses them, without the price of a
    // schema on every token.
    if (typeof frame === 'object' && frame !== null && 'type' in frame) return frame as Down
  } catch {
    // Told below.
  }
  throw new WrongAnswer('frame', `a frame is no JSON object with a type: ${text.slice(0, 200)}`)
}

/** Takes note of what was read, and reads on when that much time has gone by. */
function slowReading(socket: WebSocket, bytesPerSecond: number): (bytes: number) => void {
  let freeMs = 0
  let resuming: NodeJS.Timeout | undefined
  socket.on('close', () => clearTimeout(resuming))
  return (bytes) => {
    const nowMs = performance.now()
    freeMs = Math.max(freeMs, nowMs) + (1_000 * bytes) / bytesPerSecond
    socket.pause()
    clearTimeout(resuming)
    resuming = setTimeout(() => socket.resume(), freeMs - nowMs)
  }
}
