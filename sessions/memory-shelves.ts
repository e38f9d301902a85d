import {
  entryOverheadBytes,
  retryAfterMaxMs,
  retryAfterMinMs,
  sessionOverheadBytes,
  sweepBatch,
} from './memory-limits.ts'
import { MemorySession } from './memory-session.ts'
import { type Growth, MemoryShares, type NoRoom, type TenantTotals } from './memory-shares.ts'
import { OwnerShelf } from './owner-shelf.ts'
import type { CreateRequest, Full, LogListener, Owner, SessionAttributes, Subscription } from './session-log.ts'
import type { ShareLimits } from './shares.ts'
import { Watch } from './watch.ts'

export interface ShelfLimits {
  readonly now: () => number
  readonly maxSessions: number
  readonly maxBytes: number
  readonly ttlMs: number
  readonly shares: ShareLimits
}

const noAttributes: SessionAttributes = {}

/**
 * All sessions in memory: by id, by owner, and in the order of their last use, with what they occupy and when they go.
 *
 * A use is a write: made, asked, answered, given feedback, renamed. A session whose time has come is gone for every
 * operation at once; the sweep only gives back its memory and tells its watchers, some at a time.
 */
export class MemoryShelves {
  readonly #limits: ShelfLimits
  readonly #sessions = new Map<string, MemorySession>()
  readonly #shelves = new Map<string, OwnerShelf<MemorySession>>()
  readonly #watches = new Map<string, Watch>()
  /** Those whose turn runs. */
  readonly #running = new Set<MemorySession>()
  readonly #shares: MemoryShares
  #oldest: MemorySession | undefined
  #newest: MemorySession | undefined
  #bytes = 0
  #uses = 0
  #isClosed = false

  constructor(limits: ShelfLimits) {
    this.#limits = limits
    this.#shares = new MemoryShares(limits.shares, { sessions: limits.maxSessions, bytes: limits.maxBytes })
  }

  get uses(): number {
    return this.#uses
  }

  now(): number {
    return this.#limits.now()
  }

  find(id: string): MemorySession | undefined {
    this.assertOpen()
    const session = this.#sessions.get(id)
    if (session === undefined || !this.isDue(session)) return session
    this.remove(session, 'expired')
    return undefined
  }

  add(request: CreateRequest): void {
    const { session: id, owner, attributes, metadata } = request
    const session = new MemorySession(
      id,
      this.#shelfFor(owner),
      Object.keys(attributes).length === 0 ? noAttributes : { ...attributes },
      request.timeMs,
      metadata === undefined ? undefined : Object.freeze({ ...metadata }),
      this.now(),
    )
    session.watch = this.#watches.get(id)
    this.#sessions.set(id, session)
    this.#shares.grow(session.shelf.tenant, 1, 0)
    this.grow(session, sessionOverheadBytes + sizeOf(metadata))
    this.#append(session)
  }

  remove(session: MemorySession, reason: 'erased' | 'expired'): void {
    this.#sessions.delete(session.id)
    this.#detach(session)
    if (session.shelf.isEmpty) this.#shelves.delete(shelfKey(session.shelf.owner))
    this.grow(session, -session.bytes)
    this.#shares.grow(session.shelf.tenant, -1, 0)
    session.watch?.tell((listener) => listener.erased(reason))
  }

  use(session: MemorySession): void {
    session.usedMs = this.now()
    this.#detach(session)
    this.#append(session)
  }

  /** `bytes` may be negative. */
  grow(session: MemorySession, bytes: number): void {
    session.bytes += bytes
    session.shelf.bytes += bytes
    session.shelf.tenant.bytes += bytes
    this.#bytes += bytes
  }

  shelf(owner: Owner): OwnerShelf<MemorySession> | undefined {
    this.assertOpen()
    return this.#shelves.get(shelfKey(owner))
  }

  isDue(session: MemorySession): boolean {
    return session.run === undefined && this.now() >= session.usedMs + this.#limits.ttlMs
  }

  *running(): Generator<MemorySession> {
    this.assertOpen()
    yield* this.#running
  }

  /** Whether there is no room for one more session of this owner, with what it is made with. */
  fullForSession(owner: Owner, metadata: object | undefined): NoRoom | undefined {
    const shelf = this.shelf(owner) ?? this.#newShelf(owner)
    return this.#full(shelf, { sessions: 1, bytes: sessionOverheadBytes + sizeOf(metadata) })
  }

