import type { Owner } from '../session-log.ts'
import { ownerHash } from './keys.ts'
import { lapsedMax, pruneBatch, runningShards } from './limits.ts'
import type { RedisStore } from './redis-store.ts'
import { kindOf } from './redis-store.ts'
import { list, text } from './replies.ts'

/**
 * The lists over sessions: an owner's, and the turns that run. They are in other slots than the sessions, so no step
 * can change both; therefore they are written ahead, name too much rather than too little, and only a session's meta is
 * believed (STORE B2). What is found to be wrong is taken out by whoever finds it.
 */

/** An owner's list outlives its sessions, in multiples of their time. */
const ownerTtls = 2

/** `full`: the owner has as many as it may, also without those that are gone. */
export async function enterOwned(
  store: RedisStore,
  owner: Owner,
  session: string,
  max: number,
): Promise<'ok' | 'full'> {
  const key = store.keys.owner(ownerHash(owner))
  const enter = async () => kindOf(await store.run('owner-touch', [key], session, max, ownerTtls * store.ttlMs))
  if ((await enter()) === 'ok') return 'ok'
  await pruneOwned(store, key)
  return (await enter()) === 'ok' ? 'ok' : 'full'
}

/** The session was used: it comes first from now on. Told to nobody and waited for by nobody. */
export function touchOwned(store: RedisStore, hash: string, session: string): void {
  store.run('owner-touch', [store.keys.owner(hash)], session, 0, ownerTtls * store.ttlMs).catch(lost)
}

export function leaveOwned(store: RedisStore, hash: string, session: string): void {
  store.command('ZREM', store.keys.owner(hash), session).catch(lost)
}

async function pruneOwned(store: RedisStore, key: string): Promise<void> {
  const oldest = await store.command('ZRANGE', key, 0, pruneBatch - 1)
  const sessions = list(oldest as Buffer[]).map(text)
  const found = await Promise.all(sessions.map((session) => store.run('describe', [store.keys.meta(session)])))
  const gone = sessions.filter((_, index) => kindOf(found[index] ?? []) === 'gone')
  if (gone.length > 0) await store.command('ZREM', key, ...gone)
}

/** A turn runs, or is about to, under a lease of so many milliseconds from now. */
export async function enterRunning(store: RedisStore, session: string, turn: string, leaseMs: number): Promise<void> {
  await store.run('running-add', [store.keys.runningOf(session)], `${session} ${turn}`, leaseMs)
}

export function leaveRunning(store: RedisStore, session: string, turn: string): void {
  store.command('ZREM', store.keys.runningOf(session), `${session} ${turn}`).catch(lost)
}

/** Turns whose lease seems to have lapsed. */
export async function lapsedTurns(store: RedisStore): Promise<{ readonly session: string; readonly turn: string }[]> {
  const shards = Array.from({ length: runningShards }, (_, shard) => store.keys.running(shard))
  const asked = await Promise.allSettled(shards.map((key) => store.run('running-lapsed', [key], lapsedMax)))
  const found = asked.flatMap((reply) => (reply.status === 'fulfilled' ? [reply.value] : []))
  // A cluster that lacks one shard has the lists of the others still.
  const lacking = asked.find((reply) => reply.status === 'rejected')
  if (found.length === 0 && lacking !== undefined) throw lacking.reason
  return found.flat().map((member) => {
    const [session = '', turn = ''] = text(member).split(' ')
    return { session, turn }
  })
}

/** A hint that was not taken is found out by whoever follows it. */
function lost(): void {
  // Nothing to do.
}
