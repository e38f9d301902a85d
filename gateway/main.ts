import { resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Turns } from '../orchestrator/turns.ts'
import { closeCodes } from '../protocol/close-code.ts'
import { protocolVersion, socketPath } from '../protocol/version.ts'
import { Feeds } from '../sessions/feeds.ts'
import type { SessionLog } from '../sessions/session-log.ts'
import { type Answering, openAnswering } from './answering.ts'
import { type Authenticator, createAuthenticator } from './auth/authenticator.ts'
import { readUpgradeToken } from './auth/token-source.ts'
import {
  lastFramesMs,
  strangerBytes,
  strangerConnectionCost,
  strangerFrameBytes,
  subjectRateSockets,
} from './bounds.ts'
import { Chat, randomId } from './chat.ts'
import { TrustedProxies } from './client-address.ts'
import type { PolicySource } from './config/policy/live-policy.ts'
import type { Config } from './config.ts'
import type { ConnectionSettings } from './connection-state.ts'
import { Connections } from './connections.ts'
import { proxyKeySets } from './fetch-proxy.ts'
import { createHttpApp, type HttpApp } from './http/app.ts'
import { hostsOf, isAllowedOrigin } from './origin.ts'
import { Pressure } from './pressure.ts'
import { recordedLog, recordedSender, recordedSockets } from './recording/recorded.ts'
import { openRecording, type Recording } from './recording/recording.ts'
import { type ConnectionDeps, ServedConnection } from './serve-connection.ts'
import { givenStore, openStore, type Store } from './store.ts'
import { type StrangerLimits, Strangers } from './strangers.ts'
import { SubjectRate } from './subject-rate.ts'
import { countedLog } from './telemetry/counted-log.ts'
import type { Telemetry } from './telemetry/ports.ts'
import { chooseTransport } from './transport/choose-transport.ts'
import type { Admission, Socket, SocketHandlers, Transport, Upgrade } from './transport/transport.ts'
import { createUsage } from './usage.ts'

/** The composition root: the one place that knows every concrete part, and joins them. */

export interface GatewayParts {
  readonly config: Config
  readonly telemetry: Telemetry
  /** Who answers, within which limits; it may change while the gateway runs. */
  readonly policy: PolicySource
  /** Default: the memory store that the configuration describes. */
  readonly log?: SessionLog
  /** How many times what clients ask for counts against their rates. Default: more when this process is busy. */
  readonly costFactor?: () => number
  /** What the ages of keys for tokens are counted by. Default: the process's monotonic clock. */
  readonly monotonicMs?: () => number
}

export interface Gateway {
  readonly host: string
  readonly port: number
  readonly authenticator: Authenticator
  /** For tests and `/v1/admin/node`. */
  state(): NodeState
  /**
   * Leaves without hurry: no new sockets; clients are asked to connect elsewhere, each at its time; running turns end or
   * are cut at the deadline (default: the configured one); then everything closes.
   */
  drain(deadlineMs?: number): Promise<void>
  /** Ends at once. */
  close(): Promise<void>
}

export interface NodeState {
  readonly sockets: number
  readonly watchedSessions: number
  readonly runningTurns: number
  readonly isDraining: boolean
}

/** Resolves when the gateway accepts connections. Rejects with a message for the operator. */
export async function startGateway(parts: GatewayParts): Promise<Gateway> {
  const { config } = parts
  const recording = openRecording(config.recording, parts.telemetry.log, Date.now)
  const telemetry = recording === undefined ? parts.telemetry : recordedTelemetry(parts.telemetry, recording)
  const opened = parts.log === undefined ? await openStore(config.store, telemetry) : givenStore(parts.log)
  const counted = countedLog(opened.log, telemetry.store)
  const store = { ...opened, log: recording === undefined ? counted : recordedLog(counted, recording) }
  const { log } = store
  const feeds = new Feeds(log, {
    checksSilence: store.isShared,
    onRepair: () => telemetry.store.repaired(),
    onLapsed: (session, turn) => turns.suspect(session, turn),
  })
  const developmentSecret = config.auth.mode === 'development' ? await store.developmentSecret() : undefined
  const stopProxying = proxyKeySets(config)
  const authenticator = createAuthenticator(config.auth, {
    nowMs: Date.now,
    reportKeyTrouble: (problem) => telemetry.log.warn({ problem }, 'unable to use keys for tokens'),
    ...(parts.monotonicMs && { monotonicMs: parts.monotonicMs }),
    ...(developmentSecret && { developmentSecret }),
  })
  const answering = await openAnswering(parts, store, feeds)
  const { turns } = answering
  const failed = (error: unknown) => telemetry.log.error({ err: error }, 'the store failed')
  const sender =
    recording === undefined
      ? turns
      : recordedSender(turns, recording, (model) => parts.policy.current().models.has(model))
  const { writesPerMinute } = config.limits
  const chat = new Chat(log, sender, Date.now, failed, {
    forgetUse: (of) => store.ledger.forget(of),
    writesPerMinute: writesPerMinute === 'unlimited' ? 0 : writesPerMinute,
  })
  const pressure = new Pressure((utilization) =>
    telemetry.log.warn({ utilization }, 'the event loop is busy: what clients ask for counts several times'),
  )
  const { costFactor = pressure.costFactor } = parts
  if (parts.costFactor === undefined) pressure.start()
  const strangers = new Strangers({ ...strangerLimits(config, telemetry), costFactor })
  const connections = new Connections(connectionLimits(config), strangers)
  const node = new Node({
    config,
    policy: parts.policy,
    telemetry,
    store,
    log,
    feeds,
    authenticator,
    answering,
    turns,
    chat,
    connections,
    strangers,
    pressure,
    costFactor,
    recording,
    stopProxying,
  })
  const createTransport = await chooseTransport(config.listen.transport, config.listen.uwsPath, telemetry.log)
  const transport = createTransport({
    host: config.listen.host,
    port: config.listen.port,
    ...(config.tls.kind === 'on' ? { tls: { certFile: config.tls.certFile, keyFile: config.tls.keyFile } } : {}),
    maxFrameBytes: config.limits.maxFrameBytes,
    beforeAdmit: { frameBytes: strangerFrameBytes, totalBytes: strangerBytes },
    socketPath,
    subprotocol: protocolVersion,
    ...node.http,
    accept: (upgrade, socket) => node.accept(upgrade, socket),
    admit: (address) => node.admit(address),
    log: telemetry.log,
  })
  return node.start(transport)
}

