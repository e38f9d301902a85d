import { openPolicy } from '../gateway/config/policy/live-policy.ts'
import { configFileOf, type PolicySources } from '../gateway/config/policy/read-policy.ts'
import { describePolicy } from '../gateway/config/policy/summary.ts'
import { describeConfig, type Environment, readConfig } from '../gateway/config.ts'

/**
 * Without arguments: says every variable with its meaning, unit, default and range, then what is wrong with those that
 * are set. `check [file]`: says what is wrong with the environment and `sluice.yaml` together, or what they come to.
 */
export async function run(args: readonly string[]): Promise<number> {
  const [verb, file, ...others] = args
  if (verb === undefined) return showVariables()
  if (verb === 'check' && others.length === 0) return check(file)
  process.stderr.write('usage: sluice config [check [file]]\n')
  return 2
}

function showVariables(): number {
  for (const { name, meaning, unit, default: preset, range } of describeConfig()) {
    process.stdout.write(`${name}\n    ${meaning}\n    ${unit}; ${range}; default: ${preset}\n`)
  }
  const read = readConfig(process.env)
  if (read.kind === 'ok') {
    process.stdout.write('\nThe configuration of this environment is whole.\n')
    return 0
  }
  process.stderr.write(`\n${read.problems.join('\n')}\n`)
  return 1
}

async function check(file: string | undefined): Promise<number> {
  const environment = file === undefined ? process.env : { ...process.env, SLUICE_CONFIG_FILE: file }
  const read = readConfig(environment)
  const sources: PolicySources = {
    config: read.kind === 'ok' ? read.config : standardConfig(environment),
    environment,
    bundledProvider: async () => 'the bundled model server',
  }
  const opening = await openPolicy(sources)
  const problems = [
    ...(read.kind === 'invalid' ? read.problems : []),
    ...(opening.kind === 'invalid' ? opening.problems : []),
  ]
  if (opening.kind === 'invalid' || problems.length > 0) {
    process.stderr.write(`${problems.join('\n')}\n`)
    return 1
  }
  const name = configFileOf(sources)
  const head = opening.hasFile ? `${name} is whole.` : `There is no ${name}; of the environment alone:`
  process.stdout.write(`${[head, ...describePolicy(opening.live.current())].join('\n')}\n`)
  for (const warning of opening.warnings) process.stderr.write(`warning: ${warning}\n`)
  return 0
}

/** With which the file is looked at while the environment has problems of its own, so that all are told at once. */
function standardConfig({ SLUICE_CONFIG_FILE }: Environment) {
  const read = readConfig({ SLUICE_CONFIG_FILE })
  if (read.kind === 'ok') return read.config
  throw new Error('unable to check: the defaults are no whole configuration')
}
