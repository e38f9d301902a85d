import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { vi } from 'vitest'
import type { Authority } from './authority.ts'
import { freePort, type RedisServer, startRedisServer } from './redis-server.ts'
import { portSettings } from './redis-tls.ts'

/** A primary, its replica, and their Sentinels: one that alone decides, or three of which two do. */
export interface SentinelSetup extends AsyncDisposable {
  readonly primary: RedisServer
  readonly replica: RedisServer
  readonly sentinelPort: number
  /** redis+sentinel://…, or rediss+sentinel://…: all of them. */
  readonly url: string
  /** From now on the replica hears nothing of the primary. */
  cutReplication(): Promise<void>
  /** From now on nor does the Sentinel, to whom it is dead; clients are still served. */
  isolatePrimary(): Promise<void>
  /** Undoes both. */
  rejoinPrimary(): Promise<void>
  /** Ends the first Sentinel of the URL. */
  killSentinel(): Promise<void>
  /** Resolves when the replica is the primary. */
  failedOver(): Promise<void>
}

const masterName = 'main'
const failoverDeadlineMs = 20_000

export interface SentinelOptions {
  /** 1, the default, or 3. */
  readonly count?: 1 | 3
  /** Has all of it encrypted. */
  readonly authority?: Authority
}

export async function startSentinelSetup({ count = 1, authority }: SentinelOptions = {}): Promise<SentinelSetup> {
  const users = ['replica', 'sentinel'].flatMap((name) => ['--user', name, 'on', '>secret', '+@all', '~*', '&*'])
  // A Sentinel that is nobody any more must not be served as the user by default.
  const open = { password: 'secret' }
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
  const start = async (more: readonly string[]) => {
    const own = portSettings(await freePort(), authority)
    return startRedisServer({ ...own, args: [...own.args, ...args, ...more], client: { ...own.client, ...open } })
  }
  const primary = await start([])
  const replica = await start(['--replicaof', '127.0.0.1', String(primary.port)])
  await replicated(primary)
  const beginSentinel = () => startSentinel(primary.port, count, authority)
  const first = beginSentinel()
  const sentinels = await Promise.all([first, ...Array.from({ length: count - 1 }, beginSentinel)])
  const sentinel = await first
  const kill = async (kind: readonly string[]) => void (await primary.client.call('CLIENT', 'KILL', ...kind))
  return {
    primary,
    replica,
    sentinelPort: sentinel.port,
    url: sentinelUrl(
      sentinels.map(({ port }) => port),
      authority && 'rediss',
    ),
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
    killSentinel: () => sentinel.stop(),
    async failedOver() {
      const look = async () => {
        const [role] = (await replica.client.role()) as [string]
        if (role !== 'master') throw new Error(`the replica is still ${role}`)
      }
      await vi.waitFor(look, { timeout: failoverDeadlineMs, interval: 25 })
    },
    async [Symbol.asyncDispose]() {
      for (const { stop } of sentinels) await stop()
      await replica[Symbol.asyncDispose]()
      await primary[Symbol.asyncDispose]()
    },
  }
}

/** Of a store whose primary the Sentinels on these ports tell. */
export function sentinelUrl(ports: readonly number[], scheme = 'redis'): string {
  return `${scheme}+sentinel://:secret@${ports.map((port) => `127.0.0.1:${port}`).join(',')}/${masterName}`
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

async function startSentinel(primaryPort: number, count: number, authority?: Authority) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-sentinel-'))
  const port = await freePort()
  const file = join(folder, 'sentinel.conf')
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${masterName} 127.0.0.1 ${primaryPort} ${Math.ceil(count / 2)}`,
    `sentinel down-after-milliseconds ${masterName} 1000`,
    `sentinel failover-timeout ${masterName} 5000`,
    `sentinel auth-user ${masterName} sentinel`,
    `sentinel auth-pass ${masterName} secret`,
  ]
  await writeFile(file, settings.join('\n'))
  const own = portSettings(port, authority)
  const child = spawn('redis-server', [file, '--sentinel', ...own.args], { stdio: 'ignore' })
  const client = new Redis({
    ...own.client,
    port,
    host: '127.0.0.1',
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  })
  await knowsOthers(client, count - 1).finally(() => client.disconnect())
  return {
    port,
    async stop() {
      await end(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Of the replica, and of so many other Sentinels. */
async function knowsOthers(client: Redis, count: number): Promise<void> {
  client.on('error', () => undefined)
  const look = async () => {
    const replicas = JSON.stringify(await client.call('SENTINEL', 'REPLICAS', masterName))
    if (!replicas.includes('"master-link-status","ok"')) throw new Error(`the Sentinel knows no replica: ${replicas}`)
    const others = (await client.call('SENTINEL', 'SENTINELS', masterName)) as unknown[]
    if (others.length < count) throw new Error(`the Sentinel knows ${others.length} others`)
  }
  await vi.waitFor(look, { timeout: 15_000, interval: 50 })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
