import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { unusedScripts } from '../../sessions/redis/scripts.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { describeSessionLogContract } from './contract.ts'
import { openRedisLog, type RedisUnderTest } from './redis-bench.ts'

let server: RedisServer
const made: RedisUnderTest[] = []

beforeAll(async () => {
  server = await startRedisServer()
})
afterEach(async () => {
  for (const { log } of made.splice(0)) await log.close()
})
afterAll(() => server[Symbol.asyncDispose]())

describeSessionLogContract('redis', async (limits) => {
  const opened = await openRedisLog(server, limits)
  made.push(opened)
  return opened
})

test('[STORE-93] every script of the folder is an operation', () => {
  expect(unusedScripts()).toEqual([])
})
