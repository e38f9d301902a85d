/**
 * What the gateway needs of a socket library, and nothing more, so that `ws` and uWebSockets.js are interchangeable.
 *
 * A transport owns the listener: TLS, HTTP, the upgrade at `socketPath`, frames. It knows no protocol. It hands each
 * socket's events to the handlers in order, one at a time, and never calls them again after `closed`. An exception from
 * a handler closes that socket with 4000 and is logged; it never leaves the transport.
 */
export interface Transport {
  /** Resolves when connections are accepted. Rejects with a message that names the address and what to do. */
  listen(): Promise<{ readonly host: string; readonly port: number }>
  /** No new connections and no new requests on idle ones; sockets and requests under way go on. */
  stopListening(): void
  /** Ends everything that is left, at once. */
  close(): Promise<void>
}

export interface TransportOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** PEM files; read again, whole or not at all, when they change. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string }
  /** A larger frame loses the socket: `ws` closes with 1009, uWS without a close frame (1006). */
  readonly maxFrameBytes: number
  /**
   * What a socket may send until `Socket.admit`: bytes of one text frame, and bytes in all. Beyond, nothing more of it is
   * delivered, and `overLimit` is called. `ws` counts every byte that arrives and stops reading. uWS counts whole frames:
   * it has no limit for one socket, and holds up to `maxFrameBytes` of an unfinished frame.
   */
  readonly beforeAdmit: { readonly frameBytes: number; readonly totalBytes: number }
  readonly socketPath: string
  readonly subprotocol: string
  readonly fetch: HttpHandler
  /** Asked before `fetch`, and for an upgrade at `socketPath` before it is accepted. Absent: `fetch` answers everything. */
  readonly answerWhole?: WholeHandler
  readonly accept: SocketAcceptor
  /** Called for each TCP connection, before TLS and HTTP. `undefined` closes it at once. Absent: every connection may stay. */
  readonly admit?: (address: string) => Admission | undefined
  /** Instead of `keepAliveMs` and `untakenAnswerMs`, where the library has none of its own. */
  readonly timeouts?: { readonly keepAliveMs: number; readonly untakenAnswerMs: number }
  readonly log: TransportLog
}

export interface TransportLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/**
 * Every HTTP request but the upgrade. `request.signal` aborts when the client goes away; a streamed response body is
 * pulled only as fast as the client takes it.
 */
export type HttpHandler = (request: Request, peer: Peer) => Response | Promise<Response>

/**
 * Answers a request from its head alone, without web objects; `undefined` leaves it to `fetch`, or accepts the upgrade.
 * Must not throw.
 */
export type WholeHandler = (head: RequestHead, peer: Peer) => WholeAnswer | undefined

export interface RequestHead {
  readonly method: string
  /** The path with its query. */
  readonly url: string
  /** Whether this is an upgrade at the socket's path. */
  readonly isUpgrade: boolean
  /** By its name in lower case; `undefined` when it was not sent. */
  header(name: string): string | undefined
}

/** The transport adds `Content-Length`, and leaves the body of an answer to HEAD out. */
export interface WholeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Shared between answers: nobody changes it. */
  readonly body: Uint8Array
  /** The connection is closed with this answer. */
  readonly isLast?: boolean
  /** It is sent after this, in milliseconds. Until then the connection can ask for nothing else. */
  readonly delayMs?: number
}

export interface Peer {
  /** The TCP peer's address, as text: 127.0.0.1, ::1. */
  readonly address: string
  /** The connection's place, where `admit` gave one. */
  readonly guest?: Guest
}

export interface Admission {
  /** Its address is above its rate: it waits in the slow lane before anything of it is read. */
  readonly isSlow?: boolean
  /** Absent: the connection is not counted. */
  readonly guest?: Guest
}

/** The place of a connection among those that have shown no good token. Every method may be called at any time, repeatedly. */
export interface Guest {
  /** A good token was shown: the connection does not count until `idle`. */
  earned(): void
  /** The request was answered: the connection counts again. */
  idle(): void
  /** The connection is gone: it never counts again. */
  closed(): void
}

/** The upgrade request, as far as anybody asks. Header values as sent; absent when not sent. */
export interface Upgrade extends Peer {
  /** The path with its query. */
  readonly url: string
  readonly host?: string
  readonly origin?: string
  readonly authorization?: string
  readonly forwardedFor?: string
  readonly forwardedProto?: string
  readonly forwardedHost?: string
  readonly forwarded?: string
  readonly traceparent?: string
  readonly userAgent?: string
}

/** Called once the upgrade was accepted (it always is: a browser learns reasons only from close codes). */
export type SocketAcceptor = (upgrade: Upgrade, socket: Socket) => SocketHandlers

export interface Socket {
  /** Sends one text frame. A Buffer holds its UTF-8, may be shared between sockets and must not change. After the close it does nothing. A
   * socket for which the library holds more than 2 MiB is ended (1006): no frame is dropped in silence. */
  send(frame: string | Buffer): void
  /** The client is known: from now on `beforeAdmit` does not bound what it sends. */
  admit(): void
  /** A WebSocket ping; `payload` is at most 125 bytes of ASCII and comes back in `pong`, after all that was sent before was read. */
  ping(payload: string): void
  /** Sends a close frame; `closed` follows, after at most 2 s. The reason is cut to 123 bytes. */
  close(code: number, reason: string): void
  /** Ends the connection without a close frame. */
  terminate(): void
  /** Bytes that the library holds because the kernel does not take them. */
  bufferedBytes(): number
}

export interface SocketHandlers {
  /** A whole text frame, valid UTF-8. */
  text(frame: string): void
  /** A whole binary frame came; its content does not matter. */
  binary(): void
  /** The client sent more than it may before `admit`. Once, and nothing but `closed` follows: close the socket. */
  overLimit(): void
  pong(payload: string): void
  /** Any sign of life below the frames: a ping by the client. */
  alive(): void
  /** Once, last. 1006 when there was no close frame; on uWS the code that the gateway itself closed with. */
  closed(code: number, reason: string): void
}

export type CreateTransport = (options: TransportOptions) => Transport
