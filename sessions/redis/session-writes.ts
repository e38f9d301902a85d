import { encodeFeedback, feedbackPerTurnMax } from '../feedback.ts'
import type { FeedbackReply, FeedbackRequest, Full, ShareFull, UpdateReply } from '../session-log.ts'
import { recordBytes } from './limits.ts'
import { chargeOwned, recountSoon, touchOwned } from './owned.ts'
import { describeSession } from './reads.ts'
import type { Reply } from './redis-link.ts'
import { kindOf, type RedisStore } from './redis-store.ts'
import { count, placeOf, text } from './replies.ts'
import type { Account } from './shares.ts'
import { storeFullReply } from './store-full.ts'

/** What is written to a session outside of its turns, within its owner's share. */

const gone = { kind: 'gone' } as const

/** `full`: the write is asked for all the same, since it may be a repeat or make the session smaller. */
export interface Charged {
  readonly account: Account
  readonly full: ShareFull | Full | undefined
}

/** Charges a session's owner for what is about to be written to it; `undefined`: there is no such session. */
export async function chargeSession(store: RedisStore, session: string, bytes: number): Promise<Charged | undefined> {
  const known = store.shares.account(session)
  const described = known === undefined ? await describeSession(store, session) : undefined
  if (described?.kind === 'gone') return undefined
  const account = known ?? store.shares.account(session)
  if (account === undefined) return undefined
  return { account, full: await chargeOwned(store, account, session, { sessions: 0, bytes }) }
}

export async function writeFeedback(store: RedisStore, { session, record }: FeedbackRequest): Promise<FeedbackReply> {
  const { payload, exact, content } = encodeFeedback(record)
  try {
    const charged = await chargeSession(store, session, recordBytes + Buffer.byteLength(payload))
    if (charged === undefined) return gone
    const written = [record.turn, payload, exact, content, record.timeMs, feedbackPerTurnMax]
    const reply = await store.run('feedback', store.of(session), ...written, charged.full ? 1 : 0, store.ttlMs)
    correct(store, session, charged, reply, 3)
    return readFeedback(reply, charged)
  } catch (error) {
    return storeFullReply(error)
  }
}

function readFeedback(reply: Reply, { full }: Charged): FeedbackReply {
  const kind = kindOf(reply)
  switch (kind) {
    case 'ok':
      return { kind, entry: placeOf(text(reply[1])), timeMs: count(reply[2]) }
    case 'too-many':
      return { kind, limit: feedbackPerTurnMax }
    case 'unknown':
    case 'gone':
      return { kind }
    default:
      return fullOf('feedback', kind, full)
  }
}

export async function writeSessionMetadata(store: RedisStore, session: string, metadata: string): Promise<UpdateReply> {
  try {
    const charged = await chargeSession(store, session, Buffer.byteLength(metadata))
    if (charged === undefined) return gone
    const reply = await store.run('update', store.of(session), metadata, charged.full ? 1 : 0, store.ttlMs)
    correct(store, session, charged, reply, 1)
    const kind = kindOf(reply)
    return kind === 'ok' || kind === 'gone' ? { kind } : fullOf('update', kind, charged.full)
  } catch (error) {
    return storeFullReply(error)
  }
}

/** A reply that wrote something has the owner at `at`, and behind it what the session holds. */
export function correct(
  store: RedisStore,
  session: string,
  { account, full }: Charged,
  reply: Reply,
  at: number,
): void {
  const bytes = reply[at + 1]
  if (bytes !== undefined) touchOwned(store, text(reply[at]), session, count(bytes))
  else if (full === undefined) recountSoon(store, account.owner, session)
}

/** A script that was told that a share is full, and would have written. */
export function fullOf(operation: string, kind: string, full: Charged['full']): ShareFull | Full {
  if (kind === 'full' && full !== undefined) return full
  throw new Error(`unable to read the reply of ${operation}: it is ${kind}`)
}
