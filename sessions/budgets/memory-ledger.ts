import {
  type Amounts,
  hasLimits,
  type Ledger,
  limitNames,
  type ReserveReply,
  type ReserveRequest,
  type Scope,
  type SettleRequest,
  type SpentReply,
  type SpentRequest,
  scopesOf,
} from './ledger.ts'
import { memoryScopesMax, memorySessionsMax, memoryTurnsMax, rememberTurnMs } from './limits.ts'
import { MemoryBook } from './memory-book.ts'
import { Recent } from './recent.ts'

export interface MemoryLedgerOptions {
  /** The ledger's clock, in milliseconds; it may step. Default `Date.now`. */
  readonly now?: () => number
  /**
   * Scopes, sessions and turns remembered at most. Above, the longest unused that holds nothing is forgotten: a scope
   * with what it spent, which gives it its whole budget anew. Default 100,000 each.
   */
  readonly maxScopes?: number
  readonly maxSessions?: number
  readonly maxTurns?: number
}

/** What a turn reserved, until it is settled. */
type Turn =
  | {
      readonly kind: 'open'
      readonly reserved: Amounts
      readonly reservedMs: number
      /** When it lapses, and in which scopes it then is booked. */
      readonly untilMs: number
      readonly scopes: readonly Scope[]
      readonly forgottenMs: number
    }
  | { readonly kind: 'settled'; readonly forgottenMs: number }

/**
 * The books in this process's own memory, for one node without Redis. Every operation runs to its end within the call,
 * so it is one atomic step.
 */
export function createMemoryLedger(options: MemoryLedgerOptions = {}): Ledger {
  const ledger = new MemoryLedger(options)
  return {
    reserve: async (request) => ledger.reserve(request),
    settle: async (request) => ledger.settle(request),
    spent: async (of) => ledger.spent(of),
    forget: async (of) => ledger.forget(of),
  }
}

class MemoryLedger {
  readonly #now: () => number
  readonly #books: Recent<MemoryBook>
  readonly #turns: Recent<Turn>
  readonly #sessions: Recent<Amounts>

  constructor(options: MemoryLedgerOptions) {
    const now = options.now ?? Date.now
    this.#now = now
    const holdsNothing = (book: MemoryBook) => book.spending(now()).runningTurns === 0
    this.#books = new Recent<MemoryBook>(options.maxScopes ?? memoryScopesMax, holdsNothing)
    const isOver = (turn: Turn) => turn.kind === 'settled' || turn.forgottenMs <= now()
    this.#turns = new Recent<Turn>(options.maxTurns ?? memoryTurnsMax, isOver)
    this.#sessions = new Recent<Amounts>(options.maxSessions ?? memorySessionsMax, () => true)
  }

  reserve(request: ReserveRequest): ReserveReply {
    const limited = scopesOf(request).filter(({ scope }) => hasLimits(request.limits[scope]))
    if (limited.length === 0) return { kind: 'ok' }
    const turn = this.#turn(request)
    if (turn?.kind === 'settled') return { kind: 'ok' }
    const held = turn?.reserved ?? { tokens: 0, micros: 0 }
    const more = { tokens: above(request.tokens, held.tokens), micros: above(request.micros, held.micros) }
    const refused = this.#refuse(request, more, limited, turn !== undefined || request.isAdmitted === true)
    if (refused !== undefined && turn === undefined) return refused
    // What it has it keeps, whatever becomes of the rest.
    const added = refused === undefined ? more : { tokens: 0, micros: 0 }
    const reserved = { tokens: held.tokens + added.tokens, micros: held.micros + added.micros }
    this.#hold(request, turn, reserved, added, limited)
    return refused ?? { kind: 'ok' }
  }

  settle(request: SettleRequest): void {
    const { id, tenant, session, used } = request
    const turn = this.#turn(request)
    if (turn?.kind === 'settled') return
    const nowMs = this.#now()
    for (const named of scopesOf(request)) {
      const book = this.#book(request, named)
      if (turn !== undefined) release(book, id, turn, named.scope, nowMs)
      book.spend(used?.micros ?? 0, nowMs)
      const { tokens } = turn?.reserved ?? { tokens: 0 }
      if (turn !== undefined) book.correct(turn.reservedMs, used === undefined ? -1 : 0, (used?.tokens ?? 0) - tokens)
    }
    if (used !== undefined && session !== undefined) this.#spend(sessionKey(tenant, session), used)
    this.#turns.put(turnKey(request), { kind: 'settled', forgottenMs: nowMs + rememberTurnMs })
  }

