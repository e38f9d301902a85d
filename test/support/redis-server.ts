import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis, type RedisOptions } from 'ioredis'

/** A real Redis of a test's own, on a free port of loopback, with its files in a folder that goes with it. */
export interface RedisServer extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly process: ChildProcess
  /** A client for the test itself: it waits for the connection and asks again, as a test may. */
  readonly client: Redis
  /** Ends the process without a word, as a machine that dies. */
  kill(): Promise<void>
  /** Begins again on the same port, with what is on its disk. */
  restart(): Promise<void>
}

export interface RedisServerOptions {
  /** More settings, as on the command line. */
  readonly args?: readonly string[]
  readonly port?: number
  /** What the test's own client needs beside the port: a password, TLS. */
  readonly client?: Omit<RedisOptions, 'replyMapping'>
}

const startDeadlineMs = 10_000

export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-redis-'))
  const port = options.port ?? (await freePort())
  let running = await launch(folder, port, options.args ?? [])
  const always = { port, host: '127.0.0.1', maxRetriesPerRequest: null, retryStrategy: () => 20 }
  const client = new Redis({ ...always, ...options.client })
  client.on('error', () => undefined)
  await client.ping()
  const kill = async () => {
    if (running.exitCode !== null || running.signalCode !== null) return
    const exited = once(running, 'exit')
    running.kill('SIGKILL')
    await exited
  }
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get process() {
      return running
    },
    client,
    kill,
    async restart() {
      await kill()
      running = await launch(folder, port, options.args ?? [])
      await client.ping()
    },
    async [Symbol.asyncDispose]() {
      client.disconnect()
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function launch(folder: string, port: number, args: readonly string[]): Promise<ChildProcess> {
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...args]
  const child = spawn('redis-server', settings, { stdio: ['ignore', 'pipe', 'pipe'] })
  const output: string[] = []
  const ready = new Promise<void>((resolve, reject) => {
    const deadline = setTimeout(
      () => reject(new Error(`redis-server is not ready: ${output.join('')}`)),
      startDeadlineMs,
    )
    child.stdout.on('data', (chunk: Buffer) => {
      output.push(chunk.toString())
      if (!/Ready to accept connections|Sentinel ID is/.test(output.join(''))) return
      clearTimeout(deadline)
      resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${output.join('')}`)))
  })
  await ready
  return child
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('unable to find a free port')
  return address.port
}
