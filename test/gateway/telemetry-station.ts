import { Writable } from 'node:stream'
import { policyOfEnvironment } from '../../gateway/config/policy/read-policy.ts'
import { readConfig } from '../../gateway/config.ts'
import { type Gateway, startGateway } from '../../gateway/main.ts'
import { createMetricsServer, type MetricsServer } from '../../gateway/telemetry/metrics-server.ts'
import { createTelemetry, type NodeTelemetry } from '../../gateway/telemetry/telemetry.ts'
import { type ModelServer, startModelServer } from '../../load/model-server/server.ts'
import type { Policy } from '../../orchestrator/policy.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { fixedPolicy } from '../support/policy.ts'
import { WireClient } from '../support/wire.ts'

/** A gateway as an operator sees it: with its real telemetry, log lines kept, metrics scraped over HTTP. */
export interface Station extends AsyncDisposable {
  readonly gateway: Gateway
  readonly telemetry: NodeTelemetry
  readonly model: ModelServer
  readonly token: string
  /** Log lines so far. */
  readonly lines: readonly string[]
  readonly metricsUrl: string
  /** `name`: what the client calls itself. */
  connect(headers?: Record<string, string>, name?: string): Promise<WireClient>
  scrape(): Promise<string>
}

export async function startStation(
  env: Readonly<Record<string, string>> = {},
  log?: SessionLog,
  change: (policy: Policy) => Policy = (policy) => policy,
): Promise<Station> {
  const read = readConfig({ PORT: '0', SLUICE_METRICS_PORT: '0', SLUICE_LOG_LEVEL: 'debug', ...env })
  if (read.kind === 'invalid') throw new Error(read.problems.join('\n'))
  const { config } = read
  const { lines, destination } = keptLines()
  const telemetry = await createTelemetry(config.telemetry, {
    version: '1.2.3',
    environment: process.env,
    node: 'node-1',
    destination,
  })
  const model = await startModelServer({ ttftMs: 5 })
  const gateway = await startGateway({
    // What this process is busy with is the test.
    costFactor: () => 1,
    config,
    telemetry,
    policy: fixedPolicy(change(policyOfEnvironment(config, model.url))),
    ...(log && { log }),
  })
  telemetry.watch(() => gateway.state())
  const metrics = await createMetricsServer(config.telemetry.metrics, telemetry)
  const metricsUrl = `http://127.0.0.1:${metrics.port}/metrics`
  const token = await developmentToken(gateway)
  return {
    gateway,
    telemetry,
    model,
    token,
    lines,
    metricsUrl,
    connect: (headers, name) => connect(gateway, token, headers, name),
    scrape: async () => (await fetch(metricsUrl)).text(),
    [Symbol.asyncDispose]: () => end(gateway, model, metrics, telemetry),
  }
}

export function keptLines() {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  return { lines, destination }
}

async function end(gateway: Gateway, model: ModelServer, metrics: MetricsServer, telemetry: NodeTelemetry) {
  await gateway.close()
  await model.close()
  await metrics.close()
  await telemetry.close()
}

async function connect(
  gateway: Gateway,
  token: string,
  headers: Record<string, string> = {},
  name = 'station/1',
): Promise<WireClient> {
  const client = new WireClient(`ws://127.0.0.1:${gateway.port}/v1/socket`, { headers })
  await client.opened()
  client.send({ type: 'hello', token, client: name })
  await client.next('welcome')
  return client
}

async function developmentToken({ authenticator }: Gateway): Promise<string> {
  if (authenticator.mode !== 'development') throw new Error('only development mode makes tokens')
  const made = await authenticator.issueDevelopmentToken('ada')
  if (made.kind !== 'ok') throw new Error(made.message)
  return made.token
}

/** Asks until it holds, and at the deadline says what there was. */
export async function until(what: string, holds: () => Promise<boolean>, deadlineMs = 10_000): Promise<void> {
  const endMs = performance.now() + deadlineMs
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`${what}: not within ${deadlineMs} ms`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Each metric's series added up; a histogram counts by its observations. */
export function readMetrics(body: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  const types = new Map<string, string>()
  for (const line of body.split('\n')) {
    const [, typed, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
    if (typed !== undefined && type !== undefined) {
      types.set(typed, type)
      sums.set(typed, 0)
    }
    const [, name, value] = /^([a-z_]+)(?:\{.*\})? (\S+)$/.exec(line) ?? []
    if (name === undefined) continue
    const histogram = name.replace(/_count$/, '')
    const family = types.get(histogram) === 'histogram' ? histogram : name
    const sum = sums.get(family)
    if (sum !== undefined) sums.set(family, sum + Number(value))
  }
  return sums
}
