import { type Config, readConfig } from '../gateway/config.ts'

/** The configuration of this process. Throws with every problem in one message. */
export function configFromEnvironment(environment: NodeJS.ProcessEnv): Config {
  const read = readConfig(environment)
  if (read.kind === 'ok') return read.config
  throw new Error(`unable to start:\n${read.problems.map((problem) => `  - ${problem}`).join('\n')}`)
}
