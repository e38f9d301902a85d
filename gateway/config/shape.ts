/** The configuration as the rest of the program sees it: nested by who uses it, units in the names, secrets wrapped. */
import type { ShareLimits } from '../../sessions/shares.ts'
import type { AddressRange } from './network.ts'
import type { ProxyConfig } from './proxies.ts'
import type { Secret } from './secret.ts'
import type { JwtAlgorithm } from './variables.ts'

export type ListenConfig = {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly transport: 'ws' | 'uws' | 'auto'
  /** Module path of uWebSockets.js; undefined: the installed package. */
  readonly uwsPath: string | undefined
  readonly trustedProxies: readonly AddressRange[]
}

export type TlsConfig =
  | { readonly kind: 'off' }
  | { readonly kind: 'on'; readonly certFile: string; readonly keyFile: string }

export type LimitsConfig = {
  readonly maxFrameBytes: number
  readonly maxContentBytes: number
  readonly framesPerSecond: number
  readonly socketsPerSubject: number
  readonly watchedSessionsPerSocket: number
  readonly messagesPerMinute: number | 'unlimited'
  readonly writesPerMinute: number | 'unlimited'
  /** Never counted on 127.0.0.1 and ::1. */
  readonly socketsPerAddress: number | 'unlimited'
  /** Of clients without a good token; never counted on 127.0.0.1 and ::1, as the next one. */
  readonly strangerConnectionsPerAddress: number | 'unlimited'
  /** A second. */
  readonly strangerRequestsPerAddress: number | 'unlimited'
  readonly helloDeadlineMs: number
  readonly heartbeatMs: number
  readonly drainDeadlineMs: number
}

export type StoreConfig = (
  | { readonly kind: 'memory'; readonly maxSessionCount: number; readonly maxBytes: number }
  | {
      readonly kind: 'redis'
      readonly url: Secret
      readonly caFile: string | undefined
      readonly prefix: string
      readonly waitReplicas: number
    }
) & { readonly shares: ShareLimits; readonly sessionTtlMs: number }

export type TurnsConfig = {
  readonly leaseMs: number
  /** What becomes of a dead producer's turn. */
  readonly takeOver: 'restart' | 'continue' | 'fail'
  readonly whenBusy: 'refuse' | 'wait'
}

/** Where a token's claims are. A dot in a name goes into an object, unless a claim has the whole name. */
export type ClaimsConfig = {
  readonly subject: string
  readonly tenant: string
  readonly project: string
  readonly audience: string
  /** Read together. */
  readonly scopes: readonly string[]
  /** Of a token whose scopes have none of our words. Never `admin`. */
  readonly defaultScopes: readonly ('chat' | 'history')[]
}

/** Tokens signed by somebody else, by any of these keys. At least one kind of key is there. */
export type JwtConfig = {
  readonly mode: 'jwt'
  readonly secrets: readonly Secret[]
  /** One secret each, read again when they change. */
  readonly secretFiles: readonly string[]
  readonly publicKeyFiles: readonly string[]
  readonly jwksUrl: string | undefined
  readonly issuers: readonly string[] | 'any'
  readonly audiences: readonly string[] | 'any'
  readonly claims: ClaimsConfig
  /** undefined: every algorithm that is usual for the configured keys. */
  readonly algorithms: readonly JwtAlgorithm[] | undefined
  /** The longest that one verification of a token counts, whatever its `exp` says. */
  readonly maxAgeMs: number
}

/** `development`: no key is configured, the listener is on loopback, and the gateway signs its own tokens. */
export type AuthConfig = { readonly mode: 'development' } | JwtConfig

export type ProviderConfig = {
  readonly endpoint:
    | { readonly kind: 'bundled' }
    | { readonly kind: 'openai'; readonly baseUrl: string; readonly apiKey: Secret | undefined }
  readonly model: string
  readonly promptsDir: string
  readonly flagsFile: string | undefined
  readonly promptTokens: number
  readonly answerTokens: number
  readonly firstTokenTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly turnTimeoutMs: number
}

export type PolicyConfig = {
  /** undefined: `sluice.yaml` in the working directory, if it is there. */
  readonly file: string | undefined
}

export type WebConfig = {
  /** `own`: the origin the page itself was served from. */
  readonly allowedOrigins: readonly string[] | 'own'
  readonly tokenUrl: string | undefined
}

export type TelemetryConfig = {
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  readonly metrics: { readonly kind: 'off' } | { readonly kind: 'on'; readonly host: string; readonly port: number }
  /** Whether the OTEL_* variables ask for traces. */
  readonly exportTraces: boolean
}

export type RecordingConfig =
  | { readonly kind: 'off' }
  | { readonly kind: 'on'; readonly dir: string; readonly withText: boolean; readonly maxBytes: number }

export type Config = {
  readonly listen: ListenConfig
  readonly tls: TlsConfig
  readonly limits: LimitsConfig
  readonly store: StoreConfig
  readonly turns: TurnsConfig
  readonly auth: AuthConfig
  readonly provider: ProviderConfig
  readonly policy: PolicyConfig
  readonly proxies: ProxyConfig
  readonly web: WebConfig
  readonly telemetry: TelemetryConfig
  readonly recording: RecordingConfig
}