interface NodeParts {
  readonly config: Config
  readonly policy: PolicySource
  readonly telemetry: Telemetry
  readonly store: Store
  readonly log: SessionLog
  readonly feeds: Feeds
  readonly authenticator: Authenticator
  readonly answering: Answering
  readonly turns: Turns
  readonly chat: Chat
  readonly connections: Connections
  readonly strangers: Strangers
  readonly pressure: Pressure
  readonly costFactor: () => number
  readonly recording: Recording | undefined
  /** The process' own requests are made as before. */
  readonly stopProxying: () => void
}

class Node {
  readonly #parts: NodeParts
  readonly #deps: ConnectionDeps
  readonly http: HttpApp
  readonly #proxies: TrustedProxies
  #isDraining = false

  constructor(parts: NodeParts) {
    this.#parts = parts
    this.#deps = connectionDeps(parts)
    this.#proxies = new TrustedProxies(parts.config.listen.trustedProxies)
    this.http = this.#httpApp(parts)
  }

  async start(transport: Transport): Promise<Gateway> {
    const { config, connections, authenticator } = this.#parts
    const { host, port } = await transport.listen()
    connections.start(() => authenticator.checkKeys())
    this.#parts.turns.seek()
    return {
      host,
      port,
      authenticator,
      state: () => this.state(),
      drain: (deadlineMs) => this.#drain(transport, deadlineMs ?? config.limits.drainDeadlineMs),
      close: () => this.#close(transport),
    }
  }

