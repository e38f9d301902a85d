import { randomUUID } from 'node:crypto'
import {
  createRedisLog,
  type RedisLog,
  type RedisLogEvents,
  type RedisLogOptions,
} from '../../sessions/redis/redis-log.ts'
import { redisTarget } from '../../sessions/redis/redis-url.ts'
import type { PatchScript } from '../../sessions/redis/scripts.ts'
import type { RedisServer } from '../support/redis-server.ts'
import type { LogUnderTest } from './contract/bench.ts'

export interface RedisUnderTest extends LogUnderTest {
  readonly log: RedisLog
  readonly prefix: string
}

export type BenchOptions = Omit<Partial<RedisLogOptions>, 'events'> & { readonly events?: Partial<RedisLogEvents> }

/** A fresh store on a real Redis, apart from others by its prefix, whose clock can be moved. */
export async function openRedisLog(
  server: Pick<RedisServer, 'url' | 'client'>,
  options: BenchOptions = {},
): Promise<RedisUnderTest> {
  const prefix = options.prefix ?? freshPrefix()
  const skewMs = `tonumber(redis.call('GET', '${prefix}skew') or 0)`
  const log = await connectedLog(server.url, skewMs, { ...options, prefix })
  return {
    log,
    prefix,
    advance: async (ms) => {
      await server.client.incrby(`${prefix}skew`, ms)
    },
    settle: () => settle(log, 'settle', (message) => server.client.spublish(`${prefix}{settle}r`, message)),
  }
}

export function freshPrefix(): string {
  return `t${randomUUID().slice(0, 8)}:`
}

/** A store that is connected, whose clock is Redis' and as many milliseconds as an expression in Lua says. */
export async function connectedLog(url: string, skewMs: string, options: BenchOptions): Promise<RedisLog> {
  const target = options.target ?? redisTarget(url)
  if (target === undefined) throw new Error(`no target: ${url}`)
  const patchScript: PatchScript = (name, source) => (options.patchScript ?? same)(name, steppedClock(source, skewMs))
  const connected = Promise.withResolvers<void>()
  const events = {
    troubled: (code: string, message: string) => {
      throw new Error(`${code}: ${message}`)
    },
    failed: () => undefined,
    unknownVersion: () => undefined,
    ...options.events,
    connected(isConnected: boolean) {
      options.events?.connected?.(isConnected)
      if (isConnected) connected.resolve()
    },
  }
  const log = createRedisLog({ ...options, target, patchScript, events })
  await connected.promise
  return log
}

const same: PatchScript = (_name, source) => source

function steppedClock(source: string, skewMs: string): string {
  const [first, ...rest] = source.split('\n')
  const stepped = `local function steppedTime()
    local time, skew = redis.call('TIME'), ${skewMs}
    local us = tonumber(time[1]) * 1000000 + tonumber(time[2]) + skew * 1000
    return { tostring(math.floor(us / 1000000)), tostring(us % 1000000) }
  end`
  return [first, stepped, ...rest].join('\n').replaceAll(/= redis\.call\('TIME'\)$/gm, '= steppedTime()')
}

/** All that a node published before is heard once this is, in a session of its own: one connection brings it all, in order. */
export async function settle(
  log: RedisLog,
  session: string,
  publish: (message: string) => Promise<unknown>,
): Promise<void> {
  const heard = Promise.withResolvers<void>()
  const confirmed = Promise.withResolvers<void>()
  const nothing = () => undefined
  const subscription = log.subscribe(session, {
    confirmed: confirmed.resolve,
    lost: nothing,
    record: nothing,
    delta: nothing,
    nudge: () => heard.resolve(),
    updated: nothing,
    erased: nothing,
  })
  await confirmed.promise
  await publish('1 nudge renew')
  await heard.promise
  subscription.close()
}
