import * as limits from './memory-limits.ts'
import { findTurn, lapsedTurns, listSessions, openingOf, openSession, pageOf, readText } from './memory-reads.ts'
import type { MemorySession } from './memory-session.ts'
import { MemoryShelves, sizeOf } from './memory-shelves.ts'
import { acceptMessage, appendText, cancelTurn, endTurn, takeOverTurn, writeFeedback } from './memory-turn.ts'
import type { CreateReply, CreateRequest, Gone, SessionLog, UpdateReply } from './session-log.ts'
import type { ShareLimits } from './shares.ts'

/** Shares that are not set are parts of `maxSessions` and `maxBytes`: see `sharesOf`. */
export interface MemoryLogOptions extends ShareLimits {
  /** The store's clock, in milliseconds; it may step. Default `Date.now`. */
  readonly now?: () => number
  /** Sessions at most; then `create` answers `store-full`. Default 10,000. */
  readonly maxSessions?: number
  /** Estimated bytes of all sessions at most; then whatever would add to them answers `store-full`. Default 256 MiB. */
  readonly maxBytes?: number
  /** Milliseconds from a session's last use (a write) to its end; while a turn runs it stays. Default 30 days. */
  readonly ttlMs?: number
  /** Message ids remembered for a session. Default 256. */
  readonly rememberMessages?: number
}

const gone: Gone = { kind: 'gone' }
const done = { kind: 'ok' } as const

/**
 * The store in this process's own memory: the embedded default, and what the contract is easiest to read in.
 *
 * Every operation runs to its end within the call, so it is one atomic step and its events are out before its promise
 * resolves. Sessions end with the process. Running turns may go beyond `maxBytes`, since what was accepted is finished.
 */
export function createMemoryLog(options: MemoryLogOptions = {}): SessionLog {
  const shelves = new MemoryShelves({
    now: options.now ?? Date.now,
    maxSessions: options.maxSessions ?? limits.sessionsMax,
    maxBytes: options.maxBytes ?? limits.storeBytesMax,
    ttlMs: options.ttlMs ?? limits.sessionTtlMs,
    shares: options,
  })
  const remember = options.rememberMessages ?? limits.rememberedMessages
  const stopSweeping = startSweeping(shelves)

  /** `async` makes a thrown bug, or a closed store, a rejection; nothing in here ever waits. */
  async function at<Reply>(id: string, operate: (session: MemorySession) => Reply): Promise<Reply | Gone> {
    const session = shelves.find(id)
    return session === undefined ? gone : operate(session)
  }

  return {
    create: async (request) => createSession(shelves, request),
    describe: (id) => at(id, ({ info }) => ({ kind: 'ok', info })),
    accept: (request) => at(request.session, (session) => acceptMessage(shelves, session, request, remember)),
    append: async (request) => {
      const session = shelves.find(request.session)
      return session === undefined ? gone : appendText(shelves, session, request)
    },
    end: (request) => at(request.session, (session) => endTurn(shelves, session, request)),
    takeOver: (request) => at(request.session, (session) => takeOverTurn(shelves, session, request)),
    open: (request) => at(request.session, (session) => openSession(shelves, session, request)),
    page: (request) => at(request.session, (session) => pageOf(session, request)),
    read: (request) => at(request.session, (session) => readText(session, request)),
    findTurn: (request) => at(request.session, (session) => findTurn(session, request)),
    cancel: ({ session: id, turn }) => at(id, (session) => cancelTurn(session, turn)),
    addFeedback: (request) => at(request.session, (session) => writeFeedback(shelves, session, request)),
    opening: ({ session: id, turn }) => at(id, (session) => openingOf(session, turn)),
    update: ({ session: id, metadata }) => at(id, (session) => replaceMetadata(shelves, session, metadata)),
    erase: (id) => at(id, (session) => eraseSession(shelves, session)),
    list: async (request) => listSessions(shelves, request),
    breaks: () => 0,
    lapsed: async () => lapsedTurns(shelves),
    subscribe: (id, listener) => shelves.subscribe(id, listener),
    close: async () => {
      stopSweeping()
      shelves.close()
    },
  }
}

function createSession(shelves: MemoryShelves, request: CreateRequest): CreateReply {
  if (shelves.find(request.session) !== undefined) return { kind: 'exists' }
  const full = shelves.fullForSession(request.owner, request.metadata)
  if (full !== undefined) return full
  shelves.add(request)
  return { kind: 'created' }
}

function replaceMetadata(
  shelves: MemoryShelves,
  session: MemorySession,
  given: MemorySession['metadata'] & object,
): UpdateReply {
  const metadata = Object.freeze({ ...given })
  const growth = sizeOf(metadata) - sizeOf(session.metadata)
  const full = shelves.fullForChange(session, growth)
  if (full !== undefined) return full
  shelves.grow(session, growth)
  session.metadata = metadata
  shelves.use(session)
  session.watch?.tell((listener) => listener.updated(metadata))
  return done
}

function eraseSession(shelves: MemoryShelves, session: MemorySession) {
  shelves.remove(session, 'erased')
  return done
}

/** Some at a time; when more are due, the next turn of the event loop goes on. Never keeps the process alive. */
function startSweeping(shelves: MemoryShelves): () => void {
  let timer: NodeJS.Timeout
  const sweep = () => {
    const isMoreDue = shelves.sweep()
    timer = setTimeout(sweep, isMoreDue ? 0 : limits.sweepEveryMs).unref()
  }
  timer = setTimeout(sweep, limits.sweepEveryMs).unref()
  return () => clearTimeout(timer)
}
