import type { TenantTotals } from './memory-shares.ts'
import type { Owner } from './session-log.ts'

export interface Shelved {
  /** Rises with every use of any session of the store, so no two are equal. */
  usedOrder: number
  /** Its place on the shelf. */
  slot: number
}

/** Empty slots that a shelf may have before it is worth closing them, beyond one for each session. */
const spareSlots = 8

/**
 * The sessions of one owner in the order of their last use.
 *
 * A use moves a session to the end and leaves its old slot empty; when half are empty, the gaps are closed. So a use
 * costs the same however many there are, a page is found by bisection, and nothing is sorted.
 */
export class OwnerShelf<Session extends Shelved> {
  readonly owner: Owner
  readonly tenant: TenantTotals
  /** Estimated bytes of all its sessions. */
  bytes = 0
  #slots: (Session | undefined)[] = []
  #count = 0

  constructor(owner: Owner, tenant: TenantTotals) {
    this.owner = owner
    this.tenant = tenant
  }

  get count(): number {
    return this.#count
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** `session.usedOrder` must be above all others' here. */
  put(session: Session): void {
    // Most owners of a large store have one session: an array that was pushed to keeps room for sixteen more.
    if (this.#count === 0) this.#slots = [session]
    else this.#slots.push(session)
    session.slot = this.#slots.length - 1
    this.#count += 1
  }

  take(session: Session): void {
    this.#slots[session.slot] = undefined
    this.#count -= 1
    if (this.#slots.length > 2 * this.#count + spareSlots) this.#closeGaps()
  }

  /** Those used before `usedOrder`, the latest first. */
  *usedBefore(usedOrder: number): Generator<Session> {
    const slots = this.#slots
    for (let slot = this.#slotBefore(usedOrder); slot >= 0; slot -= 1) {
      const session = slots[slot]
      if (session !== undefined) yield session
    }
  }

  /** The last slot whose session was used before; an empty slot counts as the session before it. */
  #slotBefore(usedOrder: number): number {
    let low = 0
    let high = this.#slots.length
    while (low < high) {
      const middle = (low + high) >>> 1
      let filled = middle
      while (filled > low && this.#slots[filled] === undefined) filled -= 1
      const session = this.#slots[filled]
      if (session === undefined || session.usedOrder < usedOrder) low = middle + 1
      else high = filled
    }
    return low - 1
  }

  #closeGaps(): void {
    this.#slots = this.#slots.filter((session) => session !== undefined)
    this.#slots.forEach((session, slot) => {
      if (session !== undefined) session.slot = slot
    })
  }
}