  #hold(
    request: ReserveRequest,
    turn: OpenTurn | undefined,
    reserved: Amounts,
    added: Amounts,
    limited: readonly Named[],
  ): void {
    const { id, limits, forMs, isAdmitted = false } = request
    const nowMs = this.#now()
    const untilMs = nowMs + forMs
    for (const named of limited) {
      const book = this.#book(request, named)
      if (turn === undefined) book.count(isAdmitted ? 0 : 1, added.tokens, limits[named.scope], nowMs)
      else {
        release(book, id, turn, named.scope, nowMs)
        book.correct(turn.reservedMs, 0, added.tokens)
      }
      book.hold(id, reserved.micros, untilMs)
    }
    const scopes = [...new Set([...(turn?.scopes ?? []), ...limited.map(({ scope }) => scope)])]
    const forgottenMs = untilMs + rememberTurnMs
    const reservedMs = turn?.reservedMs ?? nowMs
    this.#turns.put(turnKey(request), { kind: 'open', reserved, reservedMs, untilMs, scopes, forgottenMs })
  }

  forget({ tenant, session }: { readonly tenant: string; readonly session: string }): void {
    this.#sessions.remove(sessionKey(tenant, session))
  }

  spent(of: SpentRequest): SpentReply {
    const found = scopesOf(of).map((named) => {
      // Looking at somebody is no use: it keeps nobody and pushes nobody out.
      const book = this.#books.find(bookKey(of, named)) ?? new MemoryBook()
      return [named.scope, book.spending(this.#now())] as const
    })
    const session =
      of.session === undefined ? undefined : (this.#sessions.find(sessionKey(of.tenant, of.session)) ?? nothing)
    return { scopes: Object.fromEntries(found), ...(session && { session }) }
  }

  /** The limit that asks to wait longest. */
  #refuse(
    request: ReserveRequest,
    more: Amounts,
    limited: readonly Named[],
    isAdmitted: boolean,
  ): ReserveReply | undefined {
    let longestMs = 0
    let refused: ReserveReply | undefined
    for (const named of limited) {
      const waits = this.#book(request, named).waits(more, request.limits[named.scope], this.#now(), isAdmitted)
      for (const limit of limitNames) {
        if (waits[limit] <= longestMs) continue
        longestMs = waits[limit]
        const wait = Number.isFinite(longestMs) ? { retryAfterMs: longestMs } : {}
        refused = { kind: 'refused', scope: named.scope, limit, ...wait }
      }
    }
    return refused
  }

  #turn(request: { readonly tenant: string; readonly id: string }): Turn | undefined {
    const turn = this.#turns.find(turnKey(request))
    return turn === undefined || turn.forgottenMs <= this.#now() ? undefined : turn
  }

  #book(of: { readonly tenant: string }, named: Named): MemoryBook {
    return this.#books.use(bookKey(of, named), () => new MemoryBook())
  }

  #spend(key: string, { tokens, micros }: Amounts): void {
    const before = this.#sessions.find(key) ?? nothing
    this.#sessions.put(key, { tokens: before.tokens + tokens, micros: before.micros + micros })
  }
}

type Named = ReturnType<typeof scopesOf>[number]
type OpenTurn = Extract<Turn, { kind: 'open' }>

/** Takes away what a turn holds in a scope, or what was booked for it when that lapsed. */
function release(book: MemoryBook, id: string, turn: OpenTurn, scope: Scope, nowMs: number): void {
  if (book.release(id) || !turn.scopes.includes(scope)) return
  book.spend(-turn.reserved.micros, nowMs, turn.untilMs)
}

function above(asked: number, held: number): number {
  return Math.max(0, asked - held)
}

const nothing: Amounts = { tokens: 0, micros: 0 }

function bookKey({ tenant }: { readonly tenant: string }, { scope, name }: Named): string {
  return JSON.stringify([tenant, scope, name])
}

function turnKey({ tenant, id }: { readonly tenant: string; readonly id: string }): string {
  return JSON.stringify([tenant, id])
}

function sessionKey(tenant: string, session: string): string {
  return JSON.stringify([tenant, session])
}
