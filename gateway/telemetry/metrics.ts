import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { TurnTelemetry } from '../../orchestrator/ports.ts'
import { FixedHistogram } from './fixed-histogram.ts'
import type { HttpTelemetry, NodeGauges, SocketTelemetry, StoreTelemetry } from './ports.ts'

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

/** Below 1 ms, since that is where the gateway's own share lies. */
const ownSeconds = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
/** The GenAI conventions' buckets for a time to the first token, with more where people notice the difference. */
const firstTokenSeconds = [
  0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60,
]
const gapSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 10]
const turnSeconds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1_800]
const socketSeconds = [0.1, 1, 10, 60, 300, 900, 3_600, 14_400, 43_200, 86_400]
const httpSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]

function turnMetrics(registry: Registry): TurnTelemetry {
  return { ...turnBeginnings(registry), ...callMetrics(registry), ...filterMetrics(registry), ...turnEnds(registry) }
}

type Beginnings = 'turnAccepted' | 'turnRefused' | 'firstToken' | 'tokenGap'
type Calls = 'callMade' | 'callPassed' | 'callEnded' | 'firstContent'
type Filters = 'redacted' | 'filtered' | 'cacheAsked'

function turnBeginnings(registry: Registry): Pick<TurnTelemetry, Beginnings> {
  const acceptance = new FixedHistogram(
    registry,
    'sluice_turn_acceptance_seconds',
    'From a message that was received to its acceptance by the store.',
    ownSeconds,
  )
  const retries = counter(
    registry,
    'sluice_turn_retries_total',
    'Messages that took the place of the last turn: asked again, or edited.',
    [],
  )
  const refused = counter(registry, 'sluice_turn_refusals_total', 'Messages that were not taken, by error kind.', [
    'kind',
  ])
  const firstToken = new FixedHistogram(
    registry,
    'sluice_turn_first_token_seconds',
    'From the acceptance of a message to the first text of its answer.',
    firstTokenSeconds,
  )
  const providerFirstToken = new FixedHistogram(
    registry,
    'sluice_provider_first_token_seconds',
    'From the call of the provider to its first text.',
    firstTokenSeconds,
  )
  const gap = new FixedHistogram(
    registry,
    'sluice_provider_token_gap_seconds',
    'Between two pieces of text from the provider.',
    gapSeconds,
  )
  return {
    turnAccepted(sinceReceivedMs, isRetry) {
      acceptance.observe(sinceReceivedMs / 1_000)
      if (isRetry) retries.inc()
    },
    turnRefused: (kind) => refused.inc({ kind }),
    firstToken(sinceAcceptMs, sinceCallMs) {
      firstToken.observe(sinceAcceptMs / 1_000)
      providerFirstToken.observe(sinceCallMs / 1_000)
    },
    tokenGap: (gapMs) => gap.observe(gapMs / 1_000),
  }
}

/** A target's name is the operator's word, and there are few. */
function callMetrics(registry: Registry): Pick<TurnTelemetry, Calls> {
  const made = counter(
    registry,
    'sluice_provider_calls_total',
    'Calls of targets, by why they were made: first, retry, key, fallback, hedge.',
    ['target', 'why'],
  )
  const passed = counter(
    registry,
    'sluice_provider_calls_passed_total',
    'Calls that were not sent: the target was full, ill (its breaker open), or all its keys cooled down.',
    ['target', 'why'],
  )
  const ended = counter(registry, 'sluice_provider_calls_ended_total', 'Calls that are over, by how they ended.', [
    'target',
    'how',
  ])
  const firstContent = new Histogram({
    name: 'gen_ai_client_operation_time_to_first_chunk_seconds',
    help: 'Seconds from the sending of a call to its first content, by target.',
    labelNames: ['target'],
    buckets: firstTokenSeconds,
    registers: [registry],
  })
  return {
    callMade: (target, why) => made.inc({ target, why }),
    callPassed: (target, why) => passed.inc({ target, why }),
    callEnded: (target, how) => ended.inc({ target, how }),
    firstContent: (target, ms) => firstContent.observe({ target }, ms / 1_000),
  }
}

