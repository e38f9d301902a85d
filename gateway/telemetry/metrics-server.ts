import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TelemetryConfig } from '../config.ts'
import type { Telemetry } from './ports.ts'

/**
 * `/metrics` on a port of its own, so that an operator can keep it from the public: GET and HEAD, nothing else is here.
 * It holds no secrets, but says how busy the node is.
 */
export interface MetricsServer {
  /** Undefined: the configuration says `off`. */
  readonly port: number | undefined
  /** Ends requests under way too. */
  close(): Promise<void>
}

/** Connections at once; further ones are dropped. A scraper needs one. */
const connectionsMax = 32
/** How long a request may take to come, and an idle connection stays open, in milliseconds. */
const requestMs = 5_000
const idleMs = 65_000

/**
 * Resolves when it listens. With a port that is taken it rejects with what to do, or with `another-port` takes a free one
 * and says so in the log: for development, where a second gateway should just start.
 */
export async function createMetricsServer(
  config: TelemetryConfig['metrics'],
  telemetry: Pick<Telemetry, 'metrics' | 'log'>,
  ifTaken: 'refuse' | 'another-port' = 'refuse',
): Promise<MetricsServer> {
  if (config.kind === 'off') return { port: undefined, close: () => Promise.resolve() }
  const { host, port } = config
  const server = await listen(host, port, telemetry).catch((error: unknown) => {
    if (ifTaken === 'refuse' || codeOf(error) !== 'EADDRINUSE') throw refusal(host, port, error)
    telemetry.log.warn({ host, port }, 'SLUICE_METRICS_PORT is taken: /metrics is on another port')
    return listen(host, 0, telemetry)
  })
  // A server that listens on a TCP port has an AddressInfo; a string is a pipe's name, null a server not yet listening.
  const address = server.address() as AddressInfo
  telemetry.log.info({ host, port: address.port }, 'metrics are at /metrics')
  return { port: address.port, close: () => closeServer(server) }
}

function listen(host: string, port: number, telemetry: Pick<Telemetry, 'metrics' | 'log'>): Promise<Server> {
  const options = { requestTimeout: requestMs, headersTimeout: requestMs, keepAliveTimeout: idleMs }
  const server = createServer(options, (request, response) => void answer(request, response, telemetry))
  server.maxConnections = connectionsMax
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve(server)
    })
  })
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { metrics, log }: Pick<Telemetry, 'metrics' | 'log'>,
): Promise<void> {
  // Nobody needs a body here, and one that is not read would keep the connection.
  request.resume()
  const path = (request.url ?? '').split('?', 1)[0]
  if (path !== '/metrics') return end(response, 404, 'only /metrics is here\n')
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return end(response, 405, 'GET or HEAD\n')
  }
  try {
    const { contentType, body } = await metrics()
    end(response, 200, body, contentType)
  } catch (error) {
    log.error({ err: error }, 'unable to read the metrics')
    end(response, 500, 'unable to read the metrics: see the log\n')
  }
}

/** For HEAD node:http leaves the body out by itself. */
function end(response: ServerResponse, status: number, body: string, contentType = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  })
  response.end(body)
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function refusal(host: string, port: number, cause: unknown): Error {
  const code = codeOf(cause)
  const remedy = remedies.get(code ?? '') ?? (cause instanceof Error ? cause.message : String(cause))
  return new Error(`unable to serve metrics on ${host}:${port}: ${remedy}`, { cause })
}

const remedies: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'another process uses this port; set SLUICE_METRICS_PORT to another one, 0 for any, or `off`'],
  ['EACCES', 'this user may not use ports this low; set SLUICE_METRICS_PORT above 1023'],
  ['EADDRNOTAVAIL', 'no interface of this machine has this address; set SLUICE_METRICS_HOST'],
  ['ENOTFOUND', 'the host name is unknown; set SLUICE_METRICS_HOST'],
])

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
