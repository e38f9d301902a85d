import slotOf from 'cluster-key-slot'
import { Cluster } from 'ioredis'
import { vi } from 'vitest'
import type { Authority } from './authority.ts'
import { freePort, type RedisServer, startRedisServer } from './redis-server.ts'
import { portSettings } from './redis-tls.ts'

/** Three masters with a replica each, as a cluster of real processes on loopback. */
export interface RedisCluster extends AsyncDisposable {
  readonly masters: readonly RedisServer[]
  readonly replicas: readonly RedisServer[]
  /** redis+cluster://…, or rediss+cluster://… */
  readonly url: string
  /** A client for the test itself. */
  readonly client: Cluster
  /** The master that holds a key now. */
  masterOf(key: string): Promise<RedisServer>
}

export const nodeTimeoutMs = 1_500
const slots = 16_384
const deadline = { timeout: 20_000, interval: 25 }

/** With an authority all of it is encrypted. */
export async function startRedisCluster(authority?: Authority): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: 6 }, () => startNode(authority)))
  const masters = nodes.slice(0, 3).map(({ server }) => server)
  const replicas = nodes.slice(3).map(({ server }) => server)
  const [first] = nodes
  for (const [index, { client }] of masters.entries()) {
    const from = Math.floor((slots * index) / masters.length)
    const to = Math.floor((slots * (index + 1)) / masters.length) - 1
    await client.call('CLUSTER', 'ADDSLOTSRANGE', from, to)
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
  }
  for (const { server, busPort } of nodes.slice(1))
    await first?.server.client.call('CLUSTER', 'MEET', '127.0.0.1', server.port, busPort)
  for (const [index, { client }] of replicas.entries()) {
    const id = String(await masters[index]?.client.call('CLUSTER', 'MYID'))
    await vi.waitFor(() => client.call('CLUSTER', 'REPLICATE', id), deadline)
  }
  const all = [...masters, ...replicas]
  for (const server of all) await vi.waitFor(() => isWhole(server), deadline)
  const { tls } = masters[0]?.client.options ?? {}
  const startNodes = all.map(({ port }) => ({ port, host: '127.0.0.1' }))
  const client = new Cluster(startNodes, tls === undefined ? {} : { redisOptions: { tls } })
  client.on('error', () => undefined)
  return {
    masters,
    replicas,
    client,
    url: `${tls === undefined ? 'redis' : 'rediss'}+cluster://${all.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    masterOf: async (key) => {
      const port = await holderOf(all, slotOf(key))
      const holder = all.find((server) => server.port === port)
      if (holder === undefined) throw new Error(`nobody holds ${key}`)
      return holder
    },
    async [Symbol.asyncDispose]() {
      client.disconnect()
      await Promise.all(all.map((server) => server[Symbol.asyncDispose]()))
    },
  }
}

async function startNode(authority?: Authority): Promise<{ readonly server: RedisServer; readonly busPort: number }> {
  const busPort = await freePort()
  const cluster = { enabled: 'yes', 'config-file': 'nodes.conf', 'node-timeout': nodeTimeoutMs, port: busPort }
  const args = Object.entries(cluster).flatMap(([name, value]) => [`--cluster-${name}`, String(value)])
  const own = portSettings(await freePort(), authority)
  const all = [...own.args, ...args, '--repl-diskless-sync-delay', '0']
  return { server: await startRedisServer({ ...own, args: all }), busPort }
}

/** All slots are served, and each of the three masters has a replica that has its data. */
async function isWhole({ client }: RedisServer): Promise<void> {
  const info = String(await client.call('CLUSTER', 'INFO'))
  const held = (await client.call('CLUSTER', 'SLOTS')) as unknown[][]
  const hasReplicas = held.length === 3 && held.every((range) => range.length === 4)
  const replication = await client.info('replication')
  const isLinked = /master_link_status:up|role:master.*state=online/s.test(replication)
  if (!info.includes('cluster_state:ok') || !hasReplicas || !isLinked)
    throw new Error(`the cluster is not whole: ${info}\n${JSON.stringify(held)}\n${replication}`)
}

async function holderOf(servers: readonly RedisServer[], slot: number): Promise<number | undefined> {
  for (const { client, process } of servers) {
    if (process.exitCode !== null || process.signalCode !== null) continue
    const held = (await client.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
    return held.find(([from, to]) => from <= slot && slot <= to)?.[2][1]
  }
  return undefined
}
