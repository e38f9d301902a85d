import { expect, test } from 'vitest'
import {
  answerTurn,
  asking,
  ending,
  expectKind,
  leaseMs,
  makeSession,
  owner,
  session,
  startTurn,
  tapeText,
} from '../sessions/contract/bench.ts'
import { openRedisLog } from '../sessions/redis-bench.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { endsOf, eventually, readiness, startStage, wholeAnswer } from './stage.ts'

/** A Redis without memory, and one that would make some by evicting sessions. */

const full = { kind: 'unavailable', retryable: true, retryAfterMs: expect.any(Number) }

test('[REDIS-30] with no memory left, answers still end, new messages and sessions are refused until there is some', {
  timeout: 60_000,
}, async () => {
  await using redis = await startRedisServer()
  await using stage = await startStage({ env: { REDIS_URL: redis.url } })
  const [asking, watching] = stage.sockets
  const idle = await watching.ask({ type: 'session.open' }, 'session.opened')
  const sent = { type: 'message.send', session: idle.session, messageId: 'n', content: 'hello\n[[answer=echo]]' }
  await redis.client.config('SET', 'maxmemory', '1mb')
  expect(await watching.ask(sent, 'error')).toMatchObject(full)
  expect(await asking.ask({ type: 'session.open' }, 'error')).toMatchObject(full)
  expect(await endsOf(stage)).toEqual(wholeAnswer)
  await redis.client.config('SET', 'maxmemory', '0')
  await watching.ask(sent, 'message.accepted')
  await watching.next('turn.completed', ({ turn }) => turn !== stage.turn)
  await asking.ask({ type: 'session.open' }, 'session.opened')
})

test('[REDIS-31] the store says `store-full`, and nothing is half written', { timeout: 60_000 }, async () => {
  await using redis = await startRedisServer()
  const made = await openRedisLog(redis)
  await using _closing = { [Symbol.asyncDispose]: () => made.log.close() }
  await makeSession(made)
  await answerTurn(made.log, 1, 'before')
  await redis.client.config('SET', 'maxmemory', '1mb')
  expect(await made.log.accept(asking(2))).toMatchObject({ kind: 'store-full' })
  const create = { session: 'other', owner, attributes: {}, timeMs: 1 }
  expect(await made.log.create(create)).toMatchObject({ kind: 'store-full' })
  expect(await made.log.describe('other')).toEqual({ kind: 'gone' })
  expect(await made.log.list({ owner, limit: 10 })).toMatchObject({ sessions: [{ running: false }] })
  await redis.client.config('SET', 'maxmemory', '0')
  expect(await made.log.accept(asking(2))).toMatchObject({ kind: 'yours' })
  expect(await made.log.create(create)).toEqual({ kind: 'created' })
})

test('[REDIS-31] with no memory left, a dead producer’s turn is still read, taken over and ended', {
  timeout: 60_000,
}, async () => {
  await using redis = await startRedisServer()
  const made = await openRedisLog(redis)
  await using _closing = { [Symbol.asyncDispose]: () => made.log.close() }
  await makeSession(made)
  const { turn } = await startTurn(made.log, 1, 'so far')
  await made.advance(leaseMs)
  await redis.client.config('SET', 'maxmemory', '1mb')
  const claim = { session, token: 'token-2', leaseMs }
  const { deadline } = expectKind(await made.log.takeOver(claim), 'lapsed')
  expect(await made.log.takeOver({ ...claim, seen: deadline })).toMatchObject({ kind: 'yours', turn, attempt: 1 })
  expect(await made.log.open({ session, limit: 10 })).toMatchObject({ kind: 'ok', run: { turn } })
  expect(await tapeText(made.log, turn)).toBe('so far')
  const end = ending({ token: 'token-2', turn, attempt: 1 }, ['so far'], 'turn.failed')
  expect(await made.log.end(end)).toMatchObject({ kind: 'ok' })
})

test('[REDIS-32] a Redis that evicts sessions is warned of, and its nodes are not ready', {
  timeout: 60_000,
}, async () => {
  await using redis = await startRedisServer({ args: ['--maxmemory-policy', 'allkeys-lru'] })
  await using node = await startTestGateway({ env: { REDIS_URL: redis.url } })
  const warning = expect.stringContaining('Redis evicts keys of sessions (maxmemory-policy allkeys-lru)')
  await eventually(async () => expect(await readiness(node)).toEqual({ status: 503, reasons: [warning] }))
  expect(node.telemetry.troubles).toContainEqual({ warning, message: 'Redis is set dangerously' })
})
