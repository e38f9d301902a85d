/**
 * The books of what subjects, projects and tenants may use and have used: messages and tokens of the last minute, running
 * turns, money by UTC day and calendar month; and what each session cost.
 *
 * A turn reserves before it runs, in all of its scopes or in none, and is settled once, whoever asks and however often. So
 * at every instant `spent + held ≤ limit`, as long as turns use no more than they reserved; what they use beyond that is
 * booked as it was. A reservation that nobody settles or renews lapses: its node died, and nobody knows what the turn used,
 * so all that it held is booked as spent. A later settlement corrects that.
 *
 * Every operation is one atomic step, judged by the store's own clock, and may be repeated: it then changes nothing. A
 * rejection means that the store is away and the outcome unknown.
 */
export interface Ledger {
  /**
   * Without a limit in any scope it is `ok` at once, holds nothing, and the store is not asked. Asked again for a turn
   * that was taken, it counts nothing twice and holds for another `forMs`, whatever the limits say now: so a turn that runs
   * long keeps its place. When it asks for more than it holds, the rest alone is judged, by tokens and money, and added; if
   * that is refused, the turn keeps what it holds. For a settled turn it does nothing and is `ok`.
   */
  reserve(request: ReserveRequest): Promise<ReserveReply>
  /** Books what the turn used, in place of what it holds or of what was booked when that lapsed. */
  settle(request: SettleRequest): Promise<void>
  spent(of: SpentRequest): Promise<SpentReply>
  /** Of a session that is erased: its sum goes; what was spent stays spent. */
  forget(of: { readonly tenant: string; readonly session: string }): Promise<void>
}

/** From the narrowest to the widest. A project or a subject is one of its tenant's. */
export const scopes = ['subject', 'project', 'tenant'] as const
export type Scope = (typeof scopes)[number]

/** Whole numbers. 0: no limit. */
export interface ScopeLimits {
  readonly messagesPerMinute: number
  readonly tokensPerMinute: number
  readonly runningTurns: number
  /** In millionths of the currency, by UTC day and calendar month. */
  readonly microsPerDay: number
  readonly microsPerMonth: number
}

/** In the order in which they are looked at: of two that ask to wait equally long the first is named. */
export const limitNames = [
  'messagesPerMinute',
  'tokensPerMinute',
  'runningTurns',
  'microsPerDay',
  'microsPerMonth',
] as const satisfies readonly (keyof ScopeLimits)[]
export type LimitName = (typeof limitNames)[number]

export interface Spender {
  readonly tenant: string
  /** Absent: of no project, whose limits then do not matter. */
  readonly project?: string
  readonly subject: string
}

/** Whole numbers, below 2^53. */
export interface Amounts {
  readonly tokens: number
  /** Millionths of the currency. */
  readonly micros: number
}

export interface ReserveRequest extends Spender, Amounts {
  /** The turn's, without spaces; of one that is taken over, each producer has one of its own. */
  readonly id: string
  readonly limits: Readonly<Record<Scope, ScopeLimits>>
  /** Milliseconds until the reservation lapses, if nobody asks again. */
  readonly forMs: number
  /** Its message was counted before, under another id: neither messages nor running turns are judged. Default false. */
  readonly isAdmitted?: boolean
}

export type ReserveReply =
  | { readonly kind: 'ok' }
  /** The limit that asks to wait longest. Without `retryAfterMs` the turn alone is more than it, and never fits. */
  | { readonly kind: 'refused'; readonly scope: Scope; readonly limit: LimitName; readonly retryAfterMs?: number }

export interface SettleRequest extends Spender {
  readonly id: string
  /** Absent: it is gone, and nothing of it is to stay. */
  readonly session?: string
  /** Absent: the turn did not come about, and its message is not counted either. */
  readonly used?: Amounts
}

export interface SpentRequest {
  readonly tenant: string
  readonly project?: string
  readonly subject?: string
  readonly session?: string
}

export interface Spending {
  readonly dayMicros: number
  readonly monthMicros: number
  /** Of turns that run: reserved and not settled. */
  readonly heldMicros: number
  readonly runningTurns: number
}

export interface SpentReply {
  readonly scopes: Readonly<Partial<Record<Scope, Spending>>>
  /** All that the session's turns used, for as long as it is kept. */
  readonly session?: Amounts
}

export function hasLimits(limits: ScopeLimits): boolean {
  return limitNames.some((name) => limits[name] > 0)
}

/** The scopes that somebody is in, with the name of each. */
export function scopesOf(of: SpentRequest): { readonly scope: Scope; readonly name: string }[] {
  const found = scopes.map((scope) => ({ scope, name: of[scope] }))
  return found.filter((one): one is { scope: Scope; name: string } => one.name !== undefined)
}
