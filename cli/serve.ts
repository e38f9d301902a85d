import { configFromEnvironment, policyFrom } from './environment.ts'
import { runGateway } from './run-gateway.ts'

/** The gateway for production: what is missing in the configuration is an error, never replaced. */
export async function run(): Promise<number> {
  const config = configFromEnvironment(process.env)
  const policy = await policyFrom({ config, environment: process.env })
  return runGateway({ config, policy }, () => undefined)
}
