import { randomBytes } from 'node:crypto'
import type { CreateReply, CreateRequest, Gone, SessionLog } from '../session-log.ts'
import { Erasures } from './erasures.ts'
import { enterOwned, lapsedTurns, touchOwned } from './hints.ts'
import { Keys, ownerHash } from './keys.ts'
import { fullRetryMs } from './limits.ts'
import { News } from './news.ts'
import { describeSession, findTurn, listSessions, openSession, readPage, readText } from './reads.ts'
import { type LinkEvents, RedisLink, StoreFull } from './redis-link.ts'
import { kindOf, RedisStore } from './redis-store.ts'
import type { RedisTarget } from './redis-url.ts'
import { text } from './replies.ts'
import { loadScripts, type PatchScript } from './scripts.ts'
import { writeInfo, writeMetadata } from './session-info.ts'
import { acceptMessage, appendText, cancelTurn, endTurn, takeOverTurn, writeFeedback } from './turn-writes.ts'

export interface RedisLogOptions {
  readonly target: RedisTarget
  /** In front of every key and channel. Default `sluice:`. */
  readonly prefix?: string
  /** Sessions of one owner at most; then `create` answers `owner-full`. Default 1,000. */
  readonly maxSessionsPerOwner?: number
  /** Milliseconds from a session's last use to its end; longer than any turn. Default 30 days. */
  readonly ttlMs?: number
  /** Replicas that must have a message, an end, a cancel or an erasure before it is acknowledged. Default 0. */
  readonly waitReplicas?: number
  /** How long is waited for them, in milliseconds. Default 700. */
  readonly waitMs?: number
  /** After how many milliseconds an erased session is erased again, should a failover have brought it back. Default: never. */
  readonly eraseAgainMs?: number
  readonly events?: RedisLogEvents
  /** For tests. */
  readonly patchScript?: PatchScript
}

export interface RedisLogEvents extends LinkEvents {
  /** Something stored or published was of a version that this node does not know, and was left out. */
  unknownVersion(): void
}

/** A store that other nodes have too. */
export interface RedisLog extends SessionLog {
  readonly isConnected: boolean
  /** One value for all nodes of this store: what the first of them made. */
  share(name: string, make: () => Buffer): Promise<Buffer>
  /** What of the servers' settings endangers sessions, in words for the operator. Rejects while a part of it is away. */
  warnings(): Promise<readonly string[]>
}

const gone: Gone = { kind: 'gone' }
const done = { kind: 'ok' } as const
const quiet = { connected: ignore, failed: ignore, troubled: ignore }
const noEvents: RedisLogEvents = { ...quiet, unknownVersion: ignore }

/**
 * The store in Redis (7 or later), so that any node serves any session. Each operation is one script on the keys of one
 * session; see `lua/`, `keys.ts` and the rules in `session-log.ts`.
 *
 * A rejection means that the store is away. Nothing waits for it in here: whoever asked asks again.
 */
export function createRedisLog(options: RedisLogOptions): RedisLog {
  const { target, prefix = 'sluice:', maxSessionsPerOwner = 1_000, ttlMs = 30 * 24 * 3_600_000 } = options
  const events = options.events ?? noEvents
  const keys = new Keys(prefix)
  const link = new RedisLink(target, events)
  const durable = openDurable(options)
  const unknown = events.unknownVersion
  const store = new RedisStore({ keys, scripts: loadScripts(options.patchScript), link, durable, ttlMs, unknown })
  const news = new News(target, keys, link, unknown)
  const erasures = new Erasures(store, options.eraseAgainMs ?? 0)

  return {
    create: (request) => createSession(store, request, maxSessionsPerOwner),
    describe: (session) => describeSession(store, session),
    accept: (request) => acceptMessage(store, request),
    append: (request) => appendText(store, request),
    end: (request) => endTurn(store, request),
    takeOver: (request) => takeOverTurn(store, request),
    open: (request) => openSession(store, request),
    page: (request) => readPage(store, request),
    read: (request) => readText(store, request),
    findTurn: (request) => findTurn(store, request),
    cancel: ({ session, turn }) => cancelTurn(store, session, turn),
    addFeedback: (request) => writeFeedback(store, request),
    update: ({ session, metadata }) => updateSession(store, session, writeMetadata(metadata)),
    erase: (session) => erasures.erase(session),
    list: (request) => listSessions(store, request),
    breaks: () => link.breaks,
    lapsed: () => lapsedTurns(store),
    subscribe: (session, listener) => news.subscribe(session, listener),
    get isConnected() {
      return link.isConnected
    },
    share: (name, make) => share(store, name, make),
    async warnings() {
      await link.check()
      return findWarnings(store)
    },
    async close() {
      erasures.close()
      news.close()
      link.close()
      durable?.link.close()
    },
  }
}

function openDurable({ target, waitReplicas = 0, waitMs = 700 }: RedisLogOptions) {
  if (waitReplicas === 0) return undefined
  return { link: new RedisLink(target, quiet), waiting: { replicas: waitReplicas, waitMs } }
}

async function createSession(store: RedisStore, request: CreateRequest, maxOwned: number): Promise<CreateReply> {
  const { session, owner, metadata } = request
  store.refuseWhenShort(session)
  try {
    if ((await enterOwned(store, owner, session, maxOwned)) === 'full') {
      // One that is there is no new one.
      const described = await describeSession(store, session)
      return described.kind === 'ok' ? { kind: 'exists' } : { kind: 'owner-full', limit: maxOwned }
    }
    const meta = [store.keys.meta(session)]
    const written = [writeInfo(request), writeMetadata(metadata), ownerHash(owner), store.ttlMs, newBirth()] as const
    const reply = await store.runDurably('create', meta, ...written)
    return { kind: kindOf(reply) === 'created' ? 'created' : 'exists' }
  } catch (error) {
    if (error instanceof StoreFull) return { kind: 'store-full', retryAfterMs: fullRetryMs }
    throw error
  }
}

/** Tells a session from those that had its id before and will have it after. */
function newBirth(): string {
  return randomBytes(8).toString('base64url')
}

async function updateSession(store: RedisStore, session: string, metadata: string) {
  const reply = await store.run('update', store.of(session), metadata, store.ttlMs)
  if (kindOf(reply) === 'gone') return gone
  touchOwned(store, text(reply[1]), session)
  return done
}

async function share(store: RedisStore, name: string, make: () => Buffer): Promise<Buffer> {
  const key = store.keys.shared(name)
  await store.command('SET', key, make(), 'NX')
  const value = await store.command('GET', key)
  if (Buffer.isBuffer(value)) return value
  throw new Error(`unable to share ${name} through Redis: it was taken out at once`)
}

async function findWarnings(store: RedisStore): Promise<readonly string[]> {
  const info = String(await store.command('INFO', 'memory'))
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction'
  return policy.startsWith('allkeys')
    ? [`Redis evicts keys of sessions (maxmemory-policy ${policy}): set noeviction, or volatile-* with head-room`]
    : []
}

function ignore(): void {
  // Nobody listens.
}
