import type { PolicySource } from '../../gateway/config/policy/live-policy.ts'
import type { Policy, ScopeLimits, TargetPolicy } from '../../orchestrator/policy.ts'
import type { Clock, Provider, TurnLogger } from '../../orchestrator/ports.ts'
import { createTenantFilters } from '../../orchestrator/privacy/tenant-filters.ts'
import { connectTarget } from '../../orchestrator/providers/connect.ts'
import { Targets } from '../../orchestrator/route/targets.ts'
import { createMemoryLedger } from '../../sessions/budgets/memory-ledger.ts'

export const noLimits: ScopeLimits = {
  messagesPerMinute: 0,
  tokensPerMinute: 0,
  runningTurns: 0,
  microsPerDay: 0,
  microsPerMonth: 0,
}

export const testRetry: Policy['retry'] = {
  totalMs: 5_000,
  triesPerTarget: 1,
  baseMs: 1,
  maxMs: 10,
  connectMs: 2_000,
  firstContentMs: 5_000,
  silenceMs: 5_000,
  thinkingMs: 5_000,
  afterContent: 'fail',
  breaks: 0,
  emptyAnswer: 'accept',
  hedgeMs: 0,
}

const wellBreaker: Policy['breaker'] = {
  windowMs: 10_000,
  minimumCalls: 1_000_000,
  errorRatio: 1,
  openMs: 1_000,
  probes: 1,
}

export function targetAt(name: string, baseUrl: string, more: Partial<TargetPolicy> = {}): TargetPolicy {
  return {
    name,
    baseUrl,
    model: 'sluice-demo',
    provider: 'openai',
    keys: [{ reveal: () => 'key' }],
    limits: { concurrent: 0, requestsPerMinute: 0, tokensPerMinute: 0, waiting: 0 },
    ...more,
  }
}

/** One alias, `sluice-demo`, of these targets in their order; any other name goes on to them. No retry, unless asked for. */
export function policyOf(targets: readonly TargetPolicy[], more: Partial<Policy> = {}): Policy {
  const nobody = { redact: [], custom: [], filter: { words: [] } }
  return {
    defaultModel: 'sluice-demo',
    models: new Map([
      ['sluice-demo', { targets: targets.map(({ name }, tier) => ({ target: name, tier, weight: 1 })) }],
    ]),
    otherModels: 'pass',
    targets: new Map(targets.map((target) => [target.name, target])),
    retry: testRetry,
    breaker: wellBreaker,
    limits: {
      currency: 'USD',
      inputTokens: 0,
      answerTokens: 4_096,
      scopes: { subject: noLimits, project: noLimits, tenant: noLimits },
      tenants: new Map(),
    },
    privacy: { everybody: nobody, tenants: new Map() },
    cache: { isOn: false, maxEntries: 0, maxBytes: 0, ttlMs: 0 },
    ...more,
  }
}

/** What turns need to ask one provider, be it a real one at `url` or one that a test plays. */
export function asking(
  provider: string | Provider,
  clock: Clock,
  logger: TurnLogger,
  change: (policy: Policy) => Policy = (policy) => policy,
) {
  const url = typeof provider === 'string' ? provider : 'http://127.0.0.1:9/v1'
  const policy = change(policyOf([targetAt('test', url)]))
  const connect = (target: TargetPolicy) =>
    typeof provider === 'string' ? connectTarget(target, 30_000, logger) : provider
  return {
    policy: () => policy,
    targets: new Targets(policy, { clock, connect }),
    ledger: createMemoryLedger(),
    filtersFor: createTenantFilters(Buffer.alloc(32, 7)),
  }
}

/** One that never changes. */
export function fixedPolicy(policy: Policy): PolicySource {
  return { current: () => policy, onChange: () => () => undefined }
}
