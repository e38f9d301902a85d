const slotMs = 1_000
const windowSlots = 60

/**
 * What came in the last minute, by the second. A second counts until 60 seconds after its end, so that no minute, wherever
 * it begins, has more than it may; for that, room comes back up to a second late. At most 61 numbers, however much comes.
 *
 * (A bucket that refills would let twice the limit through within a minute: a full bucket and what flows in meanwhile.)
 */
export class MinuteWindow {
  #slots: { readonly at: number; amount: number }[] = []

  add(amount: number, nowMs: number): void {
    const at = Math.floor(nowMs / slotMs)
    const last = this.#slots.at(-1)
    // Not earlier, where the clock stepped back.
    if (last !== undefined && last.at >= at) last.amount += amount
    else this.#slots.push({ at, amount })
  }

  /** What was added at that time turns out to be another amount. Nothing, when its second is over. */
  correct(addedMs: number, by: number): void {
    const at = Math.floor(addedMs / slotMs)
    const slot = this.#slots.find((one) => one.at === at)
    if (slot !== undefined) slot.amount = Math.max(0, slot.amount + by)
  }

  /** Milliseconds until so much more fits: 0 when it does, `Infinity` when it never will. `limit` 0: no limit. */
  waitMs(amount: number, limit: number, nowMs: number): number {
    if (limit === 0) return 0
    this.#drop(nowMs)
    let excess = this.#slots.reduce((sum, slot) => sum + slot.amount, amount) - limit
    if (excess <= 0) return 0
    for (const slot of this.#slots) {
      excess -= slot.amount
      if (excess <= 0) return (slot.at + windowSlots + 1) * slotMs - nowMs
    }
    return Number.POSITIVE_INFINITY
  }

  /** A clock that stepped back by more than what is counted forgets it, instead of counting it for as long. */
  #drop(nowMs: number): void {
    const now = Math.floor(nowMs / slotMs)
    const isAhead = (this.#slots[0]?.at ?? now) > now
    this.#slots = isAhead ? [] : this.#slots.filter(({ at }) => at >= now - windowSlots)
  }
}
