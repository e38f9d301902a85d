import { join } from 'node:path'
import { type Started, startNode } from './processes.ts'

export interface GatewayProcess extends Started {
  /** ws://…/v1/socket */
  readonly socketUrl: string
  token(subject: string): Promise<string>
}

/** `sluice serve` as a process of its own, in development mode, against a provider. `env` overrides. `nodeArgs`: for node itself. */
export function startGatewayProcess(
  providerUrl: string,
  env: Readonly<Record<string, string>>,
  nodeArgs: readonly string[] = [],
): Promise<GatewayProcess> {
  return startCheckout(ownCheckout, { providerUrl, env, nodeArgs })
}

/** The folder of this checkout. */
export const ownCheckout = join(import.meta.dirname, '..', '..')

export interface GatewayStart {
  readonly providerUrl: string
  readonly env: Readonly<Record<string, string>>
  readonly nodeArgs: readonly string[]
}

/** The same from another checkout of Sluice, with its dependencies installed, to compare with. */
export async function startCheckout(
  checkout: string,
  { providerUrl, env, nodeArgs }: GatewayStart,
): Promise<GatewayProcess> {
  const cli = join(checkout, 'cli', 'main.ts')
  const settings = { PORT: '0', OPENAI_BASE_URL: providerUrl, SLUICE_METRICS_PORT: '0', SLUICE_MODEL: 'bench' }
  const server = await startNode([...nodeArgs, cli, 'serve'], { ...settings, ...env }, gatewayAddress)
  return {
    ...server,
    socketUrl: `${server.url.replace('http', 'ws')}/v1/socket`,
    token: (subject) => developmentToken(server.url, subject),
  }
}

/** The gateway's log line that names its address. */
function gatewayAddress(line: string): string | undefined {
  const said: unknown = JSON.parse(line)
  return typeof said === 'object' && said !== null && 'url' in said ? String(said.url) : undefined
}

async function developmentToken(url: string, subject: string): Promise<string> {
  const answer = await fetch(`${url}/dev/token?subject=${subject}`)
  const said: unknown = await answer.json()
  if (typeof said === 'object' && said !== null && 'token' in said) return String(said.token)
  throw new Error(`unable to get a token: ${answer.status}`)
}
