import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import { type ModelServer, startModelServer } from '../../load/model-server/server.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { WireClient } from '../support/wire.ts'
import { TurnReading } from './turn-reading.ts'

/** Processes over one Redis; the one that produces an answer is killed or stopped in the middle of it. */

const leaseMs = 1_500
const question = 'Tell me.\n[[answer=demo tokens=400 tps=200]]'
const expected = answerFor({ model: 'sluice-demo', messages: [{ role: 'user', content: question }] }).text

let redis: RedisServer
let model: ModelServer
beforeAll(async () => {
  redis = await startRedisServer()
  model = await startModelServer()
})
afterAll(async () => {
  await model.close()
  await redis[Symbol.asyncDispose]()
})

interface Pair extends AsyncDisposable {
  readonly producing: GatewayProcess
  readonly surviving: GatewayProcess
  readonly watcher: WireClient
  readonly session: string
  readonly turn: string
  readonly reading: TurnReading
}

/** An answer is under way on one node and watched on the other. */
async function startPair(env: Readonly<Record<string, string>> = {}): Promise<Pair> {
  const variables = {
    REDIS_URL: redis.url,
    SLUICE_REDIS_PREFIX: `dead-${Math.random().toString(36).slice(2)}:`,
    SLUICE_LEASE_MS: String(leaseMs),
    OPENAI_BASE_URL: model.url,
    SLUICE_MODEL: 'sluice-demo',
    ...env,
  }
  const [producing, surviving] = await Promise.all([startGatewayProcess(variables), startGatewayProcess(variables)])
  const asking = await WireClient.connect(producing.url, await producing.token('ada'))
  const watcher = await WireClient.connect(surviving.url, await surviving.token('ada'))
  const { session } = await asking.ask({ type: 'session.open' }, 'session.opened')
  await watcher.ask({ type: 'session.open', session }, 'session.opened')
  const sent = { type: 'message.send', session, messageId: 'm', content: question }
  const { turn } = await asking.ask(sent, 'message.accepted')
  const reading = new TurnReading(watcher, turn)
  await reading.atLeast(400)
  return {
    producing,
    surviving,
    watcher,
    session,
    turn,
    reading,
    async [Symbol.asyncDispose]() {
      await producing.kill()
      await surviving.kill()
    },
  }
}

describe('a producer that is killed in mid-answer', { timeout: 60_000 }, () => {
  test('[NODES-10] restart: another node answers anew, and who watched has that answer alone', async () => {
    await using pair = await startPair({ SLUICE_TAKE_OVER: 'restart' })
    await pair.producing.kill()
    expect((await pair.reading.end()).type).toBe('turn.completed')
    expect(pair.reading.restarts).toEqual([{ attempt: 2, keptBytes: 0 }])
    expect(pair.reading.text).toBe(expected)
  })

  test('[NODES-11] continue: another node goes on from the text that is there, to the same answer', async () => {
    await using pair = await startPair({ SLUICE_TAKE_OVER: 'continue' })
    await pair.producing.kill()
    expect((await pair.reading.end()).type).toBe('turn.completed')
    const [restart, ...more] = pair.reading.restarts
    expect([restart?.attempt, more]).toEqual([2, []])
    expect(restart?.keptBytes).toBeGreaterThan(399)
    expect(pair.reading.text).toBe(expected)
    const page = await pair.watcher.ask({ type: 'history.get', session: pair.session }, 'history.page')
    expect(page.records.map(({ type }) => type)).toEqual([
      'message.added',
      'turn.started',
      'turn.restarted',
      'turn.completed',
    ])
  })

  test('[NODES-12] fail: another node ends it as failed, with the text that came', async () => {
    await using pair = await startPair({ SLUICE_TAKE_OVER: 'fail' })
    await pair.producing.kill()
    const end = await pair.reading.end()
    expect(end).toMatchObject({ type: 'turn.failed', attempt: 1, error: { kind: 'unavailable', retryable: true } })
    expect(expected.startsWith(pair.reading.text)).toBe(true)
    expect(pair.reading.sizeBytes).toBeGreaterThan(399)
  })

  test('[NODES-13] a producer that only slept finds itself fenced and closes its provider, and one text stands', async () => {
    await using pair = await startPair()
    pair.producing.process.kill('SIGSTOP')
    await pair.reading.restarted()
    pair.producing.process.kill('SIGCONT')
    expect((await pair.reading.end()).type).toBe('turn.completed')
    expect(pair.reading.text).toBe(expected)
    const asked = model.requests.filter(({ chat }) => chat !== undefined)
    await Promise.all(
      asked.map(({ number }) => model.waitFor((one) => one.number === number && one.status !== 'streaming')),
    )
    // It serves on.
    const again = await WireClient.connect(pair.producing.url, await pair.producing.token('ada'))
    await again.ask({ type: 'session.open', session: pair.session }, 'session.opened')
    again.close()
  })
})

test('[NODES-14] a node that drains hands its answers over, and another goes on with them at once', {
  timeout: 60_000,
}, async () => {
  await using pair = await startPair({ SLUICE_TAKE_OVER: 'continue', SLUICE_DRAIN_MS: '0' })
  const left = pair.producing.kill('SIGTERM')
  expect((await pair.reading.end()).type).toBe('turn.completed')
  expect(pair.reading.text).toBe(expected)
  expect(pair.reading.restarts.length).toBe(1)
  await left
})
