/** Real clients: `ws` for what a good client does, plain TCP for what a bad one does. */
import { connect, type Socket as TcpSocket } from 'node:net'
import { type ClientOptions, WebSocket } from 'ws'
import { Arrivals } from './arrivals.ts'
import { SOCKET_PATH } from './station.ts'

type ClientEvent =
  | { readonly kind: 'text'; readonly frame: string }
  | { readonly kind: 'ping'; readonly payload: string }
  | { readonly kind: 'pong'; readonly payload: string }
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }

export interface Client {
  readonly webSocket: WebSocket
  readonly events: Arrivals<ClientEvent>
}

/** Resolves when it is open; rejects with what the handshake failed with. */
export function openClient(url: string, protocols: string[] = [], options: ClientOptions = {}): Promise<Client> {
  const webSocket = new WebSocket(url, protocols, options)
  const events = new Arrivals<ClientEvent>('client')
  webSocket.on('message', (data) => events.push({ kind: 'text', frame: data.toString() }))
  webSocket.on('ping', (payload) => events.push({ kind: 'ping', payload: payload.toString() }))
  webSocket.on('pong', (payload) => events.push({ kind: 'pong', payload: payload.toString() }))
  webSocket.on('close', (code, reason) => events.push({ kind: 'closed', code, reason: reason.toString() }))
  return new Promise((resolve, reject) => {
    webSocket.once('error', reject)
    webSocket.once('open', () => {
      webSocket.off('error', reject)
      webSocket.on('error', () => undefined) // `close` follows and is what tests look at
      resolve({ webSocket, events })
    })
  })
}

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A masked client frame; the mask is zero, so that the payload stays legible. */
export function encodeFrame(opcode: number, payload: Uint8Array, isFinal = true): Buffer {
  const head = payload.length < 126 ? Buffer.alloc(2) : Buffer.alloc(4)
  head[0] = (isFinal ? 0x80 : 0) | opcode
  head[1] = 0x80 | Math.min(payload.length, 126)
  if (payload.length >= 126) head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, Buffer.alloc(4), payload])
}

/** A TCP connection that sent these bytes and writes down what it is answered. */
export class RawClient {
  readonly tcp: TcpSocket
  readonly bytes = new Arrivals<Buffer>('bytes')
  readonly ended = new Arrivals<'end' | 'close'>('end of connection')

  constructor(port: number, first: string | Buffer, options: { readonly allowHalfOpen?: boolean } = {}) {
    this.tcp = connect({ port, host: '127.0.0.1', ...options })
    this.tcp.on('data', (bytes) => this.bytes.push(bytes))
    this.tcp.on('end', () => this.ended.push('end'))
    this.tcp.on('close', () => this.ended.push('close'))
    this.tcp.on('error', () => undefined) // `close` follows
    this.tcp.write(first)
  }

  get received(): string {
    return Buffer.concat(this.bytes.all).toString('latin1')
  }

  /** Resolves when all that came contains the text. */
  async seen(text: string): Promise<void> {
    while (!this.received.includes(text)) await this.bytes.next(JSON.stringify(text))
  }
}

/** A WebSocket handshake by hand; resolves when it is done. */
export async function openRaw(port: number, options: { readonly allowHalfOpen?: boolean } = {}): Promise<RawClient> {
  const raw = new RawClient(port, upgradeRequest(SOCKET_PATH), options)
  await raw.seen('\r\n\r\n')
  return raw
}

export function upgradeRequest(path: string, method = 'GET'): string {
  return [
    `${method} ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    '\r\n',
  ].join('\r\n')
}
