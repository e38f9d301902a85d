import { openPolicy, type PolicyOpening } from '../gateway/config/policy/live-policy.ts'
import type { PolicySources } from '../gateway/config/policy/read-policy.ts'
import { type Config, readConfig } from '../gateway/config.ts'

/** The configuration of this process. Throws with every problem in one message. */
export function configFromEnvironment(environment: NodeJS.ProcessEnv): Config {
  const read = readConfig(environment)
  if (read.kind === 'ok') return read.config
  throw unableToStart(read.problems)
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