  #httpApp(parts: NodeParts): HttpApp {
    const { config, policy, telemetry, store, log, feeds, authenticator, chat, strangers } = parts
    return createHttpApp({
      chat,
      feeds,
      log,
      authenticator,
      web: config.web,
      trustedProxies: config.listen.trustedProxies,
      streamsPerSubject: config.limits.socketsPerSubject,
      requestsPerSecond: config.limits.framesPerSecond,
      strangers,
      costFactor: this.#parts.costFactor,
      isTls: config.tls.kind === 'on',
      pageDir: resolve(import.meta.dirname, '..', 'web', 'dist'),
      readiness: () => {
        const reasons = this.#isDraining ? ['this node is leaving'] : store.troubles()
        return { ready: reasons.length === 0, reasons }
      },
      isDraining: () => this.#isDraining,
      nodeState: () => this.state(),
      usage: createUsage(store.ledger, policy),
      logger: telemetry.log,
      telemetry: telemetry.http,
      nowMs: Date.now,
    })
  }

  state(): NodeState {
    const { connections, feeds, turns } = this.#parts
    return {
      sockets: connections.size,
      watchedSessions: feeds.size,
      runningTurns: turns.running(),
      isDraining: this.#isDraining,
    }
  }

  /** A trusted proxy's connections are its clients': their requests and sockets are counted, each by its own address. */
  admit(address: string): Admission | undefined {
    if (this.#proxies.trusts(address)) return {}
    const guest = this.#parts.strangers.take(address, strangerConnectionCost)
    // One that has used up its rate is read later, not refused: it may be a proxy whose probes come this way.
    return guest && { guest, isSlow: this.#parts.strangers.waitMs(address) > 0 }
  }

  accept(upgrade: Upgrade, socket: Socket): SocketHandlers {
    const { config, connections, strangers } = this.#parts
    const token = readUpgradeToken(upgrade.url, upgrade.authorization)
    const headerToken = token.kind === 'token' ? token.token : undefined
    const trace = this.#proxies.incomingTrace(upgrade.address, upgrade.traceparent)
    const connection = new ServedConnection(socket, this.#deps, settingsOf(config), headerToken, trace)
    const address = this.#proxies.clientAddress(upgrade.address, upgrade.forwardedFor)
    const hosts = hostsOf(upgrade, this.#proxies.trusts(upgrade.address))
    const guest = upgrade.guest ?? strangers.take(address)
    const hasPlace = guest !== undefined && connections.hasPlaceFor(address)
    connections.opened(connection, { address, guest })
    this.#parts.telemetry.sockets.opened(connection.connection)
    if (token.kind === 'in-url') connection.end(closeCodes.tokenInUrl, token.message)
    else if (token.kind === 'refused') connection.end(closeCodes.unauthenticated, token.message)
    else if (!isAllowedOrigin(config.web.allowedOrigins, upgrade.origin, hosts)) {
      connection.end(closeCodes.originNotAllowed, 'this origin is not allowed: add it to SLUICE_ALLOWED_ORIGINS')
    } else if (!hasPlace) {
      connection.end(closeCodes.tooManySockets, 'this address has as many sockets as it may')
    } else if (this.#isDraining) {
      // Its upgrade was under way when the others were told.
      connection.end(closeCodes.goingAway, 'this node is leaving')
    }
    return connection
  }

  async #drain(transport: Transport, deadlineMs: number): Promise<void> {
    if (this.#isDraining) return
    this.#isDraining = true
    const { connections, turns, telemetry } = this.#parts
    telemetry.log.info({ ...this.state(), deadlineMs }, 'leaving: no new sockets, running turns may end')
    transport.stopListening()
    // A socket told to reconnect later is read until then, also when no turn runs any more.
    await Promise.all([turns.drain(deadlineMs), connections.leave(deadlineMs)])
    connections.endAll()
    await wait(connections.size === 0 ? 0 : lastFramesMs)
    await this.#close(transport)
  }

  async #close(transport: Transport): Promise<void> {
    const { answering, connections, store, turns, recording, stopProxying } = this.#parts
    turns.close()
    connections.stop()
    this.#parts.pressure.stop()
    await transport.close()
    await answering.close()
    await store.close()
    await recording?.close()
    stopProxying()
  }
}

function connectionLimits({ limits }: Config) {
  return {
    socketsPerSubject: limits.socketsPerSubject,
    socketsPerAddress: limits.socketsPerAddress === 'unlimited' ? Number.POSITIVE_INFINITY : limits.socketsPerAddress,
    helloDeadlineMs: limits.helloDeadlineMs,
    heartbeatMs: limits.heartbeatMs,
  }
}

function strangerLimits({ limits }: Config, { log }: Telemetry): Omit<StrangerLimits, 'costFactor'> {
  const orUnlimited = (value: number | 'unlimited') => (value === 'unlimited' ? Number.POSITIVE_INFINITY : value)
  return {
    placesPerAddress: orUnlimited(limits.strangerConnectionsPerAddress),
    workPerSecond: orUnlimited(limits.strangerRequestsPerAddress),
    nowMs: () => performance.now(),
    report: (refused) =>
      log.warn(
        { ...refused },
        'an address without good tokens was refused; if it is a proxy, name it in SLUICE_TRUSTED_PROXIES',
      ),
  }
}

function settingsOf({ limits }: Config): ConnectionSettings {
  return {
    connection: randomId(),
    contentBytes: limits.maxContentBytes,
    framesPerSecond: limits.framesPerSecond,
    watchedSessions: limits.watchedSessionsPerSocket,
    helloDeadlineMs: limits.helloDeadlineMs,
    heartbeatMs: limits.heartbeatMs,
  }
}

function recordedTelemetry(telemetry: Telemetry, recording: Recording): Telemetry {
  return { ...telemetry, sockets: recordedSockets(telemetry.sockets, recording) }
}

function connectionDeps(parts: NodeParts): ConnectionDeps {
  const { config, telemetry, chat, feeds, log, authenticator, connections, recording } = parts
  return {
    chat,
    feeds,
    log,
    telemetry: telemetry.sockets,
    subjectRate: new SubjectRate(subjectRateSockets * config.limits.framesPerSecond, parts.costFactor),
    nowMs: Date.now,
    verify: (token) => authenticator.verify(token),
    hasPlace: (identity) => connections.hasPlace(identity),
    welcomed(connection, identity, client) {
      connections.welcomed(connection, identity)
      telemetry.sockets.welcomed(connection.connection, client)
    },
    closed: (connection, hasMisbehaved) => connections.closed(connection, hasMisbehaved),
    watched: (connection, session) => recording?.watched(connection, session),
  }
}
