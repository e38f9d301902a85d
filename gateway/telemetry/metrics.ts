import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { TurnTelemetry } from '../../orchestrator/ports.ts'
import { FixedHistogram } from './fixed-histogram.ts'
import { methodLabel } from './labels.ts'
import { counter, ownSeconds } from './metric.ts'
import type { HttpTelemetry, NodeGauges, SocketTelemetry, StoreTelemetry } from './ports.ts'
import { targetGauge, turnMetrics } from './turn-metrics.ts'

/**
 * Every metric of a gateway, in a registry of its own. docs/METRICS.md says what each is good for.
 *
 * Labels have few values, all of them ours: a kind, a reason, a route's pattern. What a client chose (a model, an id, its
 * name) is never a label, since each new value is a series for ever. Units are Prometheus': seconds and bytes.
 * Hot-path methods (`frameCame`, `frameSent`, `deltaSent`, `addedLatency`, `tokenGap`) add to numbers that a scrape reads: 7–25 ns
 * a call, measured beside 256 ns of prom-client's `observe`.
 */
export interface Metrics {
  readonly turns: TurnTelemetry
  readonly sockets: Omit<SocketTelemetry, 'traced'>
  readonly http: HttpTelemetry
  readonly store: StoreTelemetry
  watch(read: () => NodeGauges): void
  watchTargets(states: () => ReadonlyMap<string, 'closed' | 'half-open' | 'open'>): void
  /** Prometheus' text format. Scrapes at one time share one reading. */
  read(): Promise<{ readonly contentType: string; readonly body: string }>
}

export function createMetrics(version: string): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  buildInfo(registry, version)
  let reading: Promise<string> | undefined
  return {
    turns: turnMetrics(registry),
    sockets: socketMetrics(registry),
    http: httpMetrics(registry),
    store: storeMetrics(registry),
    watch: nodeGauges(registry),
    watchTargets: (states) => targetGauge(registry, states),
    async read() {
      reading ??= registry.metrics().finally(() => {
        reading = undefined
      })
      return { contentType: registry.contentType, body: await reading }
    },
  }
}

const socketSeconds = [0.1, 1, 10, 60, 300, 900, 3_600, 14_400, 43_200, 86_400]
const httpSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]

function socketMetrics(registry: Registry): Omit<SocketTelemetry, 'traced'> {
  return { ...socketLives(registry), ...socketTraffic(registry), ...socketAnswers(registry) }
}

function socketLives(registry: Registry): Pick<SocketTelemetry, 'opened' | 'welcomed' | 'closed'> {
  let openCount = 0
  gauge(registry, 'sluice_sockets_open', 'Sockets open now.', () => openCount)
  const opened = counter(registry, 'sluice_sockets_opened_total', 'Sockets accepted.', [])
  const hellos = counter(registry, 'sluice_hellos_total', 'Sockets whose hello was welcomed.', [])
  const closed = counter(registry, 'sluice_sockets_closed_total', 'Sockets closed, by class of the close code.', [
    'class',
  ])
  const lifetime = new Histogram({
    name: 'sluice_socket_lifetime_seconds',
    help: 'From the acceptance of a socket to its close.',
    buckets: socketSeconds,
    registers: [registry],
  })
  return {
    opened() {
      openCount++
      opened.inc()
    },
    welcomed: () => hellos.inc(),
    closed(_connection, code, openMs) {
      openCount--
      closed.inc({ class: closeClass(code) })
      lifetime.observe(openMs / 1_000)
    },
  }
}

function socketTraffic(registry: Registry): Pick<SocketTelemetry, 'frameCame' | 'frameSent' | 'deltaSent' | 'held'> {
  const hot = { frames: 0, characters: 0, deltas: 0, framesSent: 0, sentBytes: 0, held: 0 }
  total(registry, 'sluice_frames_received_total', 'Text frames received.', () => hot.frames)
  total(
    registry,
    'sluice_received_characters_total',
    'UTF-16 units of text frames received; for ASCII the same as bytes.',
    () => hot.characters,
  )
  total(registry, 'sluice_deltas_sent_total', 'Deltas written to sockets.', () => hot.deltas)
  total(registry, 'sluice_frames_sent_total', 'Frames written to sockets.', () => hot.framesSent)
  total(registry, 'sluice_sent_bytes_total', 'Bytes of the frames written to sockets.', () => hot.sentBytes)
  total(registry, 'sluice_readers_held_total', 'Times that a reader had to wait for a slow socket.', () => hot.held)
  return {
    frameCame(length) {
      hot.frames++
      hot.characters += length
    },
    frameSent(bytes) {
      hot.framesSent++
      hot.sentBytes += bytes
    },
    deltaSent() {
      hot.deltas++
    },
    held() {
      hot.held++
    },
  }
}

