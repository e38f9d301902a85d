import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { RedisLog, RedisLogOptions } from '../../sessions/redis/redis-log.ts'
import { type RedisTarget, redisTarget } from '../../sessions/redis/redis-url.ts'
import { owner } from '../sessions/contract/bench.ts'
import { describeClaims } from '../sessions/contract/claims.ts'
import { describeEnds } from '../sessions/contract/ends.ts'
import { describeHistories } from '../sessions/contract/histories.ts'
import { describeSessions } from '../sessions/contract/sessions.ts'
import { describeTapes } from '../sessions/contract/tapes.ts'
import { describeWatching } from '../sessions/contract/watching.ts'
import { freshPrefix, openRedisLog } from '../sessions/redis-bench.ts'
import { type Authority, makeAuthority } from '../support/authority.ts'
import { freePort, type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { portSettings } from '../support/redis-tls.ts'
import { sluiceUser } from '../support/sluice-user.ts'

/** A Redis with TLS, and a user that may do no more than the documentation says. */

let authority: Authority
let server: RedisServer
const made: RedisLog[] = []

beforeAll(async () => {
  authority = makeAuthority()
  server = await startRedisServer(portSettings(await freePort(), authority))
  await server.client.call('ACL', 'SETUSER', ...sluiceUser())
})
afterEach(async () => {
  for (const log of made.splice(0)) await log.close()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  authority[Symbol.dispose]()
})

const open = async (options: Partial<RedisLogOptions> = {}) => {
  const { caFile } = authority
  const url = `rediss://sluice:password@127.0.0.1:${server.port}`
  const opened = await openRedisLog(
    { client: server.client, url },
    {
      ...options,
      prefix: `sluice:${freshPrefix()}`,
      target: targetOf(url, caFile),
    },
  )
  made.push(opened.log)
  return opened
}

describe('with TLS and the documented user', () => {
  for (const describePart of [describeSessions, describeClaims, describeTapes, describeEnds]) describePart(() => open())
  for (const describePart of [describeHistories, describeWatching]) describePart(() => open())
})

describe('the documented user', () => {
  test('[REDIS-40] may do all that the store does', async () => {
    const { log } = await open({ maxSessionsPerOwner: 1 })
    const request = { owner, attributes: {}, timeMs: 1 }
    expect(await log.create({ ...request, session: 'a' })).toEqual({ kind: 'created' })
    expect(await log.create({ ...request, session: 'b' })).toMatchObject({
      kind: 'share-full',
      of: 'subject',
      unit: 'sessions',
    })
    expect(await log.lapsed()).toEqual([])
    await log.share('secret', () => Buffer.from('x'))
    expect(await log.warnings()).toEqual([])
    expect(await server.client.call('ACL', 'LOG')).toEqual([])
  })

  test('[REDIS-40] may do nothing that the store does not do', async () => {
    const stats = await server.client.info('commandstats')
    const done = new Set([...stats.matchAll(/^cmdstat_([^:]+):/gm)].map(([, name]) => name))
    // Whoever wants replicas waited for has them waited for; it is tried elsewhere.
    done.add('wait')
    const allowed = sluiceUser().filter((word) => word.startsWith('+'))
    expect(allowed.map((word) => word.slice(1)).filter((name) => !done.has(name))).toEqual([])
  })

  test('[REDIS-40] may touch nothing else', async () => {
    const user = server.client.duplicate({ username: 'sluice', password: 'password', maxRetriesPerRequest: 0 })
    const refusals = [
      user.get('others'),
      user.spublish('others', 'x'),
      user.flushall(),
      user.call('CONFIG', 'GET', '*'),
    ]
    const refused = await Promise.allSettled(refusals)
    expect(refused.map((one) => one.status === 'rejected' && String(one.reason))).toEqual(
      refusals.map(() => expect.stringContaining('NOPERM')),
    )
    user.disconnect()
    await server.client.call('ACL', 'LOG', 'RESET')
  })
})

function targetOf(url: string, caFile: string): RedisTarget {
  const target = redisTarget(url, caFile)
  if (target === undefined) throw new Error(`no target: ${url}`)
  return target
}
