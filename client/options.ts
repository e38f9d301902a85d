import { socketPath } from '../protocol/version.ts'
import type { Bounds } from './bounds.ts'
import type { TokenReason } from './state.ts'

export interface ClientOptions {
  /** The gateway: `https://chat.example`, or the socket itself, `wss://chat.example/v1/socket`. */
  readonly url: string
  /**
   * Gives a token: at first, when the one in use `expiring`, or after it was `refused`. What it throws counts as "not
   * now" and is tried again with backoff; after three refusals in a row the client stops.
   */
  readonly getToken: (reason: TokenReason) => string | Promise<string>
  /** Any WebSocket class, such as that of `ws`. Default: the global one. */
  readonly WebSocket?: WebSocketClass
  /** Name and version of the application, for the gateway's logs; at most 128 characters. */
  readonly client?: string
  /** Overrides single ones of the client's bounds. */
  readonly limits?: Partial<Bounds>
  /** From 0 up to 1. Default `Math.random`; spreads reconnects. */
  readonly random?: () => number
  /** Milliseconds that never go back, near to those since 1970. Default: the performance clock's. */
  readonly now?: () => number
}

/** What the client uses of a WebSocket. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send(data: string): void
  close(code?: number, reason?: string): void
}

export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike

/** `http` becomes `ws`, and what is no socket's address gets the path of one. */
export function socketUrl(url: string): string {
  const [address = '', query] = url.split('?', 2)
  const socket = address.replace(/^http/, 'ws')
  const whole = socket.endsWith(socketPath) ? socket : socket.replace(/\/+$/, '') + socketPath
  return query === undefined ? whole : `${whole}?${query}`
}

/** The wall clock may be set back, which would make waits endless; the performance clock never is. */
export function steadyClock(): () => number {
  if (typeof performance === 'undefined') return Date.now
  const offset = Date.now() - performance.now()
  return () => Math.floor(offset + performance.now())
}

/** 32 hex digits. Ids need only be unique, so without `crypto` (plain http on some phones) chance will do. */
export function randomId(random: () => number): string {
  const bytes = new Uint8Array(16)
  if (typeof crypto === 'undefined') bytes.set(Array.from(bytes, () => Math.floor(random() * 256)))
  else crypto.getRandomValues(bytes)
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
