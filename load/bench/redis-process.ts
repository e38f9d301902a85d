import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { endWithThis } from './processes.ts'

/** A Redis of a benchmark's own on loopback, with the persistence that docs/OPERATIONS.md asks for. */
export interface RedisProcess {
  /** redis://127.0.0.1:PORT */
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

const persistence = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', '']

/** How long Redis may take to be ready, in milliseconds. */
const readyMaxMs = 10_000

export async function startRedisProcess(): Promise<RedisProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-redis-'))
  const port = await freePort()
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, ...persistence]
  const child = spawn('redis-server', settings, { stdio: ['ignore', 'pipe', 'inherit'] })
  endWithThis(child)
  const stop = async () => {
    await ended(child)
    await rm(folder, { recursive: true, force: true })
  }
  if (child.pid === undefined || !(await isReady(child))) {
    await stop()
    throw new Error('unable to start redis-server: is it installed?')
  }
  return { url: `redis://127.0.0.1:${port}`, pid: child.pid, stop }
}

function isReady(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(false))
    child.once('exit', () => resolve(false))
    setTimeout(() => resolve(false), readyMaxMs).unref()
    if (child.stdout === null) return resolve(false)
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('Ready to accept connections')) resolve(true)
    })
  })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** Nobody's a moment ago: Redis cannot choose one by itself. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('unable to find a free port')
  return address.port
}
