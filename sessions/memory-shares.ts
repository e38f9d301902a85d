import type { OwnerShelf, Shelved } from './owner-shelf.ts'
import type { Full, ShareFull } from './session-log.ts'
import { type Capacity, type ShareLimits, type Shares, sharesOf, unitAbove } from './shares.ts'

/** What the sessions of one tenant come to. */
export interface TenantTotals {
  readonly name: string
  sessions: number
  bytes: number
}

/** What is about to be added to a store. */
export interface Growth {
  readonly sessions: 0 | 1
  readonly bytes: number
}

/** The tenants that have sessions in memory, and whether a subject or a tenant has as much as it may. */
export class MemoryShares {
  readonly #tenants = new Map<string, TenantTotals>()
  readonly #ofOne: Shares
  readonly #ofMany: Shares

  constructor(limits: ShareLimits, store: Capacity) {
    this.#ofOne = sharesOf(limits, store, true)
    this.#ofMany = sharesOf(limits, store, false)
  }

  /** Kept from its first session on. */
  tenant(name: string): TenantTotals {
    return this.#tenants.get(name) ?? { name, sessions: 0, bytes: 0 }
  }

  grow(tenant: TenantTotals, sessions: number, bytes: number): void {
    tenant.sessions += sessions
    tenant.bytes += bytes
    if (tenant.sessions > 0) this.#tenants.set(tenant.name, tenant)
    else this.#tenants.delete(tenant.name)
  }

  /** Whether the owner of a shelf, or its tenant, has as much as it may. */
  full<S extends Shelved>(shelf: OwnerShelf<S>, growth: Growth): ShareFull | undefined {
    const { tenant } = shelf
    const shares = this.#sharesOf(tenant)
    return (
      fullShare('subject', { sessions: shelf.count, bytes: shelf.bytes }, growth, shares.subject) ??
      fullShare('tenant', tenant, growth, shares.tenant)
    )
  }

  /** Whether all sessions together are as much as they may be, for this tenant. */
  isStoreFull(tenant: TenantTotals, held: Capacity, growth: Growth): boolean {
    return unitAbove(held, growth, this.#sharesOf(tenant).store) !== undefined
  }

  #sharesOf(tenant: TenantTotals): Shares {
    const isOnly = this.#tenants.size === 0 || (this.#tenants.size === 1 && this.#tenants.has(tenant.name))
    return isOnly ? this.#ofOne : this.#ofMany
  }

  clear(): void {
    this.#tenants.clear()
  }
}

function fullShare(of: ShareFull['of'], held: Capacity, growth: Growth, share: Capacity): ShareFull | undefined {
  const unit = unitAbove(held, growth, share)
  return unit === undefined ? undefined : { kind: 'share-full', of, unit, limit: share[unit] }
}

export type NoRoom = ShareFull | Full