function filterMetrics(registry: Registry): Pick<TurnTelemetry, Filters> {
  const redactions = counter(
    registry,
    'sluice_redactions_total',
    'Values in prompts that became placeholders before a provider saw them, by kind.',
    ['kind'],
  )
  const stopped = counter(registry, 'sluice_answers_filtered_total', 'Answers that were stopped for what they say.', [])
  const cache = counter(registry, 'sluice_cache_requests_total', 'Requests that allow the cache, by result.', [
    'result',
  ])
  return {
    redacted: (kind, count) => redactions.inc({ kind }, count),
    filtered: () => stopped.inc(),
    cacheAsked: (isHit) => cache.inc({ result: isHit ? 'hit' : 'miss' }),
  }
}

function targetGauge(registry: Registry, states: () => ReadonlyMap<string, 'closed' | 'half-open' | 'open'>): void {
  const metric: Gauge<'target'> = new Gauge({
    name: 'sluice_target_breaker_state',
    help: 'A target that fails too often is left alone: 0 closed, 0.5 half open, 1 open.',
    labelNames: ['target'],
    registers: [registry],
    collect() {
      metric.reset()
      for (const [target, state] of states()) metric.set({ target }, breakerValues[state])
    },
  })
}

const breakerValues = { closed: 0, 'half-open': 0.5, open: 1 } as const

function turnEnds(registry: Registry): Omit<TurnTelemetry, Beginnings | Calls | Filters> {
  const ended = counter(registry, 'sluice_turns_ended_total', 'Turns that ended, by end and error kind.', [
    'end',
    'error',
  ])
  const duration = new Histogram({
    name: 'sluice_turn_duration_seconds',
    help: 'From the start of a turn to its terminal record.',
    labelNames: ['end'],
    buckets: turnSeconds,
    registers: [registry],
  })
  const tokens = counter(registry, 'sluice_tokens_total', 'Tokens of ended turns, by type and how they are known.', [
    'type',
    'source',
  ])
  const cost = counter(
    registry,
    'sluice_cost_total',
    'What ended turns cost, by currency; turns without a price count 0.',
    ['currency'],
  )
  const byPrompt = counter(
    registry,
    'sluice_turns_by_prompt_total',
    "Ended turns by the prompt's version and, in an experiment, its variant.",
    ['prompt', 'version', 'variant', 'end'],
  )
  const repeats = counter(
    registry,
    'sluice_store_repeats_total',
    'Operations of the store that a turn had to ask again.',
    [],
  )
  const attempts = counter(registry, 'sluice_attempts_total', 'Attempts opened: the first of a turn, or a later one.', [
    'attempt',
  ])
  const takeOvers = counter(
    registry,
    'sluice_take_overs_total',
    'Turns of dead producers that were taken over here, by what became of them.',
    ['how'],
  )
  const stops = counter(registry, 'sluice_producer_stops_total', 'Producers that stopped, by reason.', ['reason'])
  return {
    turnEnded({ kind, error, durationMs, usage, cost: billed, prompt }) {
      const { name, version, variant = '' } = prompt
      byPrompt.inc({ prompt: name, version: String(version), variant, end: kind })
      if (billed !== undefined) cost.inc({ currency: billed.currency }, Number(billed.amount))
      ended.inc({ end: kind, error: error ?? 'none' })
      duration.observe({ end: kind }, durationMs / 1_000)
      const { source } = usage
      tokens.inc({ type: 'input', source }, usage.inputTokens)
      tokens.inc({ type: 'output', source }, usage.outputTokens)
      tokens.inc({ type: 'cached', source }, usage.cachedTokens ?? 0)
    },
    operationRepeated: () => repeats.inc(),
    attemptOpened: (attempt) => attempts.inc({ attempt: attempt === 1 ? 'first' : 'later' }),
    takenOver: (how) => takeOvers.inc({ how }),
    stopped: (reason) => stops.inc({ reason }),
  }
}

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
  return {
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
      duration.observe({ route, method: knownMethods.has(method) ? method : 'other', status }, ms / 1_000),
  }
}

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

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

function counter<T extends string>(registry: Registry, name: string, help: string, labelNames: readonly T[]) {
  return new Counter({ name, help, labelNames, registers: [registry] })
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
