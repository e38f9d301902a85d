/**
 * A WebSocket client for benchmarks alone, of a few hundred bytes and microseconds: where thousands of sockets are opened at
 * once the driver must cost less than the server. It asks for no extensions, checks no accept key, masks with zeros
 * (RFC 6455 allows any key) and reads whole text frames. A server that sends anything else closes it with a fault.
 */
import { connect, type Socket } from 'node:net'

const finText = 0x81
export const finPing = 0x89
const finPong = 0x8a
const maskBit = 0x80
const closeOpcode = 0x88

export interface RawSocketHandlers {
  opened(): void
  /** The payload is a view of memory that is used again. */
  text(payload: Buffer): void
  /** Once, however it ended. */
  closed(): void
}

export class RawSocket {
  readonly connection: Socket
  readonly #handlers: RawSocketHandlers
  #held: Buffer = Buffer.alloc(0)
  #isUpgraded = false

  /** `localAddress`: where the connection comes from; default: the system's choice. */
  constructor(url: string, handlers: RawSocketHandlers, localAddress?: string) {
    const { hostname, port } = new URL(url)
    const from = localAddress === undefined ? {} : { localAddress }
    this.#handlers = handlers
    this.connection = connect({ host: hostname, port: Number(port), noDelay: true, ...from })
    this.connection.write(upgradeRequest(url))
    this.connection.on('data', (bytes: Buffer) => this.#came(bytes))
    this.connection.on('error', () => undefined)
    this.connection.on('close', () => handlers.closed())
  }

  send(text: string): void {
    this.connection.write(maskedText(text))
  }

  /** Without a close frame, as a lost connection. */
  terminate(): void {
    this.connection.destroy()
  }

  #came(bytes: Buffer): void {
    let rest = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
    if (!this.#isUpgraded) {
      const end = rest.indexOf('\r\n\r\n')
      if (end < 0) {
        this.#held = rest
        return
      }
      if (!rest.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101'))) return this.terminate()
      this.#isUpgraded = true
      rest = rest.subarray(end + 4)
      this.#handlers.opened()
    }
    let at = 0
    for (let end = frameEnd(rest, at); end > 0; end = frameEnd(rest, at)) {
      this.#frame(rest[at] ?? 0, rest.subarray(payloadAt(rest, at), end))
      at = end
    }
    this.#held = at === rest.length ? nothing : Buffer.from(rest.subarray(at))
  }

  #frame(opcode: number, payload: Buffer): void {
    if (opcode === finText) this.#handlers.text(payload)
    else if (opcode === finPing) this.connection.write(masked(finPong, payload))
    else if (opcode === closeOpcode) this.terminate()
  }
}

const nothing = Buffer.alloc(0)

export function upgradeRequest(url: string): string {
  const { pathname, host } = new URL(url)
  return (
    `GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
    'sec-websocket-version: 13\r\nsec-websocket-key: c2x1aWNlLWJlbmNobWFyaw==\r\nsec-websocket-protocol: sluice.v1\r\n\r\n'
  )
}

/** A whole text frame, masked with zeros. */
export function maskedText(text: string): Buffer {
  return masked(finText, Buffer.from(text))
}

/** A frame whose first byte (FIN and opcode) is `first`, masked with zeros. */
export function masked(first: number, payload: Buffer): Buffer {
  const { length } = payload
  const headBytes = length < 126 ? 6 : length < 65_536 ? 8 : 14
  const frame = Buffer.alloc(headBytes + length)
  frame[0] = first
  if (headBytes === 6) frame[1] = maskBit | length
  else if (headBytes === 8) {
    frame[1] = maskBit | 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = maskBit | 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  payload.copy(frame, headBytes)
  return frame
}

function payloadAt(bytes: Buffer, at: number): number {
  const length = bytes[at + 1] ?? 0
  return at + (length < 126 ? 2 : length === 126 ? 4 : 10)
}

/** 0: the frame is not whole yet. */
function frameEnd(bytes: Buffer, at: number): number {
  if (bytes.length < at + 2) return 0
  const start = payloadAt(bytes, at)
  if (bytes.length < start) return 0
  const short = bytes[at + 1] ?? 0
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
  return start + length <= bytes.length ? start + length : 0
}
