import type { Policy, TargetPolicy } from '../orchestrator/policy.ts'
import { configFromEnvironment, policyFrom } from './environment.ts'
import { checkTarget } from './target/check.ts'
import { describeCheck } from './target/describe.ts'

const usage = `usage: sluice target check [NAME …]
Lists the models of each target of sluice.yaml (or of the environment), asks one short question with the request that the gateway
would send, and says what it learned. Exit code 1 when a target cannot answer.`

/** Targets that are asked at once. */
const checksMax = 8

/** See `usage`. Throws what is for the operator. */
export async function run(args: readonly string[]): Promise<number> {
  const [verb, ...names] = args
  if (verb !== 'check' || names.some((name) => name.startsWith('-'))) {
    process.stderr.write(`${usage}\n`)
    return 2
  }
  const config = configFromEnvironment(process.env)
  const { live } = await policyFrom({ config, environment: process.env })
  const policy = live.current()
  live.close()
  const targets = named(policy, names)
  let areAllGood = true
  for (let at = 0; at < targets.length; at += checksMax) {
    const batch = targets.slice(at, at + checksMax)
    const checks = await Promise.all(batch.map((target) => checkTarget(target, policy.limits.answerTokens)))
    for (const [index, target] of batch.entries()) {
      const check = checks[index]
      if (check === undefined) continue
      areAllGood &&= check.answer.kind === 'answered'
      process.stdout.write(`${describeCheck(target, check).join('\n')}\n`)
    }
  }
  return areAllGood ? 0 : 1
}

function named({ targets }: Policy, names: readonly string[]): readonly TargetPolicy[] {
  if (names.length === 0) return [...targets.values()]
  return names.map((name) => {
    const target = targets.get(name)
    if (target !== undefined) return target
    throw new Error(
      `unable to check ${name}: there is no target of that name; there are ${[...targets.keys()].join(', ')}`,
    )
  })
}