  /** Whether there is no room for one more entry of so many bytes in this session. */
  fullForEntry(session: MemorySession, bytes: number): NoRoom | undefined {
    return this.#full(session.shelf, { sessions: 0, bytes: bytes + entryOverheadBytes })
  }

  /** Whether this session may not hold so many bytes more; what makes it smaller always may. */
  fullForChange(session: MemorySession, bytes: number): NoRoom | undefined {
    return bytes <= 0 ? undefined : this.#full(session.shelf, { sessions: 0, bytes })
  }

  /** Takes out expired sessions, a bounded number; whether more may be due. */
  sweep(): boolean {
    for (let seen = 0; seen < sweepBatch; seen += 1) {
      const oldest = this.#oldest
      if (oldest === undefined || this.now() < oldest.usedMs + this.#limits.ttlMs) return false
      this.remove(oldest, 'expired')
    }
    return true
  }

  subscribe(id: string, listener: LogListener): Subscription {
    this.assertOpen()
    const watch = this.#watches.get(id) ?? this.#watchFor(id)
    return watch.add(listener)
  }

  assertOpen(): void {
    if (this.#isClosed) throw new Error('unable to reach the session store: it is closed')
  }

  close(): void {
    this.#isClosed = true
    this.#sessions.clear()
    this.#shelves.clear()
    this.#watches.clear()
    this.#running.clear()
    this.#shares.clear()
    this.#oldest = undefined
    this.#newest = undefined
  }

  /** A share is told before the store: what its owner can do about it is said with it. */
  #full(shelf: OwnerShelf<MemorySession>, growth: Growth): NoRoom | undefined {
    const refused = () => this.#shares.full(shelf, growth) ?? this.#storeFull(shelf.tenant, growth)
    if (refused() === undefined) return undefined
    this.sweep()
    return refused()
  }

  #storeFull(tenant: TenantTotals, growth: Growth): Full | undefined {
    const held = { sessions: this.#sessions.size, bytes: this.#bytes }
    if (!this.#shares.isStoreFull(tenant, held, growth)) return undefined
    const { ttlMs } = this.#limits
    const oldestMs = (this.#oldest?.usedMs ?? 0) + ttlMs - this.now()
    return { kind: 'store-full', retryAfterMs: Math.min(Math.max(oldestMs, retryAfterMinMs), retryAfterMaxMs) }
  }

  #watchFor(id: string): Watch {
    const watch = new Watch(() => this.#unwatch(id))
    this.#watches.set(id, watch)
    const session = this.#sessions.get(id)
    if (session !== undefined) session.watch = watch
    return watch
  }

  #unwatch(id: string): void {
    this.#watches.delete(id)
    const session = this.#sessions.get(id)
    if (session !== undefined) session.watch = undefined
  }

  #shelfFor(owner: Owner): OwnerShelf<MemorySession> {
    const key = shelfKey(owner)
    const known = this.#shelves.get(key)
    if (known !== undefined) return known
    const shelf = this.#newShelf(owner)
    this.#shelves.set(key, shelf)
    return shelf
  }

  #newShelf({ tenant, subject }: Owner): OwnerShelf<MemorySession> {
    return new OwnerShelf<MemorySession>({ tenant, subject }, this.#shares.tenant(tenant))
  }

  #append(session: MemorySession): void {
    this.#uses += 1
    session.usedOrder = this.#uses
    session.shelf.put(session)
    // While a turn runs nothing expires; its end is the next use.
    if (session.run === undefined) this.#link(session)
    else this.#running.add(session)
  }

  #detach(session: MemorySession): void {
    this.#running.delete(session)
    session.shelf.take(session)
    const isLinked = session.older !== undefined || session === this.#oldest
    if (isLinked) this.#unlink(session)
  }

  #link(session: MemorySession): void {
    session.older = this.#newest
    if (this.#newest === undefined) this.#oldest = session
    else this.#newest.newer = session
    this.#newest = session
  }

  #unlink(session: MemorySession): void {
    const { older, newer } = session
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
    session.older = undefined
    session.newer = undefined
  }
}

export function sizeOf(metadata: object | undefined): number {
  return metadata === undefined ? 0 : heapBytes(JSON.stringify(metadata))
}

/** What a text takes in memory: V8 keeps two bytes for each unit of one that has a character beyond Latin-1. */
export function heapBytes(text: string): number {
  return isWide.test(text) ? 2 * text.length : text.length
}

const isWide = /[^\p{ASCII}\u0080-\u00ff]/u

/** The length in front keeps a tenant from being continued by a subject. */
function shelfKey({ tenant, subject }: Owner): string {
  return `${tenant.length}:${tenant}${subject}`
}
