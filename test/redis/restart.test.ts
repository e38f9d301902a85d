import { describe, expect, test } from 'vitest'
import { socketAt } from '../nodes/two-nodes.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { endsOf, eventually, expected, readiness, recordTypes, startStage, wholeAnswer } from './stage.ts'

/** One Redis that dies, hangs or comes back empty, in the middle of an answer. */

const endless = 'Go on.\n[[tokens=100000 tps=100]]'
const away = { status: 503, reasons: ['the session store does not answer'] }
const ready = { status: 200, reasons: [] }

describe('a Redis that is away for a while', { timeout: 60_000 }, () => {
  test('[REDIS-1] [REDIS-2] killed and begun again with its file, it costs an answer nothing; meanwhile messages are refused', async () => {
    await using redis = await startRedisServer({ args: ['--appendonly', 'yes'] })
    await using stage = await startStage({ env: { REDIS_URL: redis.url } })
    const [asking, watching] = stage.sockets
    const idle = await asking.ask({ type: 'session.open' }, 'session.opened')
    await redis.kill()
    for (const node of [stage.one, stage.other])
      await eventually(async () => expect(await readiness(node)).toEqual(away))
    const sent = { type: 'message.send', session: idle.session, messageId: 'n', content: 'hello\n[[answer=echo]]' }
    const refused = await asking.ask(sent, 'error')
    expect(refused).toMatchObject({ kind: 'unavailable', retryable: true, retryAfterMs: expect.any(Number) })
    await redis.restart()
    for (const node of [stage.one, stage.other])
      await eventually(async () => expect(await readiness(node)).toEqual(ready))
    expect(await endsOf(stage)).toEqual(wholeAnswer)
    const types = ['message.added', 'turn.started', 'turn.completed']
    expect(await recordTypes(watching, stage.session)).toEqual(types)
    await asking.ask(sent, 'message.accepted')
    await asking.next('turn.completed', ({ turn }) => turn !== stage.turn)
    expect(stage.sockets.map(({ socket }) => socket.readyState)).toEqual([1, 1])
  })

  test('[REDIS-3] begun again without its data, watchers are told that the session is lost, and the provider is closed', async () => {
    await using redis = await startRedisServer()
    await using stage = await startStage({ env: { REDIS_URL: redis.url }, content: endless })
    const [asking, watching] = stage.sockets
    await redis.restart()
    for (const client of [asking, watching])
      expect(await client.next('session.deleted')).toMatchObject({ session: stage.session, reason: 'lost' })
    await stage.one.model.waitFor(({ status }) => status === 'closed-by-client', 15_000)
    const fresh = await watching.ask({ type: 'session.open' }, 'session.opened')
    await watching.ask(
      { type: 'message.send', session: fresh.session, messageId: 'm', content: 'hello\n[[answer=echo]]' },
      'message.accepted',
    )
    await watching.next('turn.completed')
    expect(await redis.client.keys(`*${stage.session}*`)).toEqual([])
  })

  test('[REDIS-4] one that hangs is given up after about a second, and everything goes on when it wakes', async () => {
    await using redis = await startRedisServer()
    await using stage = await startStage({ env: { REDIS_URL: redis.url, SLUICE_LEASE_MS: '500' } })
    redis.process.kill('SIGSTOP')
    try {
      await eventually(async () => expect(await readiness(stage.one)).toEqual(away))
      const refused = await stage.sockets[0].ask({ type: 'session.open' }, 'error')
      expect(refused).toMatchObject({ kind: 'unavailable', retryable: true })
    } finally {
      redis.process.kill('SIGCONT')
    }
    await eventually(async () => expect(await readiness(stage.one)).toEqual(ready))
    expect(await endsOf(stage)).toEqual(wholeAnswer)
  })

  test('[REDIS-4] one that is told to pause is the same', async () => {
    await using redis = await startRedisServer()
    await using stage = await startStage({ env: { REDIS_URL: redis.url, SLUICE_LEASE_MS: '500' } })
    await redis.client.call('CLIENT', 'PAUSE', 3_000, 'ALL')
    await eventually(async () => expect(await readiness(stage.one)).toEqual(away))
    await eventually(async () => expect(await readiness(stage.one)).toEqual(ready))
    expect(await endsOf(stage)).toEqual(wholeAnswer)
    expect(expected.length).toBeGreaterThan(1_000)
    const again = await socketAt(stage.other)
    await again.ask({ type: 'session.open', session: stage.session }, 'session.opened')
  })
})
