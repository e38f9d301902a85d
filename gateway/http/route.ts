import type { Context } from 'hono'
import type { z } from 'zod'
import type { ErrorKind } from '../../protocol/error.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Identity } from '../auth/identity.ts'
import type { Operation } from '../auth/permissions.ts'
import type { Chat } from '../chat.ts'
import type { AddressRange } from '../config/network.ts'
import type { WebConfig } from '../config/shape.ts'
import type { Strangers } from '../strangers.ts'
import type { HttpTelemetry, Log } from '../telemetry/ports.ts'
import type { Guest, Peer } from '../transport/transport.ts'
import type { ReadUsage } from '../usage.ts'
import type { KeptAnswer } from './kept-answer.ts'
import type { StreamPlaces } from './stream-places.ts'
import type { StreamTokens } from './stream-tokens.ts'
import type { SubjectRequests } from './subject-requests.ts'
import type { StreamParts } from './turn-events.ts'

/** A route: what it answers and what the OpenAPI document says of it, side by side, so that the two cannot drift. Routes are
 * constants; what they work with comes with each call. */
export type Route = OpenRoute | GuardedRoute

interface Described {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** As hono writes it: `/v1/sessions/:session`. */
  readonly path: string
  readonly document: RouteDocument
}

/** For everybody. */
export interface OpenRoute extends Described {
  readonly access: 'open'
  /** What the route answers to everybody alike: given without its `handle` where no origin has to be judged. */
  readonly kept?: () => KeptAnswer
  handle(call: Call): Promise<Response> | Response
}

/** For who brings a token that permits `access`. */
export interface GuardedRoute extends Described {
  readonly access: Operation
  handle(call: Call, identity: Identity): Promise<Response> | Response
}

export interface RouteDocument {
  /** The `operationId`. */
  readonly id: string
  readonly summary: string
  readonly query?: z.ZodObject
  readonly headers?: readonly HeaderName[]
  readonly body?: { readonly schema: z.ZodType; readonly isOptional?: boolean }
  readonly answers: readonly RouteAnswer[]
  /** Beside those that every guarded route may give. */
  readonly refusals?: readonly ErrorKind[]
}

export type HeaderName = 'idempotency-key' | 'last-event-id' | 'prefer' | 'accept'

export interface RouteAnswer {
  readonly status: number
  readonly description: string
  /** By media type; absent: no body. */
  readonly content?: Readonly<Record<string, z.ZodType>>
}

export interface HttpEnv {
  Bindings: { peer: Peer; guest: Guest | undefined; address: string }
  Variables: { requestId: string; route: string; subject: string }
}

export interface Call {
  readonly parts: RouteParts
  readonly context: Context<HttpEnv>
  readonly request: Request
  /** Of the path; each matches the id pattern. */
  param(name: 'session' | 'turn'): string
  /** What answers to this request name as `ref`: its `x-request-id`. */
  readonly ref: string
}

export interface HttpDeps extends StreamParts {
  readonly chat: Chat
  readonly authenticator: Authenticator
  readonly web: WebConfig
  readonly trustedProxies: readonly AddressRange[]
  /** Streams and waiting answers of one subject on this node; more are refused as rate-limited. */
  readonly streamsPerSubject: number
  /** Requests a second of one subject on this node; more are refused as rate-limited. */
  readonly requestsPerSecond: number
  readonly strangers: Strangers
  /** How many times a request counts against its subject's rate. */
  readonly costFactor: () => number
  /** Whether clients reach this listener over TLS of its own. */
  readonly isTls: boolean
  /** Where the built page is: `index.html` and `assets/`. It need not exist. */
  readonly pageDir: string
  readonly readiness: () => { readonly ready: boolean; readonly reasons: readonly string[] }
  readonly isDraining: () => boolean
  /** What `GET /v1/admin/node` answers. */
  readonly nodeState: () => object
  readonly usage: ReadUsage
  readonly logger: Log
  readonly telemetry: HttpTelemetry
  /** Milliseconds since 1970; what the end of a stream's token is compared with. */
  readonly nowMs: () => number
}

/** What the routes share beside what they are given. */
export interface RouteParts extends HttpDeps {
  readonly places: StreamPlaces
  readonly tokens: StreamTokens
  readonly requests: SubjectRequests
}
