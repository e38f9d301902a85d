import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { configFromEnvironment, policyFrom } from './environment.ts'

/** The gateway to try and to develop with: brings its own model server when no provider is configured. */
export async function run(): Promise<number> {
  // A person reads this terminal: what is ordinary stays unsaid, unless asked for.
  const config = configFromEnvironment({ SLUICE_LOG_LEVEL: 'warn', ...process.env })
  let starting: Promise<StartedModelServer> | undefined
  const bundledProvider = async () => {
    starting ??= startModelServer()
    return (await starting).url
  }
  // Who starts it waits: the model server starts while the gateway's modules are loaded.
  const [policy, { runGateway }] = await Promise.all([
    policyFrom({ config, environment: process.env, bundledProvider }),
    import('./run-gateway.ts'),
  ])
  const model = await starting
  try {
    return await runGateway({ config, policy }, (_gateway, url) => {
      say(`Sluice is on ${url}`)
      if (model !== undefined)
        say(
          `It answers from the bundled model server (${model.url}): set OPENAI_API_KEY or OPENAI_BASE_URL for a real model.`,
        )
      if (config.auth.mode === 'development')
        say('Development mode: no key for tokens is configured, so anybody on this machine gets one.')
    })
  } finally {
    // Also one that was started since, for a file that names no target any more.
    const started = await starting
    started?.process.disconnect()
  }
}

interface StartedModelServer {
  readonly url: string
  readonly process: ChildProcess
}

/** A process of its own, as a provider is; it ends when this one does. */
async function startModelServer(): Promise<StartedModelServer> {
  const entry = join(import.meta.dirname, '..', 'load', 'model-server', 'main.ts')
  const child = spawn(process.execPath, [entry], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  if (child.stdout === null) throw new Error('unable to start the bundled model server: no pipe to it')
  const lines = createInterface({ input: child.stdout })
  for await (const line of lines) return { url: listeningUrl(line), process: child }
  throw new Error('unable to start the bundled model server: it ended before it listened')
}

function listeningUrl(line: string): string {
  const said: unknown = JSON.parse(line)
  if (typeof said === 'object' && said !== null && 'listening' in said && typeof said.listening === 'string')
    return said.listening
  throw new Error(`unable to start the bundled model server: it said ${line}`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
