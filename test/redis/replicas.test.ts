import { expect, test } from 'vitest'
import { socketAt } from '../nodes/two-nodes.ts'
import { appending, asking, ending, history, makeSession, owner, startTurn } from '../sessions/contract/bench.ts'
import { openRedisLog } from '../sessions/redis-bench.ts'
import { startTestGateway } from '../support/gateway.ts'
import { replicated } from '../support/redis-sentinel.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { eventually, recordTypes } from './stage.ts'

/** Messages and ends that a replica must have before anybody hears of them, and a replica that is stopped. */

/** How long is waited for a replica, in milliseconds: long enough for one that is there, however busy the machine. */
const waitMs = 500

test('[REDIS-50] what a replica lacks is not acknowledged, appends go on, and the same call is when it has it', {
  timeout: 60_000,
}, async () => {
  await using pair = await startPair()
  const made = await openRedisLog(pair.primary, { waitReplicas: 1, waitMs })
  await using _closing = { [Symbol.asyncDispose]: () => made.log.close() }
  const { log } = made
  await makeSession(made)
  await makeSession(made, 'other')
  const fence = await startTurn(log, 1, 'text')
  pair.replica.process.kill('SIGSTOP')
  const message = asking(2, { session: 'other' })
  const accepting = log.accept(message)
  const appended = await log.append(appending(fence, 4, ' and more'))
  expect(appended).toEqual({ kind: 'ok', length: 13 })
  await expect(accepting).rejects.toThrow('NOREPLICAS')
  const end = ending(fence, ['text and more'])
  await expect(log.end(end)).rejects.toThrow('NOREPLICAS')
  pair.replica.process.kill('SIGCONT')
  expect(await eventually(() => log.accept(message))).toMatchObject({ kind: 'yours', turn: 'turn-2' })
  expect(await eventually(() => log.end(end))).toMatchObject({ kind: 'ended' })
  expect((await history(log, 'other')).map(({ record }) => record.type)).toEqual(['message.added'])
  expect((await history(log)).map(({ record }) => record.type)).toEqual([
    'message.added',
    'turn.started',
    'turn.completed',
  ])
})

test('[REDIS-51] however many ask while a replica is away, they wait together', { timeout: 60_000 }, async () => {
  await using pair = await startPair()
  const made = await openRedisLog(pair.primary, { waitReplicas: 1, waitMs })
  await using _closing = { [Symbol.asyncDispose]: () => made.log.close() }
  const sessions = Array.from({ length: 50 }, (_, index) => `session-${index}`)
  for (const session of sessions) await makeSession(made, session)
  pair.replica.process.kill('SIGSTOP')
  await pair.primary.client.config('RESETSTAT')
  const asked = sessions.map((session, index) => made.log.accept(asking(index, { session })))
  const replies = await Promise.allSettled(asked)
  expect(replies.filter(({ status }) => status === 'fulfilled')).toEqual([])
  const stats = await pair.primary.client.info('commandstats')
  // One each would be 50; those that look whether the replica is back go on.
  expect(Number(/^cmdstat_wait:calls=(\d+)/m.exec(stats)?.[1])).toBeLessThan(10)
  pair.replica.process.kill('SIGCONT')
})

test('[REDIS-52] a message that was refused so is one turn when it is sent again', { timeout: 60_000 }, async () => {
  await using pair = await startPair()
  const env = { REDIS_URL: pair.primary.url, SLUICE_REDIS_WAIT_REPLICAS: '1', SLUICE_LEASE_MS: '500' }
  await using node = await startTestGateway({ env })
  const client = await socketAt(node)
  const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
  pair.replica.process.kill('SIGSTOP')
  const sent = { type: 'message.send', session, messageId: 'm', content: 'hello\n[[answer=echo]]' }
  const refused = await client.ask(sent, 'error')
  expect(refused).toMatchObject({ kind: 'unavailable', retryable: true, retryAfterMs: expect.any(Number) })
  pair.replica.process.kill('SIGCONT')
  await eventually(() => client.ask(sent, 'message.accepted'))
  await client.next('turn.completed')
  expect(await recordTypes(client, session)).toEqual(['message.added', 'turn.started', 'turn.completed'])
})

test('[REDIS-56] once a message was refused so, the next ones are at once and leave nothing, until replicas are back', {
  timeout: 60_000,
}, async () => {
  await using pair = await startPair()
  const made = await openRedisLog(pair.primary, { waitReplicas: 1, waitMs })
  await using _closing = { [Symbol.asyncDispose]: () => made.log.close() }
  const { log } = made
  await makeSession(made)
  await makeSession(made, 'other')
  pair.replica.process.kill('SIGSTOP')
  await expect(log.accept(asking(1))).rejects.toThrow('NOREPLICAS')
  const order: string[] = []
  const note = (what: string) => () => void order.push(what)
  const answered = log.describe('other').then(note('an answer of Redis'))
  const message = asking(2, { session: 'other' })
  const newSession = { session: 'new', owner, attributes: {}, timeMs: 1 }
  await Promise.all([
    answered,
    log.accept(message).catch(note('no message')),
    log.create(newSession).catch(note('no session')),
  ])
  expect(order).toEqual(['no message', 'no session', 'an answer of Redis'])
  expect(await history(log, 'other')).toEqual([])
  expect(await log.describe('new')).toEqual({ kind: 'gone' })
  pair.replica.process.kill('SIGCONT')
  // Nothing has to be written for it to be found out.
  expect(await eventually(() => log.accept(message))).toMatchObject({ kind: 'yours' })
  expect(['created', 'exists']).toContain((await eventually(() => log.create(newSession))).kind)
})

async function startPair(): Promise<
  AsyncDisposable & { readonly primary: RedisServer; readonly replica: RedisServer }
> {
  const primary = await startRedisServer({ args: ['--repl-diskless-sync-delay', '0'] })
  const replica = await startRedisServer({ args: ['--replicaof', '127.0.0.1', String(primary.port)] })
  await replicated(primary)
  return {
    primary,
    replica,
    async [Symbol.asyncDispose]() {
      replica.process.kill('SIGCONT')
      await replica[Symbol.asyncDispose]()
      await primary[Symbol.asyncDispose]()
    },
  }
}
