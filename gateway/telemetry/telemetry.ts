import { hostname } from 'node:os'
import type { DestinationStream } from 'pino'
import type { TelemetryConfig } from '../config.ts'
import { productLabel } from './labels.ts'
import { createLog } from './log.ts'
import { tracedRequest } from './message-span.ts'
import { createMetrics } from './metrics.ts'
import type { Log, NodeGauges, SocketTelemetry, Telemetry } from './ports.ts'
import type { TracingOptions } from './tracing.ts'

/** Logs, metrics and traces joined behind one port. The SDK of traces is imported only when the configuration asks. */
export interface TelemetryDeps {
  /** The product's version. */
  readonly version: string
  /** The OTEL_* variables, which the SDK and its exporter read as their specification says. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where log lines go; default the standard output. */
  readonly destination?: DestinationStream
  /** This node's name in logs and traces; default the host's name and the process id. */
  readonly node?: string
}

export interface NodeTelemetry extends Telemetry {
  /** Where the gauges of this node are read, at each scrape; the last one given counts. Until then they are 0. */
  watch(read: () => NodeGauges): void
}

/** Rejects when the OTEL_* variables ask for traces and the SDK cannot be loaded. */
export async function createTelemetry(config: TelemetryConfig, deps: TelemetryDeps): Promise<NodeTelemetry> {
  const { version, environment, destination, node = `${hostname()}:${process.pid}` } = deps
  const { log, close } = createLog({ level: config.logLevel, node, ...(destination && { destination }) })
  const metrics = createMetrics(version)
  const tracing = config.exportTraces ? await startTracing({ version, node, environment, log }) : undefined
  return {
    log,
    turns: metrics.turns,
    sockets: { ...loggedSockets(metrics.sockets, log), traced: tracedRequest },
    http: metrics.http,
    store: metrics.store,
    watch: metrics.watch,
    watchTargets: metrics.watchTargets,
    metrics: metrics.read,
    async close() {
      await tracing?.close()
      await close()
    },
  }
}

async function startTracing(options: TracingOptions) {
  const { startTracing } = await import('./tracing.ts')
  return startTracing(options)
}

type Counted = Omit<SocketTelemetry, 'traced'>

/** A socket's life in the log: two lines at `info`. */
function loggedSockets(counted: Counted, log: Log): Counted {
  return {
    ...counted,
    opened(connection) {
      counted.opened(connection)
      log.debug({ connection }, 'socket opened')
    },
    welcomed(connection, client) {
      counted.welcomed(connection, client)
      log.info({ connection, client: productLabel(client) }, 'socket welcome')
    },
    closed(connection, code, openMs) {
      counted.closed(connection, code, openMs)
      log.info({ connection, code, openMs }, 'socket closed')
    },
    failed(connection, error) {
      counted.failed(connection, error)
      log.error({ connection, err: error }, 'bug in serving a socket')
    },
  }
}
