import { policyOfEnvironment } from '../../gateway/config/policy/read-policy.ts'
import { type Config, readConfig } from '../../gateway/config.ts'
import { type Gateway, startGateway } from '../../gateway/main.ts'
import { type ModelServer, type ModelServerOptions, startModelServer } from '../../load/model-server/server.ts'
import type { Policy } from '../../orchestrator/policy.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { fixedPolicy } from './policy.ts'
import { type QuietTelemetry, quietTelemetry } from './telemetry.ts'

/** A gateway on a free port over a real model server, on the memory store unless another is given. */
export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway
  readonly model: ModelServer
  readonly telemetry: QuietTelemetry
  /** ws://127.0.0.1:PORT/v1/socket */
  readonly url: string
  readonly httpUrl: string
  token(
    subject: string,
    options?: {
      readonly tenant?: string
      readonly project?: string
      readonly scope?: string
      readonly ttlSeconds?: number
    },
  ): Promise<string>
}

export interface TestGatewayOptions {
  readonly transport?: 'ws' | 'uws'
  /** SLUICE_… variables. */
  readonly env?: Readonly<Record<string, string>>
  readonly model?: ModelServerOptions
  readonly log?: SessionLog
  readonly policy?: (policy: Policy) => Policy
  /** What the ages of keys are counted by. */
  readonly monotonicMs?: () => number
}

export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const model = await startModelServer({ ttftMs: 5, tokensPerSecond: 0, ...options.model })
  const telemetry = quietTelemetry()
  const { transport = 'ws', env = {}, log, monotonicMs } = options
  const config = testConfig({ SLUICE_TRANSPORT: transport, ...env })
  const policy = options.policy?.(policyOfEnvironment(config, model.url)) ?? policyOfEnvironment(config, model.url)
  const gateway = await startGateway({
    // What this process is busy with is the test.
    costFactor: () => 1,
    config,
    telemetry,
    policy: fixedPolicy(policy),
    ...(log && { log }),
    ...(monotonicMs && { monotonicMs }),
  })
  return {
    gateway,
    model,
    telemetry,
    url: `ws://127.0.0.1:${gateway.port}/v1/socket`,
    httpUrl: `http://127.0.0.1:${gateway.port}`,
    token: (subject, tokenOptions) => developmentToken(gateway, subject, tokenOptions),
    async [Symbol.asyncDispose]() {
      await gateway.close()
      await model.close()
    },
  }
}

function testConfig(env: Readonly<Record<string, string>>): Config {
  const uwsPath = process.env.SLUICE_UWS_PATH
  const read = readConfig({
    PORT: '0',
    ...(uwsPath && { SLUICE_UWS_PATH: uwsPath }),
    SLUICE_METRICS_PORT: 'off',
    ...env,
  })
  if (read.kind === 'ok') return read.config
  throw new Error(read.problems.join('\n'))
}

async function developmentToken(gateway: Gateway, subject: string, options = {}): Promise<string> {
  const { authenticator } = gateway
  if (authenticator.mode !== 'development') throw new Error('only development mode makes tokens')
  const made = await authenticator.issueDevelopmentToken(subject, options)
  if (made.kind !== 'ok') throw new Error(JSON.stringify(made))
  return made.token
}
