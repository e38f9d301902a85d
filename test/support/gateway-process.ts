import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A gateway as a process of its own, in development mode, which dies like one. */
export interface GatewayProcess extends AsyncDisposable {
  readonly process: ChildProcess
  readonly port: number
  /** ws://127.0.0.1:PORT/v1/socket */
  readonly url: string
  readonly httpUrl: string
  token(subject: string): Promise<string>
  /** Resolves when the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
}

const main = new URL('../../cli/main.ts', import.meta.url).pathname

/** `env`: SLUICE_… variables, and where the provider and Redis are. */
export async function startGatewayProcess(env: Readonly<Record<string, string>>): Promise<GatewayProcess> {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(SLUICE|OPENAI|OTEL|REDIS|HOST$|PORT$|NODE_OPTIONS)/.test(name)),
  )
  const child = spawn(process.execPath, [main, 'start'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...inherited, PORT: '0', SLUICE_METRICS_PORT: 'off', SLUICE_LOG_LEVEL: 'silent', ...env },
  })
  const httpUrl = await listeningUrl(child)
  const port = Number(new URL(httpUrl).port)
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  return {
    process: child,
    port,
    url: `ws://127.0.0.1:${port}/v1/socket`,
    httpUrl,
    kill,
    async token(subject) {
      const answer = await fetch(`${httpUrl}/dev/token?subject=${subject}`)
      const { token } = (await answer.json()) as { token: string }
      return token
    },
    [Symbol.asyncDispose]: () => kill(),
  }
}

async function listeningUrl(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no pipe to the gateway')
  const lines = createInterface({ input: child.stdout })
  for await (const line of lines) {
    const url = /^Sluice is on (\S+)$/.exec(line)?.[1]
    if (url === undefined) continue
    child.stdout.resume()
    return url
  }
  throw new Error('the gateway ended before it listened')
}
