import { formatAmount } from '../orchestrator/budget.ts'
import { limitsFor } from '../orchestrator/policy.ts'
import type { Ledger, Scope, Spending } from '../sessions/budgets/ledger.ts'
import type { Identity } from './auth/identity.ts'
import type { PolicySource } from './config/policy/live-policy.ts'

/** Amounts are decimal numbers as text, in `currency`; a day and a month are UTC's. */
export interface UsageReport {
  readonly currency: string
  readonly subject: ScopeUsage
  readonly project?: ScopeUsage
  readonly tenant?: ScopeUsage
  readonly session?: { readonly tokens: number; readonly amount: string }
}

export interface ScopeUsage {
  readonly day: string
  readonly month: string
  /** Of turns that run: reserved, at most. */
  readonly held: string
  readonly runningTurns: number
  /** 0: no limit. */
  readonly limits: {
    readonly messagesPerMinute: number
    readonly tokensPerMinute: number
    readonly runningTurns: number
    readonly day: string
    readonly month: string
  }
}

export type ReadUsage = (identity: Identity, session?: string) => Promise<UsageReport>

/**
 * What a subject used and may use, and one of its sessions. What its project and its tenant used is others' too: it takes the scope
 * `admin` to see that. Rejects when the store is away.
 */
export function createUsage(ledger: Ledger, policy: PolicySource): ReadUsage {
  return async ({ tenant, subject, project, scopes }, session) => {
    const others = scopes.has('admin') ? (['project', 'tenant'] as const) : []
    const asked = { tenant, subject, ...(project && { project }), ...(session && { session }) }
    const spent = await ledger.spent(asked)
    const { limits } = policy.current()
    const of = limitsFor(limits, tenant)
    const usage = (scope: Scope): ScopeUsage => ({
      ...amounts(spent.scopes[scope] ?? nothing),
      limits: {
        messagesPerMinute: of[scope].messagesPerMinute,
        tokensPerMinute: of[scope].tokensPerMinute,
        runningTurns: of[scope].runningTurns,
        day: formatAmount(of[scope].microsPerDay),
        month: formatAmount(of[scope].microsPerMonth),
      },
    })
    const seen = others.filter((scope) => scope === 'tenant' || project !== undefined)
    return {
      currency: limits.currency,
      subject: usage('subject'),
      ...Object.fromEntries(seen.map((scope) => [scope, usage(scope)])),
      ...(spent.session && {
        session: { tokens: spent.session.tokens, amount: formatAmount(spent.session.micros) },
      }),
    }
  }
}

const nothing: Spending = { dayMicros: 0, monthMicros: 0, heldMicros: 0, runningTurns: 0 }

function amounts({ dayMicros, monthMicros, heldMicros, runningTurns }: Spending) {
  return {
    day: formatAmount(dayMicros),
    month: formatAmount(monthMicros),
    held: formatAmount(heldMicros),
    runningTurns,
  }
}
