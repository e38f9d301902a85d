import { randomUUID } from 'node:crypto'
import { createRedisLog, type RedisLog, type RedisLogOptions } from '../../sessions/redis/redis-log.ts'
import { redisTarget } from '../../sessions/redis/redis-url.ts'
import type { PatchScript } from '../../sessions/redis/scripts.ts'
import type { RedisServer } from '../support/redis-server.ts'
import type { LogUnderTest } from './contract/bench.ts'

export interface RedisUnderTest extends LogUnderTest {
  readonly log: RedisLog
  readonly prefix: string
}

/** A fresh store on a real Redis, apart from others by its prefix, whose clock can be moved. */
export async function openRedisLog(
  server: RedisServer,
  options: Partial<RedisLogOptions> = {},
): Promise<RedisUnderTest> {
  const target = redisTarget(server.url)
  if (target === undefined) throw new Error(`no target: ${server.url}`)
  const prefix = options.prefix ?? `t${randomUUID().slice(0, 8)}:`
  const patchScript: PatchScript = (name, source) => (options.patchScript ?? same)(name, steppedClock(source, prefix))
  const connected = Promise.withResolvers<void>()
  const events = {
    connected: (isConnected: boolean) => void (isConnected && connected.resolve()),
    troubled: (code: string, message: string) => {
      throw new Error(`${code}: ${message}`)
    },
    unknownVersion: () => undefined,
    ...options.events,
  }
  const log = createRedisLog({ target, ...options, prefix, patchScript, events })
  await connected.promise
  return {
    log,
    prefix,
    advance: async (ms) => {
      await server.client.incrby(`${prefix}skew`, ms)
    },
    settle: () => settle(log, server, prefix),
  }
}

const same: PatchScript = (_name, source) => source

/** Redis' clock and as many milliseconds as a key says. */
function steppedClock(source: string, prefix: string): string {
  const [first, ...rest] = source.split('\n')
  const stepped = `local function steppedTime()
    local time, skew = redis.call('TIME'), tonumber(redis.call('GET', '${prefix}skew') or 0)
    local us = tonumber(time[1]) * 1000000 + tonumber(time[2]) + skew * 1000
    return { tostring(math.floor(us / 1000000)), tostring(us % 1000000) }
  end`
  return [first, stepped, ...rest].join('\n').replaceAll(/= redis\.call\('TIME'\)$/gm, '= steppedTime()')
}

/** All that was published before is heard once this is: one connection brings it all, in order. */
async function settle(log: RedisLog, server: RedisServer, prefix: string): Promise<void> {
  const heard = Promise.withResolvers<void>()
  const confirmed = Promise.withResolvers<void>()
  const nothing = () => undefined
  const subscription = log.subscribe('settle', {
    confirmed: confirmed.resolve,
    lost: nothing,
    record: nothing,
    delta: nothing,
    nudge: () => heard.resolve(),
    updated: nothing,
    erased: nothing,
  })
  await confirmed.promise
  await server.client.spublish(`${prefix}{settle}r`, '1 nudge renew')
  await heard.promise
  subscription.close()
}
