import type { Scope, ScopeLimits } from './policy.ts'

/**
 * The books of what subjects, projects and tenants may use and have used, as the orchestrator needs them. The stores
 * happen to have this shape.
 */
export interface Ledger {
  /**
   * Reserves in all scopes or in none, atomically. `ok` at once, without a store, where no scope has a limit. The same id
   * again answers as before, counts nothing twice and holds for another `forMs`: a turn that goes on renews so, also one
   * that another node took over. Rejects when the store is away: the outcome is unknown, so whoever gives up settles
   * the turn without `used`.
   */
  reserve(request: Reservation): Promise<ReserveReply>
  /** Gives back what the turn holds and books what it used: once, later ones change nothing; also when it had lapsed. */
  settle(request: Settlement): Promise<void>
}

interface Spender {
  readonly tenant: string
  readonly project?: string
  readonly subject: string
}

/** Whole numbers. */
export interface Amounts {
  readonly tokens: number
  /** Millionths of the currency. */
  readonly micros: number
}

export interface Reservation extends Spender, Amounts {
  /** The turn's. */
  readonly id: string
  readonly limits: Readonly<Record<Scope, ScopeLimits>>
  /** Milliseconds until it lapses by itself. */
  readonly forMs: number
}

export type ReserveReply = { readonly kind: 'ok' } | Overrun

/** Without `retryAfterMs` the turn alone is more than the limit. */
export interface Overrun {
  readonly kind: 'refused'
  readonly scope: Scope
  readonly limit: keyof ScopeLimits
  readonly retryAfterMs?: number
}

export interface Settlement extends Spender {
  readonly id: string
  /** Absent: it is gone, and nothing of it is to stay. */
  readonly session?: string
  /** Absent: the turn did not come about, so its message is not counted either. */
  readonly used?: Amounts
}
