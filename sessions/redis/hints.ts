import { lapsedMax, runningShards } from './limits.ts'
import type { RedisStore } from './redis-store.ts'
import { text } from './replies.ts'

/**
 * The lists of turns that run. They are in other slots than the sessions, so no step can change both; therefore they are
 * written ahead, name too much rather than too little, and only a session's meta is believed (STORE B2). What is found to
 * be wrong is taken out by whoever finds it.
 */

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
