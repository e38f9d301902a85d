import { expect, test } from 'vitest'
import { readConfig } from '../../gateway/config.ts'
import { openStore } from '../../gateway/store.ts'
import { openClient } from '../../sessions/redis/redis-link.ts'
import { redisTarget } from '../../sessions/redis/redis-url.ts'
import { makeAuthority } from '../support/authority.ts'
import { freePort, startRedisServer } from '../support/redis-server.ts'
import { portSettings } from '../support/redis-tls.ts'
import { quietTelemetry } from '../support/telemetry.ts'

/** What an operator reads when the store that was configured is not to be had. */

test('[REDIS-42] a store that is not reached at the start is told with what TLS, Redis or the system said', {
  timeout: 60_000,
}, async () => {
  using authority = makeAuthority()
  using stranger = makeAuthority()
  const port = await freePort()
  const own = portSettings(port, authority)
  const args = [...own.args, '--requirepass', 'secret']
  await using _server = await startRedisServer({ port, args, client: { ...own.client, password: 'secret' } })
  const at = `127.0.0.1:${port}`
  const ca = { SLUICE_REDIS_CA_FILE: authority.caFile }
  const problems = await Promise.all([
    problemOf({ REDIS_URL: `rediss://:secret@${at}`, SLUICE_REDIS_CA_FILE: stranger.caFile }),
    problemOf({ REDIS_URL: `rediss://:wrong@${at}`, ...ca }),
    problemOf({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` }),
    problemOf({ REDIS_URL: `rediss+cluster://:wrong@${at}`, ...ca }),
    problemOf({ REDIS_URL: `redis+sentinel://127.0.0.1:${await freePort()}/main` }),
    problemOf({ REDIS_URL: `rediss://:secret@${at}`, SLUICE_REDIS_CA_FILE: '/nowhere' }),
  ])
  const [strange, wrong, nobody, cluster, sentinel, missing] = problems
  const store = 'unable to start: the session store does not answer'
  expect(strange).toMatch(new RegExp(`^${store} \\(.*certificate`))
  expect(wrong).toMatch(new RegExp(`^${store} \\(WRONGPASS`))
  expect(nobody).toMatch(new RegExp(`^${store} \\(connect ECONNREFUSED`))
  expect(cluster).toMatch(new RegExp(`^${store} \\(WRONGPASS`))
  expect(sentinel).toMatch(new RegExp(`^${store} \\(All sentinels are unreachable`))
  expect(missing).toMatch(/^unable to start: SLUICE_REDIS_CA_FILE cannot be read: .*\/nowhere/)
  for (const problem of problems) expect(problem).not.toContain('secret')
})

test('[REDIS-42] with the right authority and password it starts', { timeout: 60_000 }, async () => {
  using authority = makeAuthority()
  const port = await freePort()
  await using _server = await startRedisServer(portSettings(port, authority))
  const url = `rediss://127.0.0.1:${port}`
  expect(await problemOf({ REDIS_URL: url, SLUICE_REDIS_CA_FILE: authority.caFile })).toBe('none')
})

test('[REDIS-44] a connection that is given up in its handshake ends nothing, whatever comes of its certificate', {
  timeout: 60_000,
}, async () => {
  using authority = makeAuthority()
  using stranger = makeAuthority()
  const port = await freePort()
  await using server = await startRedisServer(portSettings(port, authority))
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      const target = redisTarget(`rediss://127.0.0.1:${port}`, stranger.caFile)
      if (target === undefined) throw new Error('no target')
      const client = openClient(target)
      client.on('error', () => undefined)
      const ended = new Promise((resolve) => client.once('end', resolve))
      // The handshake needs rounds of the event loop; the socket is there in the first.
      setImmediate(() => client.disconnect())
      await ended
    }),
  )
  // An alert of the other side, which would end this process, comes before what is asked later.
  await server.client.ping()
})

async function problemOf(env: Readonly<Record<string, string>>): Promise<string> {
  const read = readConfig({ PORT: '0', SLUICE_METRICS_PORT: 'off', ...env })
  if (read.kind !== 'ok') throw new Error(read.problems.join('\n'))
  return openStore(read.config.store, quietTelemetry()).then(
    async (store) => {
      await store.close()
      return 'none'
    },
    (error: Error) => error.message,
  )
}
