import type { TurnTelemetry } from '../../orchestrator/ports.ts'
import type { ErrorKind } from '../../protocol/error.ts'
import type { Request } from '../../protocol/up.ts'

/**
 * What the gateway tells of itself. Ids, figures and kinds; never a user's text (DESIGN 3, rule 9). Called on the hot
 * path: cheap, and must not throw.
 */
export interface Telemetry {
  readonly log: Log
  readonly turns: TurnTelemetry
  readonly sockets: SocketTelemetry
  readonly http: HttpTelemetry
  readonly store: StoreTelemetry
  /** How each target does, asked when the metrics are. */
  watchTargets(states: () => ReadonlyMap<string, 'closed' | 'half-open' | 'open'>): void
  /** Prometheus' text format. */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>
  /** Flushes what is not yet exported; bounded in time. */
  close(): Promise<void>
}

/** What `Gateway.state` says, as far as it is a metric. */
export interface NodeGauges {
  readonly watchedSessions: number
  readonly runningTurns: number
  readonly isDraining: boolean
}

/** pino's shape, as far as it is used. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** The trace that an upgrade or a request names. */
export interface IncomingTrace {
  readonly traceparent: string
  /** A proxy of SLUICE_TRUSTED_PROXIES sent it. Anybody else's is linked to, and decides nothing. */
  readonly isTrusted: boolean
}

export interface SocketTelemetry {
  opened(connection: string): void
  welcomed(connection: string, client: string): void
  closed(connection: string, code: number, openMs: number): void
  /** A text frame came, of so many UTF-16 units. */
  frameCame(length: number): void
  refused(kind: ErrorKind | string): void
  /** A bug in serving one socket; it is closed. */
  failed(connection: string, error: unknown): void
  /** A session was opened: anew, going on at a cursor, or with a cursor that was refused. */
  sessionOpened(how: 'new' | 'resumed' | 'reset'): void
  /** Any frame, of so many bytes. */
  frameSent(bytes: number): void
  /** It was a delta. */
  deltaSent(): void
  /** A reader began to wait for a slow socket. */
  held(): void
  /** From the arrival of a token from the provider to the write of the frame that carries it. */
  addedLatency(ms: number): void
  /** Runs `serve` in a span named after the request, ids as attributes. */
  traced(
    request: Request,
    connection: string,
    incoming: IncomingTrace | undefined,
    serve: () => Promise<void>,
  ): Promise<void>
}

export interface StoreTelemetry {
  /** The connection that commands go by was made, or lost. */
  connected(isConnected: boolean): void
  /** Something stored or published was of a version that this node does not know, and was left out. */
  unknownVersion(): void
  /** Something was not written: a subject or a tenant has as many sessions, or as many bytes, as it may. */
  shareRefused(of: 'subject' | 'tenant', unit: 'sessions' | 'bytes'): void
  /** A feed found something in the store that no message had told of. */
  repaired(): void
}

export interface HttpTelemetry {
  /** `route` is the route's pattern, not the path. */
  answered(route: string, method: string, status: number, ms: number): void
}
