import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Authority, makeAuthority } from '../support/authority.ts'
import { startTestGateway } from '../support/gateway.ts'
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import type { RedisServer } from '../support/redis-server.ts'
import { sluiceUserOfCluster } from '../support/sluice-user.ts'
import { chainOf } from './chain.ts'
import { endsOf, eventually, readiness, recordTypes, type Stage, startStage, wholeAnswer } from './stage.ts'

/** A cluster with TLS, whose slots go elsewhere in the middle of an answer: moved by hand, or with the death of their master. */

let authority: Authority
let cluster: RedisCluster
beforeAll(async () => {
  authority = makeAuthority()
  cluster = await startRedisCluster(authority)
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
  authority[Symbol.dispose]()
})
const environment = () => ({ REDIS_URL: cluster.url, SLUICE_REDIS_CA_FILE: authority.caFile })

test('[REDIS-41] the documented user may do all that the store does in a cluster', { timeout: 60_000 }, async () => {
  const nodes = [...cluster.masters, ...cluster.replicas]
  for (const { client } of nodes) await client.call('ACL', 'SETUSER', ...sluiceUserOfCluster())
  const url = cluster.url.replace('//', '//sluice:password@')
  await using stage = await startStage({
    env: { ...environment(), REDIS_URL: url },
    content: 'hello\n[[answer=count tokens=100]]',
  })
  expect((await endsOf(stage)).map(({ type }) => type)).toEqual(['turn.completed', 'turn.completed'])
  for (const { client } of nodes) expect(await client.call('ACL', 'LOG')).toEqual([])
})

describe('a slot that goes elsewhere in mid-answer', { timeout: 60_000 }, () => {
  test('[REDIS-20] [REDIS-43] moved key by key, it costs time and nothing else', async () => {
    // What waits for a replica is asked of one node, and must find the next one by itself.
    const env = { ...environment(), SLUICE_REDIS_WAIT_REPLICAS: '1' }
    await using stage = await startStage({ env })
    const key = `sluice:{${stage.session}}m`
    const from = await cluster.masterOf(key)
    const [to] = cluster.masters.filter((server) => server !== from)
    if (to === undefined) throw new Error('one master only')
    const slot = Number(await from.client.call('CLUSTER', 'KEYSLOT', key))
    const move = await beginMove(slot, from, to)
    // A script of which one key is here and one is there runs nowhere.
    await move.carry([key])
    const torn = await stage.sockets[0].ask({ type: 'history.get', session: stage.session }, 'error')
    expect(torn).toMatchObject({ kind: 'unavailable', retryable: true })
    // With all keys there and the slot still here, commands are sent on, and published where nobody listens.
    await move.carryAll()
    await Promise.all(stage.readings.map((reading) => reading.atLeast(reading.sizeBytes + 200)))
    await move.end(cluster.masters)
    expect(await endsOf(stage)).toEqual(wholeAnswer)
    await checkHistory(stage, to)
    expect((await cluster.masterOf(key)).port).toBe(to.port)
  })

  test('[REDIS-21] [REDIS-43] with the death of its master, the answer goes on at the replica', async () => {
    await using stage = await startStage({ env: environment() })
    const key = `sluice:{${stage.session}}m`
    const dead = await cluster.masterOf(key)
    await dead.kill()
    expect(await endsOf(stage)).toEqual(wholeAnswer)
    const holder = await cluster.masterOf(key)
    expect(holder.port).not.toBe(dead.port)
    await checkHistory(stage, holder)
  })
})

test('[REDIS-22] while nobody serves some of the slots, nodes are not ready', { timeout: 60_000 }, async () => {
  await endReplicas()
  await using node = await startTestGateway({ env: environment() })
  await eventually(async () => expect(await readiness(node)).toEqual({ status: 200, reasons: [] }))
  const master = await cluster.masterOf('any key')
  await master.kill()
  const reasons = ['not all of the session store answers']
  await eventually(async () => expect(await readiness(node)).toEqual({ status: 503, reasons }))
  await master.restart()
  await eventually(async () => expect(await readiness(node)).toEqual({ status: 200, reasons: [] }))
})

/** So that nobody takes the place of a master that dies. */
async function endReplicas(): Promise<void> {
  for (const server of [...cluster.masters, ...cluster.replicas]) {
    if (server.process.exitCode !== null || server.process.signalCode !== null) continue
    const [role] = await server.client.role()
    if (role === 'slave') await server.kill()
  }
}

async function checkHistory(stage: Stage, holder: RedisServer): Promise<void> {
  const types = ['message.added', 'turn.started', 'turn.completed']
  for (const client of stage.sockets) expect(await recordTypes(client, stage.session)).toEqual(types)
  const chain = await chainOf(holder.client, `sluice:{${stage.session}}l`)
  expect(chain.stored).toEqual(chain.computed)
}

/** Moves a slot as resharding tools do. */
async function beginMove(slot: number, from: RedisServer, to: RedisServer) {
  const [fromId, toId] = await Promise.all([from, to].map(({ client }) => client.call('CLUSTER', 'MYID')))
  await to.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(fromId))
  await from.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(toId))
  const carry = (keys: readonly string[]) =>
    from.client.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys)
  return {
    carry,
    async carryAll() {
      for (;;) {
        const keys = (await from.client.call('CLUSTER', 'GETKEYSINSLOT', slot, 10)) as string[]
        if (keys.length === 0) return
        await carry(keys)
      }
    },
    async end(masters: readonly RedisServer[]) {
      for (const { client } of [to, from, ...masters])
        await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', String(toId))
    },
  }
}
