/**
 * As much of uWebSockets.js as the gateway uses. Declared here because the package is an optional peer: the gateway must
 * compile without it. Its own documentation is the authority on what each call does. Where it takes strings as well as
 * bytes, only bytes are declared if the text may be other than ASCII: it writes some strings as Latin-1.
 */
export interface Uws {
  App(): UwsApp
  SSLApp(options: UwsTlsOptions): UwsApp
  us_listen_socket_close(listenSocket: UwsListenSocket): void
  readonly DISABLED: number
}

interface UwsTlsOptions {
  readonly key_file_name: string
  readonly cert_file_name: string
  readonly ssl_ciphers: string
  readonly ssl_prefer_low_memory_usage: boolean
}

/** A native pointer; using it after its close ends the process. */
export type UwsListenSocket = object

export interface UwsApp {
  ws(pattern: string, behavior: UwsBehavior): UwsApp
  any(pattern: string, handler: (res: UwsResponse, req: UwsRequest) => void): UwsApp
  /** `change` is 1 for a TCP connection that came, -1 for one that went, which `res` does not identify. */
  filter(each: (res: UwsResponse, change: number) => void): UwsApp
  listen(host: string, port: number, listening: (listenSocket: UwsListenSocket | false) => void): UwsApp
  close(): UwsApp
}

export interface UwsBehavior {
  readonly compression: number
  readonly maxPayloadLength: number
  readonly maxBackpressure: number
  readonly closeOnBackpressureLimit: boolean
  readonly idleTimeout: number
  readonly sendPingsAutomatically: boolean
  upgrade(res: UwsResponse, req: UwsRequest, context: object): void
  open(webSocket: UwsWebSocket): void
  message(webSocket: UwsWebSocket, message: ArrayBuffer, isBinary: boolean): void
  ping(webSocket: UwsWebSocket, payload: ArrayBuffer): void
  pong(webSocket: UwsWebSocket, payload: ArrayBuffer): void
  close(webSocket: UwsWebSocket, code: number, reason: ArrayBuffer): void
}

/** Must not be touched after the close handler. */
export interface UwsWebSocket {
  /** 0: buffered, 1: sent, 2: dropped because `maxBackpressure` was exceeded. */
  send(frame: Uint8Array, isBinary: boolean, compress: boolean): number
  ping(payload: Uint8Array): number
  /** Sends a close frame; calls the close handler before it returns. */
  end(code: number, reason: Uint8Array): void
  /** Sends none; calls the close handler before it returns. */
  close(): void
  getBufferedAmount(): number
  /** The properties of `upgrade`'s user data are copied onto the object, which is its own user data. */
  getUserData(): unknown
}

/** Must not be touched after the request handler has returned. */
export interface UwsRequest {
  getHeader(lowerCaseName: string): string
  getUrl(): string
  getQuery(): string
  getCaseSensitiveMethod(): string
  forEach(each: (name: string, value: string) => void): void
}

/** Must not be touched after `onAborted` or an end. */
export interface UwsResponse {
  writeStatus(status: string): UwsResponse
  /** `value` as a string is ASCII. */
  writeHeader(name: string, value: string | Uint8Array): UwsResponse
  /** False when the client does not take more; the chunk is kept in any case. */
  write(chunk: Uint8Array): boolean
  end(body?: Uint8Array, closeConnection?: boolean): UwsResponse
  /** Writes with a Content-Length as much as the kernel takes. Answers whether that was everything it was given, and all of the body. */
  tryEnd(body: Uint8Array, totalBytes: number): [boolean, boolean]
  endWithoutBody(reportedContentLength?: number, closeConnection?: boolean): UwsResponse
  close(): UwsResponse
  pause(): void
  resume(): void
  onWritable(handler: (offset: number) => boolean): UwsResponse
  onAborted(handler: () => void): UwsResponse
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): UwsResponse
  getRemoteAddressAsText(): ArrayBuffer
  getRemotePort(): number
  /** What a PROXY protocol header in front of the request said; empty without one. */
  getProxiedRemoteAddress(): ArrayBuffer
  cork(write: () => void): UwsResponse
  upgrade(userData: object, key: string, protocol: string, extensions: string, context: object): void
}
