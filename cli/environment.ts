import { openPolicy, type PolicyOpening } from '../gateway/config/policy/live-policy.ts'
import type { PolicySources } from '../gateway/config/policy/read-policy.ts'
import { proxyFor } from '../gateway/config/proxies.ts'
import { type Config, readConfig } from '../gateway/config.ts'
import type { ApiKey } from '../orchestrator/policy.ts'

/** The configuration of this process. Throws with every problem in one message. */
export function configFromEnvironment(environment: NodeJS.ProcessEnv): Config {
  const read = readConfig(environment)
  if (read.kind === 'ok') return read.config
  throw unableToStart(read.problems)
}

/** How a command reaches an address, by the proxies of this process' environment alone. Throws as above. */
export function wayTo(url: string, environment: NodeJS.ProcessEnv): { readonly proxy?: ApiKey } {
  const named = Object.entries(environment).filter(([name]) => /^(?:https?|no)_proxy$/i.test(name))
  const proxy = proxyFor(new URL(url), configFromEnvironment(Object.fromEntries(named)).proxies)
  return proxy === undefined ? {} : { proxy }
}

export type OpenedPolicy = Extract<PolicyOpening, { readonly kind: 'ok' }>

/** What `sluice.yaml` and the environment say of answers. Throws with every problem in one message. */
export async function policyFrom(sources: PolicySources): Promise<OpenedPolicy> {
  const opening = await openPolicy(sources)
  if (opening.kind === 'ok') return opening
  throw unableToStart(opening.problems)
}

function unableToStart(problems: readonly string[]): Error {
  return new Error(`unable to start:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
}
