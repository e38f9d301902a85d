import { describe, expect, test } from 'vitest'
import { socketAt } from '../nodes/two-nodes.ts'
import { makeAuthority } from '../support/authority.ts'
import { startTestGateway } from '../support/gateway.ts'
import { replicated, startSentinelSetup } from '../support/redis-sentinel.ts'
import { chainOf } from './chain.ts'
import { endsOf, question, recordTypes, startStage, wholeAnswer } from './stage.ts'

/** Sentinel fails over to a replica that has not heard of what was written last. */

describe('a failover to a replica that lags', { timeout: 60_000 }, () => {
  test('[REDIS-10] the text that it lacks is written again by the producer, and nothing is delivered twice', async () => {
    await using redis = await startSentinelSetup()
    await using stage = await startStage({ env: { REDIS_URL: redis.url } })
    await replicated(redis.primary)
    await redis.cutReplication()
    const [reading] = stage.readings
    await reading.atLeast(reading.sizeBytes + 300)
    const [tape] = await redis.replica.client.keys(`*{${stage.session}}t:*`)
    expect(await redis.replica.client.strlen(tape ?? '')).toBeGreaterThan(0)
    expect(await redis.replica.client.strlen(tape ?? '')).toBeLessThan(reading.sizeBytes - 200)
    await redis.primary.kill()
    await redis.failedOver()
    expect(await endsOf(stage)).toEqual(wholeAnswer)
    const types = ['message.added', 'turn.started', 'turn.completed']
    expect(await recordTypes(stage.sockets[1], stage.session)).toEqual(types)
    const chain = await chainOf(redis.replica.client, `sluice:{${stage.session}}l`)
    expect(chain.stored).toEqual(chain.computed)
  })

  test('[REDIS-11] a message that it lacks is claimed again, so that its turn ends with the whole answer', async () => {
    await using redis = await startSentinelSetup()
    await using stage = await startStage({
      env: { REDIS_URL: redis.url },
      content: 'hello\n[[answer=count tokens=100]]',
    })
    await Promise.all(stage.readings.map((reading) => reading.end()))
    await replicated(redis.primary)
    await redis.cutReplication()
    const [asking, watching] = stage.sockets
    const sent = { type: 'message.send', session: stage.session, messageId: 'n', content: question }
    const { turn } = await asking.ask(sent, 'message.accepted')
    await watching.next('turn.delta', (delta) => delta.turn === turn && delta.end > 200)
    await redis.primary.kill()
    await redis.failedOver()
    const ends = await Promise.all(
      [asking, watching].map((client) => client.find((frame) => isEnd(frame, turn), 'the end', 30_000)),
    )
    expect(ends.map(({ type }) => type)).toEqual(['turn.completed', 'turn.completed'])
    const types = ['message.added', 'turn.started', 'turn.completed']
    expect(await recordTypes(watching, stage.session)).toEqual([...types, ...types])
    const again = await asking.ask(sent, 'message.accepted')
    expect(again.turn).toBe(turn)
  })

  test('[REDIS-13] a session that it lacks is told as lost, its provider is closed, and a new one works', async () => {
    await using redis = await startSentinelSetup()
    await redis.cutReplication()
    await using stage = await startStage({
      env: { REDIS_URL: redis.url },
      content: 'Go on.\n[[tokens=100000 tps=100]]',
    })
    await redis.primary.kill()
    await redis.failedOver()
    const { session } = stage
    for (const client of stage.sockets)
      expect(await client.find(({ type }) => type === 'session.deleted', 'the loss', 30_000)).toMatchObject({
        session,
        reason: 'lost',
      })
    await stage.one.model.waitFor(({ status }) => status === 'closed-by-client', 15_000)
    const [asking] = stage.sockets
    const fresh = await asking.ask({ type: 'session.open' }, 'session.opened')
    const sent = { type: 'message.send', session: fresh.session, messageId: 'm', content: 'hello\n[[answer=echo]]' }
    await asking.ask(sent, 'message.accepted')
    await asking.next('turn.completed')
  })
})

test('[REDIS-14] [REDIS-43] three Sentinels with TLS, of which the first is dead, lead to the new primary', {
  timeout: 60_000,
}, async () => {
  using authority = makeAuthority()
  await using redis = await startSentinelSetup({ count: 3, authority })
  await using stage = await startStage({ env: { REDIS_URL: redis.url, SLUICE_REDIS_CA_FILE: authority.caFile } })
  await replicated(redis.primary)
  await redis.killSentinel()
  await redis.primary.kill()
  await redis.failedOver()
  expect(await endsOf(stage)).toEqual(wholeAnswer)
  // Whoever comes now asks the dead one first.
  await using later = await startTestGateway({ env: { REDIS_URL: redis.url, SLUICE_REDIS_CA_FILE: authority.caFile } })
  const client = await socketAt(later)
  await client.ask({ type: 'session.open', session: stage.session }, 'session.opened')
  const types = ['message.added', 'turn.started', 'turn.completed']
  expect(await recordTypes(client, stage.session)).toEqual(types)
})

function isEnd(frame: { readonly type: string; readonly turn?: unknown }, turn: string): boolean {
  return frame.turn === turn && /^turn\.(completed|failed|cancelled)$/.test(frame.type)
}
