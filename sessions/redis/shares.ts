import { Recent } from '../budgets/recent.ts'
import type { Full, Owner, ShareFull } from '../session-log.ts'
import { type Capacity, type ShareLimits, type Shares, sharesOf, unitAbove } from '../shares.ts'
import { ownerHash } from './keys.ts'
import { fullRetryMs, knownAccountsMax, knownTenantsMax } from './limits.ts'

/** Whose shares a session is counted in, by hash. */
export interface Account {
  readonly owner: string
  readonly tenant: string
}

export function accountOf(owner: Owner): Account {
  return { owner: ownerHash(owner), tenant: tenantHash(owner) }
}

function tenantHash({ tenant }: Owner): string {
  return ownerHash({ tenant, subject: '' })
}

/**
 * What this node knows of shares without asking: the limits, what Redis may hold, whose a session is, and what a tenant's
 * sessions came to when it last heard.
 */
export class RedisShares {
  readonly #limits: ShareLimits
  readonly #accounts = new Recent<Account>(knownAccountsMax, () => true)
  readonly #totals = new Recent<Capacity>(knownTenantsMax, () => true)
  /** Tenants that this node has met, as far as it matters: whether there is more than one. */
  readonly #met = new Set<string>()
  /** What all of Redis may hold, in bytes: its `maxmemory`, once that was read. */
  capacityBytes = Number.POSITIVE_INFINITY

  constructor(limits: ShareLimits) {
    this.#limits = limits
  }

  of({ tenant }: Account): Shares {
    if (this.#met.size < 2) this.#met.add(tenant)
    const store = { sessions: Number.POSITIVE_INFINITY, bytes: this.capacityBytes }
    return sharesOf(this.#limits, store, this.#met.size < 2)
  }

  account(session: string): Account | undefined {
    return this.#accounts.find(session)
  }

  /** An owner never changes while the session is there. */
  know(session: string, owner: Owner): Account {
    return this.#accounts.use(session, () => accountOf(owner))
  }

  forget(session: string): void {
    this.#accounts.remove(session)
  }

  totals(tenant: string): Capacity | undefined {
    return this.#totals.find(tenant)
  }

  heard(tenant: string, totals: Capacity): void {
    this.#totals.put(tenant, totals)
  }
}

/** Whether so much more is above a tenant's share, or above what the only tenant may fill of the store. */
export function fullTenant(held: Capacity, growth: Capacity, { tenant, store }: Shares): ShareFull | Full | undefined {
  const unit = unitAbove(held, growth, tenant)
  if (unit !== undefined) return { kind: 'share-full', of: 'tenant', unit, limit: tenant[unit] }
  if (unitAbove(held, growth, store) === undefined) return undefined
  return { kind: 'store-full', retryAfterMs: fullRetryMs }
}

/** Whether there is anything that a tenant's account could be above. */
export function boundsTenants({ tenant, store }: Shares): boolean {
  return [tenant.sessions, tenant.bytes, store.sessions, store.bytes].some(Number.isFinite)
}
