/**
 * All sessions of a store, for what works on many of them, as an export does. No list of them is kept, since it would be
 * one key that every node writes; so the keys are walked, a bounded number at a time, on each primary of a cluster.
 *
 * As Redis has it (SCAN): a session that is there from the beginning to the end of the walk comes at least once, maybe
 * twice; one that is made or erased meanwhile may come or not; and while a cluster moves slots some may be missed.
 */
import { Cluster, type Redis } from 'ioredis'
import { scanConnectMs, scanKeys } from './limits.ts'
import { openClient, type Value } from './redis-link.ts'
import type { RedisTarget } from './redis-url.ts'
import { list, text } from './replies.ts'

/** Throws when Redis does not answer: what came before is a part of the walk. `prefix` as in `RedisLogOptions`. */
export async function* scanSessions(target: RedisTarget, prefix: string): AsyncGenerator<readonly string[]> {
  const client = openClient(target)
  try {
    await connected(client)
    for (const node of client instanceof Cluster ? client.nodes('master') : [client]) yield* scanNode(node, prefix)
  } finally {
    client.disconnect()
  }
}

async function* scanNode(node: Redis, prefix: string): AsyncGenerator<readonly string[]> {
  const match = `${prefix.replaceAll(/[*?[\]\\^]/g, '\\$&')}{*}m`
  let cursor = '0'
  do {
    const reply = await node.callBuffer('SCAN', cursor, 'MATCH', match, 'COUNT', scanKeys, 'TYPE', 'hash')
    // A cursor and a list of keys.
    const [next, keys] = list(reply as Value)
    cursor = text(next)
    yield list(keys).map((key) => text(key).slice(prefix.length + 1, -2))
  } while (cursor !== '0')
}

/** Rejects, with what went wrong last, when there is no connection in a bounded time. */
function connected(client: Redis | Cluster): Promise<void> {
  if (client.status === 'ready') return Promise.resolve()
  return new Promise((resolve, reject) => {
    let problem = ''
    const late = setTimeout(() => reject(new Error(`unable to reach Redis: ${problem}`)), scanConnectMs)
    client.on('error', (error: Error) => {
      problem = error.message
    })
    client.once('ready', () => {
      clearTimeout(late)
      resolve()
    })
  })
}
