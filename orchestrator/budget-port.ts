import type { Scope, ScopeLimits } from './policy.ts'

/**
 * The books of what subjects, projects and tenants may use and have used, as the orchestrator needs them. The stores
 * happen to have this shape.
 */
export interface Ledger {
  /**
   * Reserves in all scopes or in none, atomically. `ok` at once, without a store, where no scope has a limit. The same id
   * again holds for another `forMs` and counts nothing twice; when it asks for more than it holds, the rest alone is judged,
   * by tokens and money, and if it is refused the turn keeps what it has. Rejects when the store is away: the outcome is
   * unknown, and whoever gives up settles without `used`.
   */
  reserve(request: Reservation): Promise<ReserveReply>
  /**
   * Books what was used in place of what is held: once, later ones change nothing. A reservation that lapses before is
   * booked whole, which this corrects.
   */
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
  /** The turn's; of one that is taken over, each producer has one of its own. */
  readonly id: string
  readonly limits: Readonly<Record<Scope, ScopeLimits>>
  /** Milliseconds until it lapses, and is booked whole. */
  readonly forMs: number
  /** Its message was counted under another id: messages and running turns are not judged. Default false. */
  readonly isAdmitted?: boolean
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