function socketAnswers(
  registry: Registry,
): Pick<SocketTelemetry, 'refused' | 'failed' | 'sessionOpened' | 'addedLatency'> {
  const refusals = counter(registry, 'sluice_refusals_total', 'Errors answered to sockets, by kind.', ['kind'])
  const failures = counter(registry, 'sluice_socket_failures_total', 'Bugs in serving a socket.', [])
  const opens = counter(
    registry,
    'sluice_session_opens_total',
    'Sessions opened: new, resumed at a cursor, or reset since the cursor was of another history.',
    ['how'],
  )
  const added = new FixedHistogram(
    registry,
    'sluice_added_latency_seconds',
    'From the arrival of text from the provider to the write of the frame that carries it.',
    ownSeconds,
  )
  return {
    refused: (kind) => refusals.inc({ kind }),
    failed: () => failures.inc(),
    sessionOpened: (how) => opens.inc({ how }),
    addedLatency: (ms) => added.observe(ms / 1_000),
  }
}

function storeMetrics(registry: Registry): StoreTelemetry {
  let isConnected = true
  gauge(registry, 'sluice_store_connected', '1 while the store of sessions is connected.', () => (isConnected ? 1 : 0))
  const lost = counter(registry, 'sluice_store_connections_lost_total', 'Connections to the store that were lost.', [])
  const unknown = counter(
    registry,
    'sluice_store_unknown_versions_total',
    'Stored or published values of a version that this node does not know.',
    [],
  )
  const repaired = counter(
    registry,
    'sluice_feed_repairs_total',
    'Times that a feed found in the store what no message had told of.',
    [],
  )
  const shares = counter(
    registry,
    'sluice_share_refusals_total',
    'Sessions, messages, feedback and metadata that were not taken, by whose share of the store is full, and of what.',
    ['of', 'unit'],
  )
  return {
    shareRefused: (of, unit) => shares.inc({ of, unit }),
    connected(is) {
      if (isConnected && !is) lost.inc()
      isConnected = is
    },
    unknownVersion: () => unknown.inc(),
    repaired: () => repaired.inc(),
  }
}

function httpMetrics(registry: Registry): HttpTelemetry {
  const duration = new Histogram({
    name: 'sluice_http_request_duration_seconds',
    help: 'HTTP requests, by route, method and status, until the answer began.',
    labelNames: ['route', 'method', 'status'],
    buckets: httpSeconds,
    registers: [registry],
  })
  return {
    answered: (route, method, status, ms) =>
      duration.observe({ route, method: methodLabel(method), status }, ms / 1_000),
  }
}

function nodeGauges(registry: Registry): (read: () => NodeGauges) => void {
  let read = (): NodeGauges => ({ watchedSessions: 0, runningTurns: 0, isDraining: false })
  gauge(registry, 'sluice_watched_sessions', 'Sessions with a watcher here.', () => read().watchedSessions)
  gauge(registry, 'sluice_turns_running', 'Turns produced here now.', () => read().runningTurns)
  gauge(registry, 'sluice_draining', '1 while this node leaves.', () => (read().isDraining ? 1 : 0))
  return (source) => {
    read = source
  }
}

function buildInfo(registry: Registry, version: string): void {
  const info = new Gauge({
    name: 'sluice_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'node_version'],
    registers: [registry],
  })
  info.set({ version, node_version: process.version }, 1)
}

/** What the client does about it, which is what an operator counts. 1005: a close frame without a code. */
function closeClass(code: number): string {
  if (code === 1000 || code === 1001 || code === 1005) return 'normal'
  if (code === 1006) return 'lost'
  if (code >= 4000 && code <= 4399) return 'reconnect'
  if (code >= 4400 && code <= 4499) return 'refresh-token'
  if (code >= 4500 && code <= 4999) return 'stop'
  return 'other'
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  const metric: Gauge = new Gauge({ name, help, registers: [registry], collect: () => metric.set(read()) })
}

/** A counter whose number is kept elsewhere. */
function total(registry: Registry, name: string, help: string, read: () => number): void {
  const metric: Counter = new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      metric.reset()
      metric.inc(read())
    },
  })
}
