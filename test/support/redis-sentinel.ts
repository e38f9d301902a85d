import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { vi } from 'vitest'
import { freePort, type RedisServer, startRedisServer } from './redis-server.ts'

/** A primary, its replica, and a Sentinel that alone decides. */
export interface SentinelSetup extends AsyncDisposable {
  readonly primary: RedisServer
  readonly replica: RedisServer
  readonly sentinelPort: number
  /** redis+sentinel://… */
  readonly url: string
  /** From now on the replica hears nothing of the primary. */
  cutReplication(): Promise<void>
  /** From now on nor does the Sentinel, to whom it is dead; clients are still served. */
  isolatePrimary(): Promise<void>
  /** Undoes both. */
  rejoinPrimary(): Promise<void>
  /** Resolves when the replica is the primary. */
  failedOver(): Promise<void>
}

const masterName = 'main'
const failoverDeadlineMs = 20_000

export async function startSentinelSetup(): Promise<SentinelSetup> {
  const users = ['replica', 'sentinel'].flatMap((name) => ['--user', name, 'on', '>secret', '+@all', '~*', '&*'])
  // A Sentinel that is nobody any more must not be served as the user by default.
  const client = { password: 'secret' }
  const args = [
    ...users,
    '--requirepass',
    'secret',
    '--repl-diskless-sync-delay',
    '0',
    '--masteruser',
    'replica',
    '--masterauth',
    'secret',
  ]
  const primary = await startRedisServer({ args, client })
  const replica = await startRedisServer({ args: [...args, '--replicaof', '127.0.0.1', String(primary.port)], client })
  await replicated(primary)
  const sentinel = await startSentinel(primary.port)
  const kill = async (kind: readonly string[]) => void (await primary.client.call('CLIENT', 'KILL', ...kind))
  return {
    primary,
    replica,
    sentinelPort: sentinel.port,
    url: sentinelUrl(sentinel.port),
    async cutReplication() {
      await primary.client.call('ACL', 'SETUSER', 'replica', 'off')
      await kill(['TYPE', 'replica'])
    },
    async isolatePrimary() {
      await primary.client.call('ACL', 'SETUSER', 'sentinel', 'off')
      await kill(['USER', 'sentinel'])
    },
    async rejoinPrimary() {
      for (const user of ['replica', 'sentinel']) await primary.client.call('ACL', 'SETUSER', user, 'on')
    },
    async failedOver() {
      const look = async () => {
        const [role] = (await replica.client.role()) as [string]
        if (role !== 'master') throw new Error(`the replica is still ${role}`)
      }
      await vi.waitFor(look, { timeout: failoverDeadlineMs, interval: 25 })
    },
    async [Symbol.asyncDispose]() {
      await sentinel.stop()
      await replica[Symbol.asyncDispose]()
      await primary[Symbol.asyncDispose]()
    },
  }
}

/** Of a store whose primary the Sentinel on this port tells. */
export function sentinelUrl(port: number): string {
  return `redis+sentinel://:secret@127.0.0.1:${port}/${masterName}`
}

/** Resolves when so many replicas have all that their primary has written until now. */
export async function replicated({ client }: RedisServer, count = 1): Promise<void> {
  const look = async () => {
    await client.set('replicated', '')
    const reached = await client.wait(count, 100)
    if (reached < count) throw new Error(`only ${reached} replicas have it: ${await client.info('replication')}`)
  }
  await vi.waitFor(look, { timeout: 15_000, interval: 25 })
}

async function startSentinel(primaryPort: number) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-sentinel-'))
  const port = await freePort()
  const file = join(folder, 'sentinel.conf')
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${masterName} 127.0.0.1 ${primaryPort} 1`,
    `sentinel down-after-milliseconds ${masterName} 1000`,
    `sentinel failover-timeout ${masterName} 5000`,
    `sentinel auth-user ${masterName} sentinel`,
    `sentinel auth-pass ${masterName} secret`,
  ]
  await writeFile(file, settings.join('\n'))
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
  await knowsReplica(port)
  return {
    port,
    async stop() {
      await end(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function knowsReplica(port: number): Promise<void> {
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 20, maxRetriesPerRequest: null })
  client.on('error', () => undefined)
  const look = async () => {
    const replicas = JSON.stringify(await client.call('SENTINEL', 'REPLICAS', masterName))
    if (!replicas.includes('"master-link-status","ok"')) throw new Error(`the Sentinel knows no replica: ${replicas}`)
  }
  await vi.waitFor(look, { timeout: 15_000, interval: 50 }).finally(() => client.disconnect())
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
