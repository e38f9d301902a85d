import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach } from 'vitest'

/** The command as an operator runs it: a process of its own, told by its environment alone. */

export const main = new URL('../../cli/main.ts', import.meta.url).pathname
export const deadlineMs = 15_000
const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

export type Variables = Readonly<Record<string, string>>

/** Without what the machine happens to set, and on free ports unless a test says otherwise. */
function environment(variables: Variables): Variables {
  const own = Object.entries(process.env).filter(([name]) => !/^(SLUICE|OPENAI|OTEL|REDIS|HOST$|PORT$)/.test(name))
  const inherited = own.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  return { ...Object.fromEntries(inherited), PORT: '0', SLUICE_METRICS_PORT: 'off', ...variables }
}

export function run(args: readonly string[], variables: Variables = {}): ChildProcess {
  const child = spawn(process.execPath, [...args], { stdio: ['ignore', 'pipe', 'pipe'], env: environment(variables) })
  children.push(child)
  return child
}

export interface Ended {
  readonly code: number | null
  readonly said: string
  readonly complained: string
}

export async function ended(child: ChildProcess): Promise<Ended> {
  const said: Buffer[] = []
  const complained: Buffer[] = []
  child.stdout?.on('data', (piece: Buffer) => said.push(piece))
  child.stderr?.on('data', (piece: Buffer) => complained.push(piece))
  const [code] = await once(child, 'close', { signal: AbortSignal.timeout(deadlineMs) })
  return { code, said: Buffer.concat(said).toString(), complained: Buffer.concat(complained).toString() }
}
