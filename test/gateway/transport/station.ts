/** A real transport on a free port whose handlers write down what they are told. */
import type {
  CreateTransport,
  HttpHandler,
  Socket,
  SocketHandlers,
  Transport,
  TransportOptions,
  Upgrade,
  WholeHandler,
} from '../../../gateway/transport/transport.ts'
import { Arrivals } from './arrivals.ts'

export const SOCKET_PATH = '/v1/socket'
export const SUBPROTOCOL = 'sluice.v1'
export const MAX_FRAME_BYTES = 64 * 1024

/** What one library does otherwise than the other. Each line is asserted on both. */
interface Differences {
  /** The client's close code after a frame over the limit. */
  readonly oversize: number
  /** The client's close code after a text frame that is not UTF-8. */
  readonly invalidUtf8: number
  /** The gateway's code when the client never answers its close frame 4001. */
  readonly unansweredClose: number
  /** A streamed answer's status and headers come before its first piece is there. */
  readonly headAhead: boolean
  /** A frame that is not complete counts before `admit`; and one in very many pieces closes its socket. */
  readonly countsPieces: boolean
  /** HTTP/1.0, and targets that name their host, are served; otherwise they are 505. */
  readonly oldHttp: boolean
}

export interface Adapter {
  readonly name: string
  readonly create: CreateTransport
  readonly differences: Differences
}

export type SocketEvent =
  | { readonly kind: 'text'; readonly frame: string }
  | { readonly kind: 'binary' }
  | { readonly kind: 'overLimit' }
  | { readonly kind: 'pong'; readonly payload: string }
  | { readonly kind: 'alive' }
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }

export interface Served {
  readonly upgrade: Upgrade
  readonly socket: Socket
  readonly events: Arrivals<SocketEvent>
}

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

export interface StationOptions {
  readonly host?: string
  readonly port?: number
  readonly tls?: NonNullable<TransportOptions['tls']>
  readonly fetch?: HttpHandler
  readonly answerWhole?: WholeHandler
  readonly admit?: NonNullable<TransportOptions['admit']>
  readonly timeouts?: NonNullable<TransportOptions['timeouts']>
  /** Absent: no bound of its own. */
  readonly beforeAdmit?: TransportOptions['beforeAdmit']
  /** Called before the event is written down; it may throw. */
  readonly onEvent?: (event: SocketEvent, socket: Socket) => void
  readonly onAccept?: (upgrade: Upgrade, socket: Socket) => void
}

export class Station implements AsyncDisposable {
  readonly transport: Transport
  readonly served = new Arrivals<Served>('sockets')
  readonly log = new Arrivals<LogLine>('log')
  port = 0
  readonly #options: StationOptions

  constructor(adapter: Adapter, options: StationOptions) {
    this.#options = options
    this.transport = adapter.create({
      host: options.host ?? '127.0.0.1',
      port: options.port ?? 0,
      ...(options.tls && { tls: options.tls }),
      ...(options.answerWhole && { answerWhole: options.answerWhole }),
      ...(options.admit && { admit: options.admit }),
      ...(options.timeouts && { timeouts: options.timeouts }),
      maxFrameBytes: MAX_FRAME_BYTES,
      beforeAdmit: options.beforeAdmit ?? { frameBytes: MAX_FRAME_BYTES, totalBytes: Number.POSITIVE_INFINITY },
      socketPath: SOCKET_PATH,
      subprotocol: SUBPROTOCOL,
      fetch: options.fetch ?? (() => new Response('nothing here', { status: 404 })),
      accept: (upgrade, socket) => this.#accept(upgrade, socket),
      log: {
        info: (fields, message) => this.log.push({ level: 'info', fields, message }),
        warn: (fields, message) => this.log.push({ level: 'warn', fields, message }),
        error: (fields, message) => this.log.push({ level: 'error', fields, message }),
      },
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get socketUrl(): string {
    return `ws://127.0.0.1:${this.port}${SOCKET_PATH}`
  }

  async start(): Promise<this> {
    this.port = (await this.transport.listen()).port
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close()
  }

  #accept(upgrade: Upgrade, socket: Socket): SocketHandlers {
    const events = new Arrivals<SocketEvent>('events')
    this.#options.onAccept?.(upgrade, socket)
    this.served.push({ upgrade, socket, events })
    const tell = (event: SocketEvent) => {
      events.push(event)
      this.#options.onEvent?.(event, socket)
    }
    return {
      text: (frame) => tell({ kind: 'text', frame }),
      binary: () => tell({ kind: 'binary' }),
      overLimit: () => tell({ kind: 'overLimit' }),
      pong: (payload) => tell({ kind: 'pong', payload }),
      alive: () => tell({ kind: 'alive' }),
      closed: (code, reason) => tell({ kind: 'closed', code, reason }),
    }
  }
}

export function startStation(adapter: Adapter, options: StationOptions = {}): Promise<Station> {
  return new Station(adapter, options).start()
}
