import type { Full, ShareFull } from '../session-log.ts'
import type { Capacity, Shares } from '../shares.ts'
import { dueMax, goThroughAtOnce, goThroughMax, goThroughMs } from './limits.ts'
import type { Reply, Value } from './redis-link.ts'
import { kindOf, type RedisStore } from './redis-store.ts'
import { count, list, text } from './replies.ts'
import { type Account, boundsTenants, fullTenant } from './shares.ts'

/**
 * An owner's list of sessions, and the accounts of what its sessions and its tenant's hold.
 *
 * A session, its owner's list and its tenant's account are in three slots, so no step can change two of them. So bytes are
 * charged to the owner before they are written, and afterwards the session's own count takes the place of what was charged:
 * it is absolute, so whatever was lost, repeated or late is right again with the next write. What nobody corrects ends with
 * the session: one whose time is over is looked at by the next writer of its owner, and an owner that is found full is gone
 * through, at most every `goThroughMs`. An owner's account is told to its tenant's after each write.
 */

/** Lists and accounts outlive their sessions, in multiples of their time. */
const ownerTtls = 2
const unlimited = Number.MAX_SAFE_INTEGER

/** Charges what is about to be written; or says whose share has no room for it, and charges nothing. */
export async function chargeOwned(
  store: RedisStore,
  account: Account,
  session: string,
  growth: Capacity,
): Promise<ShareFull | Full | undefined> {
  const shares = store.shares.of(account)
  const [subject, tenant] = await Promise.all([
    chargeSubject(store, account, session, growth, shares.subject),
    findFullTenant(store, account, growth, shares),
  ])
  if (subject === undefined && tenant !== undefined) recountSoon(store, account.owner, session)
  return subject ?? tenant
}

async function chargeSubject(
  store: RedisStore,
  { owner, tenant }: Account,
  session: string,
  growth: Capacity,
  share: Capacity,
): Promise<ShareFull | undefined> {
  const maxSessions = growth.sessions > 0 ? finite(share.sessions) : 0
  const limits = [finite(share.bytes), maxSessions, tenant, ownerTtls * store.ttlMs, goThroughMs]
  const charge = () => store.run('owner-charge', store.keys.owned(owner), session, growth.bytes, ...limits)
  const first = await charge()
  const isDue = kindOf(first) === 'full' && count(first[2]) === 1
  if (isDue) await goThrough(store, owner)
  const reply = isDue ? await charge() : first
  if (kindOf(reply) === 'ok') return undefined
  const unit = text(reply[1]) === 'sessions' ? 'sessions' : 'bytes'
  return { kind: 'share-full', of: 'subject', unit, limit: share[unit] }
}

/** As this node last heard; only one that seems full is asked for. */
async function findFullTenant(
  store: RedisStore,
  { tenant }: Account,
  growth: Capacity,
  shares: Shares,
): Promise<ShareFull | Full | undefined> {
  if (!boundsTenants(shares)) return undefined
  const known = store.shares.totals(tenant)
  if (known !== undefined && fullTenant(known, growth, shares) === undefined) return undefined
  const [, account] = store.keys.ofTenant(tenant)
  return fullTenant(readTotals(store, tenant, await store.command('HMGET', account, '=b', '=s')), growth, shares)
}

/** The session was used and holds so many bytes: it comes first from now on. Told to nobody and waited for by nobody. */
export function touchOwned(store: RedisStore, owner: string, session: string, bytes: number): void {
  touch(store, owner, session, bytes, '')
    .then((due) => recount(store, owner, due))
    .catch(lost)
}

/** The session is gone. Never rejects. */
export function leaveOwned(store: RedisStore, owner: string, session: string): Promise<void> {
  return leave(store, owner, session).catch(lost)
}

/** What was charged was not written, or its reply says nothing of it: the session's own count takes its place. */
export function recountSoon(store: RedisStore, owner: string, session: string): void {
  recount(store, owner, [session]).catch(lost)
}

/** An owner that is full may be so by sessions that are gone. */
async function goThrough(store: RedisStore, owner: string): Promise<void> {
  const [sessionsKey] = store.keys.owned(owner)
  const sessions = list(await store.command('ZRANGE', sessionsKey, 0, goThroughMax - 1)).map(text)
  for (let from = 0; from < sessions.length; from += goThroughAtOnce) {
    await recount(store, owner, sessions.slice(from, from + goThroughAtOnce))
  }
}

/** Puts right what an account says of some of its sessions, by what these say themselves. */
async function recount(store: RedisStore, owner: string, sessions: readonly string[]): Promise<void> {
  await Promise.all(
    sessions.map(async (session) => {
      const reply = await store.run('summary', [store.keys.meta(session)])
      const isTheirs = kindOf(reply) === 'ok' && text(reply[6]) === owner
      if (isTheirs) await touch(store, owner, session, count(reply[7]), text(reply[3]))
      else await leave(store, owner, session)
    }),
  )
}

/** Answers sessions of this owner whose time seems to be over. */
async function touch(store: RedisStore, owner: string, session: string, bytes: number, usedMs: string) {
  const tenant = store.shares.account(session)?.tenant ?? ''
  const times = [ownerTtls * store.ttlMs, store.ttlMs]
  const keys = store.keys.owned(owner)
  const reply = await store.run('owner-touch', keys, session, bytes, usedMs, tenant, ...times, dueMax)
  tellTenant(store, owner, reply)
  return list(reply[3]).map(text)
}

async function leave(store: RedisStore, owner: string, session: string): Promise<void> {
  store.shares.forget(session)
  tellTenant(store, owner, await store.run('owner-leave', store.keys.owned(owner), session))
}

function tellTenant(store: RedisStore, owner: string, [bytes, sessions, tenantHash]: Reply): void {
  const tenant = text(tenantHash)
  // Of sessions of an earlier version it is not known.
  if (tenant === '') return
  const args = [owner, count(bytes), count(sessions), store.ttlMs, ownerTtls * store.ttlMs, dueMax]
  store
    .run('tenant-touch', store.keys.ofTenant(tenant), ...args)
    .then((totals) => readTotals(store, tenant, totals))
    .catch(lost)
}

function readTotals(store: RedisStore, tenant: string, reply: Value): Capacity {
  const [bytes, sessions] = list(reply)
  const totals = { bytes: numberOf(bytes), sessions: numberOf(sessions) }
  store.shares.heard(tenant, totals)
  return totals
}

/** Absent: nothing was counted yet. */
function numberOf(value: Value | undefined): number {
  return value === null ? 0 : count(value)
}

function finite(limit: number): number {
  return Math.min(limit, unlimited)
}

/** A hint that was not taken is found out by whoever follows it. */
function lost(): void {
  // Nothing to do.
}
