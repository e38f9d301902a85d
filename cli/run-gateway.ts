import type { Config } from '../gateway/config.ts'
import { type Gateway, startGateway } from '../gateway/main.ts'
import { createMetricsServer } from '../gateway/telemetry/metrics-server.ts'
import { createTelemetry, type NodeTelemetry } from '../gateway/telemetry/telemetry.ts'
import type { OpenedPolicy } from './environment.ts'
import { version } from './version.ts'

export interface GatewaySources {
  readonly config: Config
  readonly policy: OpenedPolicy
}

/**
 * Runs a gateway until the process is asked to end: SIGTERM lets running turns end within SLUICE_DRAIN_MS, SIGINT (Ctrl-C)
 * within a second; a second signal ends at once. Answers the exit code.
 */
export async function runGateway(
  sources: GatewaySources,
  ready: (gateway: Gateway, url: string) => void,
): Promise<number> {
  const { config, policy } = sources
  const telemetry = await createTelemetry(config.telemetry, { version, environment: process.env })
  try {
    // Before the gateway: a node that is refused its metrics must not have served anybody, nor go on half started.
    const ifTaken = config.auth.mode === 'development' ? 'another-port' : 'refuse'
    const metrics = await createMetricsServer(config.telemetry.metrics, telemetry, ifTaken)
    try {
      for (const warning of policy.warnings) telemetry.log.warn({ warning }, 'in the configuration')
      policy.live.watch(telemetry.log)
      await serveUntilAsked(sources, telemetry, ready)
    } finally {
      policy.live.close()
      await metrics.close()
    }
  } finally {
    await telemetry.close()
  }
  return 0
}

async function serveUntilAsked(
  { config, policy }: GatewaySources,
  telemetry: NodeTelemetry,
  ready: (gateway: Gateway, url: string) => void,
): Promise<void> {
  const gateway = await startGateway({ config, policy: policy.live, telemetry })
  telemetry.watch(() => gateway.state())
  const scheme = config.tls.kind === 'on' ? 'https' : 'http'
  const host = gateway.host.includes(':') ? `[${gateway.host}]` : gateway.host
  const url = `${scheme}://${host}:${gateway.port}`
  // Before anybody is told: who reads the address may answer with a signal at once.
  const asked = untilAsked(gateway)
  telemetry.log.info({ url }, 'listening')
  ready(gateway, url)
  await asked
}

function untilAsked(gateway: Gateway): Promise<void> {
  return new Promise((resolve, reject) => {
    let isAsked = false
    const ask = (deadlineMs: number | undefined) => {
      const leaving = isAsked ? gateway.close() : gateway.drain(deadlineMs)
      isAsked = true
      leaving.then(resolve, reject)
    }
    process.on('SIGTERM', () => ask(undefined))
    process.on('SIGINT', () => ask(interruptedMs))
  })
}

/** Who presses Ctrl-C waits for it, in milliseconds. */
const interruptedMs = 1_000
