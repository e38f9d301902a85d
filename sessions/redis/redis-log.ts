import { randomBytes } from 'node:crypto'
import type { CreateReply, CreateRequest, SessionLog } from '../session-log.ts'
import type { ShareLimits } from '../shares.ts'
import { Erasures } from './erasures.ts'
import { lapsedTurns } from './hints.ts'
import { Keys } from './keys.ts'
import { sessionBytes } from './limits.ts'
import { News } from './news.ts'
import { chargeOwned, recountSoon, touchOwned } from './owned.ts'
import { describeSession, findTurn, listSessions, openSession, readOpening, readPage, readText } from './reads.ts'
import { type LinkEvents, RedisLink } from './redis-link.ts'
import { kindOf, RedisStore } from './redis-store.ts'
import type { RedisTarget } from './redis-url.ts'
import { loadScripts, type PatchScript } from './scripts.ts'
import { writeInfo, writeMetadata } from './session-info.ts'
import { writeFeedback, writeSessionMetadata } from './session-writes.ts'
import { accountOf, RedisShares } from './shares.ts'
import { storeFullReply } from './store-full.ts'
import { acceptMessage, appendText, cancelTurn, endTurn, takeOverTurn } from './turn-writes.ts'

/** Shares that are not set are parts of Redis' `maxmemory`, where it has one: see `sharesOf`. */
export interface RedisLogOptions extends ShareLimits {
  readonly target: RedisTarget
  /** In front of every key and channel. Default `sluice:`. */
  readonly prefix?: string
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

const quiet = { connected: ignore, failed: ignore, troubled: ignore }
const noEvents: RedisLogEvents = { ...quiet, unknownVersion: ignore }

/**
 * The store in Redis (7 or later), so that any node serves any session. Each operation is one script on the keys of one
 * session; see `lua/`, `keys.ts` and the rules in `session-log.ts`.
 *
 * A rejection means that the store is away. Nothing waits for it in here: whoever asked asks again.
 */
export function createRedisLog(options: RedisLogOptions): RedisLog {
  const { target, prefix = 'sluice:', ttlMs = 30 * 24 * 3_600_000 } = options
  const events = options.events ?? noEvents
  const keys = new Keys(prefix)
  const link = new RedisLink(target, events)
  const durable = openDurable(options)
  const unknown = events.unknownVersion
  const shares = new RedisShares(options)
  const scripts = loadScripts(options.patchScript)
  const store = new RedisStore({ keys, scripts, link, durable, ttlMs, unknown, shares })
  const news = new News(target, keys, link, unknown)
  const erasures = new Erasures(store, options.eraseAgainMs ?? 0)

  return {
    create: (request) => createSession(store, request),
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
    opening: ({ session, turn }) => readOpening(store, session, turn),
    update: ({ session, metadata }) => writeSessionMetadata(store, session, writeMetadata(metadata)),
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
      const settings = await readSettings(store)
      shares.capacityBytes = settings.maxMemoryBytes * link.primaryCount
      return settings.warnings
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

async function createSession(store: RedisStore, request: CreateRequest): Promise<CreateReply> {
  const { session, owner } = request
  store.refuseWhenShort(session)
  const [info, metadata] = [writeInfo(request), writeMetadata(request.metadata)]
  const bytes = sessionBytes + Buffer.byteLength(info) + Buffer.byteLength(metadata)
  try {
    const account = accountOf(owner)
    const full = await chargeOwned(store, account, session, { sessions: 1, bytes })
    // One that is there is no new one.
    if (full !== undefined) return (await describeSession(store, session)).kind === 'ok' ? { kind: 'exists' } : full
    const written = [info, metadata, account.owner, store.ttlMs, newBirth(), bytes] as const
    const reply = await store.runDurably('create', [store.keys.meta(session)], ...written)
    if (kindOf(reply) === 'created') {
      store.shares.know(session, owner)
      touchOwned(store, account.owner, session, bytes)
      return { kind: 'created' }
    }
    recountSoon(store, account.owner, session)
    return { kind: 'exists' }
  } catch (error) {
    return storeFullReply(error)
  }
}

/** Tells a session from those that had its id before and will have it after. */
function newBirth(): string {
  return randomBytes(8).toString('base64url')
}

async function share(store: RedisStore, name: string, make: () => Buffer): Promise<Buffer> {
  const key = store.keys.shared(name)
  await store.command('SET', key, make(), 'NX')
  const value = await store.command('GET', key)
  if (Buffer.isBuffer(value)) return value
  throw new Error(`unable to share ${name} through Redis: it was taken out at once`)
}

interface Settings {
  /** Of one server; `Infinity`: it has no limit. */
  readonly maxMemoryBytes: number
  readonly warnings: readonly string[]
}

async function readSettings(store: RedisStore): Promise<Settings> {
  const info = String(await store.command('INFO', 'memory'))
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction'
  const maxMemoryBytes = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0)
  const warning = `Redis evicts keys of sessions (maxmemory-policy ${policy}): set noeviction, or volatile-* with head-room`
  return {
    maxMemoryBytes: maxMemoryBytes === 0 ? Number.POSITIVE_INFINITY : maxMemoryBytes,
    warnings: policy.startsWith('allkeys') ? [warning] : [],
  }
}

function ignore(): void {
  // Nobody listens.
}
