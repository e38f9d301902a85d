import { expect, test } from 'vitest'
import { startCuttableProxy } from '../support/cuttable-proxy.ts'
import { replicated, sentinelUrl, startSentinelSetup } from '../support/redis-sentinel.ts'
import { chainOf } from './chain.ts'
import { endsOf, eventually, expected, recordTypes, startStage } from './stage.ts'

/**
 * The old primary lives, cut off from its replica and the Sentinel, with one node on its side. That node's producer goes
 * on there, while the other side takes the turn over: two histories, of which one stands when the cut heals.
 */
test('[REDIS-12] an isolated primary’s node joins the history that stands, and each side has had a whole answer', {
  timeout: 90_000,
}, async () => {
  await using redis = await startSentinelSetup()
  await using way = await startCuttableProxy(redis.sentinelPort)
  await using stage = await startStage({
    // The test asks again and again until it is so.
    env: { REDIS_URL: sentinelUrl([way.port]), SLUICE_LEASE_MS: '1000', SLUICE_FRAMES_PER_SECOND: '10000' },
    otherEnv: { REDIS_URL: redis.url, SLUICE_LEASE_MS: '1000', SLUICE_FRAMES_PER_SECOND: '10000' },
  })
  await replicated(redis.primary)
  way.cut()
  await redis.cutReplication()
  await redis.isolatePrimary()
  await redis.failedOver()
  const [isolated, standing] = await endsOf(stage)
  expect(isolated).toEqual({ type: 'turn.completed', text: expected, restarts: [] })
  expect(standing).toMatchObject({ type: 'turn.completed', text: expected, restarts: [{ attempt: 2, keptBytes: 0 }] })

  way.heal()
  await redis.rejoinPrimary()
  const types = ['message.added', 'turn.started', 'turn.restarted', 'turn.completed']
  await eventually(async () => expect(await recordTypes(stage.sockets[0], stage.session)).toEqual(types), 40_000)
  expect(await recordTypes(stage.sockets[1], stage.session)).toEqual(types)
  const chain = await chainOf(redis.replica.client, `sluice:{${stage.session}}l`)
  expect(chain.stored).toEqual(chain.computed)
  // Who watched on the isolated side is told to begin anew with what stands.
  const opened = await stage.sockets[0].next('session.opened', ({ reset }) => reset)
  expect(opened.records.map(({ type }) => type)).toEqual(types)
})
