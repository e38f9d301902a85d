import { configFromEnvironment } from './environment.ts'
import { runGateway } from './run-gateway.ts'

/** The gateway for production: what is missing in the configuration is an error, never replaced. */
export async function run(): Promise<number> {
  const config = configFromEnvironment(process.env)
  if (config.provider.endpoint.kind === 'bundled') {
    throw new Error(
      'unable to start: no provider; set OPENAI_API_KEY or OPENAI_BASE_URL (`sluice start` brings a model server to try with)',
    )
  }
  return runGateway(config, undefined, () => undefined)
}
