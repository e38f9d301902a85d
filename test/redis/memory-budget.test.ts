import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerTurn, makeSession, startTurn } from '../sessions/contract/bench.ts'
import { openRedisLog, type RedisUnderTest } from '../sessions/redis-bench.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'

/** What OPERATIONS.md promises, beside the texts themselves, in bytes of Redis' memory. */
const sessionBytes = 1_280
const turnBytes = 1_280
const runningBytes = 1_024

let server: RedisServer
let made: RedisUnderTest
beforeAll(async () => {
  server = await startRedisServer()
  made = await openRedisLog(server)
})
afterAll(async () => {
  await made.log.close()
  await server[Symbol.asyncDispose]()
})

async function usedBytes(): Promise<number> {
  const names = await server.client.keys(`${made.prefix}{session-1}*`)
  const sizes = await Promise.all(names.map((name) => server.client.memory('USAGE', name, 'SAMPLES', 0)))
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
}

test('[REDIS-90] a session, a message with its answer and a running turn cost no more than is promised', async () => {
  const turnCount = 300
  await makeSession(made)
  const empty = await usedBytes()
  for (let n = 1; n <= turnCount; n += 1) await answerTurn(made.log, n, 'an answer')
  const full = await usedBytes()
  await startTurn(made.log, turnCount + 1, 'an answer')
  const running = await usedBytes()
  const each = (full - empty) / turnCount
  expect(empty).toBeLessThan(sessionBytes)
  expect(each).toBeLessThan(turnBytes)
  expect(running - full).toBeLessThan(runningBytes)
})
