/**
 * How much of a store one subject and one tenant may have, so that nobody fills it for the others. The rule is the same in
 * memory and in Redis; what is counted, and when, is the store's.
 *
 * Shares are looked at when something is made, sent, rated or renamed, never for a token: an answer that runs is finished, so
 * a share may be exceeded by one answer (`tapeBytes`) for each of its running turns.
 */

/** A subject's share of the store's bytes and sessions, where the operator sets none. */
export const subjectShare = 1 / 4
/** The most that share comes to, in bytes and in sessions, however large the store is. */
export const subjectBytesMax = 64 * 1024 * 1024
export const subjectSessionsMax = 1_000
/** A tenant's share, where the operator sets none and there is another one. */
export const tenantShare = 1 / 2
/** What of the store the only tenant may fill; the rest is kept for one that comes later, or the store is full for it. */
export const loneTenantShare = 7 / 8

/** What the operator sets; what is absent is a share of the store. */
export interface ShareLimits {
  readonly maxSessionsPerOwner?: number
  readonly maxBytesPerOwner?: number
  readonly maxSessionsPerTenant?: number
  readonly maxBytesPerTenant?: number
}

/** What a store holds at most; `Infinity` where nobody says. */
export interface Capacity {
  readonly sessions: number
  readonly bytes: number
}

/** The most of each, in bytes and sessions. `Infinity`: no limit. */
export interface Shares {
  readonly subject: Capacity
  readonly tenant: Capacity
  /** All sessions together: for the only tenant less than the store holds. */
  readonly store: Capacity
}

export function sharesOf(limits: ShareLimits, store: Capacity, isOnlyTenant: boolean): Shares {
  const subject = {
    sessions: limits.maxSessionsPerOwner ?? Math.min(subjectSessionsMax, Math.ceil(store.sessions * subjectShare)),
    bytes: limits.maxBytesPerOwner ?? Math.min(subjectBytesMax, Math.ceil(store.bytes * subjectShare)),
  }
  /** A subject can use what it was given: what its tenant has is never below it, unless the operator says so. */
  const part = (of: keyof Capacity, share: number) =>
    Math.max(Math.ceil(store[of] * share), Math.min(subject[of], store[of]))
  const given = { sessions: limits.maxSessionsPerTenant, bytes: limits.maxBytesPerTenant }
  const tenantOf = (of: keyof Capacity) =>
    given[of] ?? (isOnlyTenant ? Number.POSITIVE_INFINITY : part(of, tenantShare))
  const storeOf = (of: keyof Capacity) =>
    isOnlyTenant && given[of] === undefined ? part(of, loneTenantShare) : store[of]
  return {
    subject,
    tenant: { sessions: tenantOf('sessions'), bytes: tenantOf('bytes') },
    store: { sessions: storeOf('sessions'), bytes: storeOf('bytes') },
  }
}

/** The unit of which so much more is above a limit; what does not grow is above none. */
export function unitAbove(held: Capacity, growth: Capacity, most: Capacity): keyof Capacity | undefined {
  const units = ['sessions', 'bytes'] as const
  return units.find((unit) => growth[unit] > 0 && held[unit] + growth[unit] > most[unit])
}
