import type { Fence, LogListener, Subscription } from './session-log.ts'

/** A class, not an object with functions: each watched session has one for as long as it is watched. */
class Member implements Subscription {
  readonly listener: LogListener
  readonly #watch: Watch
  isConfirmed = false
  hearsDeltas = true

  constructor(listener: LogListener, watch: Watch) {
    this.listener = listener
    this.#watch = watch
  }

  hearDeltas(wanted: boolean): void {
    this.#watch.hear(this, wanted)
  }

  close(): void {
    this.#watch.remove(this)
  }
}

/**
 * Who listens to one session of a store in this process, told synchronously and in the order of the log.
 *
 * A listener may call the store from within a callback. What that publishes waits until everybody has heard the event
 * at hand, since otherwise the members after it would hear the two in the wrong order.
 */
export class Watch {
  #members: readonly Member[] = []
  #hearersCount = 0
  #isTelling = false
  readonly #waiting: ((listener: LogListener) => void)[] = []
  readonly #emptied: () => void

  constructor(emptied: () => void) {
    this.#emptied = emptied
  }

  get hearsDeltas(): boolean {
    return this.#hearersCount > 0
  }

  /** Confirmed in a microtask, so that the caller has its subscription by then; hears nothing before. */
  add(listener: LogListener): Subscription {
    const member = new Member(listener, this)
    this.#members = [...this.#members, member]
    this.#hearersCount += 1
    queueMicrotask(() => this.#confirm(member))
    return member
  }

  tell(event: (listener: LogListener) => void): void {
    this.#waiting.push(event)
    if (!this.#isTelling) this.#tellWaiting()
  }

  /** The token path: nothing is allocated unless an event is being told already. */
  tellDelta(fence: Fence, part: number, at: number, end: number, text: Buffer): void {
    if (this.#isTelling) {
      this.#waiting.push((listener) => this.#isHearer(listener) && listener.delta(fence, part, at, end, text))
      return
    }
    this.#isTelling = true
    try {
      for (const member of this.#members) {
        if (member.isConfirmed && member.hearsDeltas) member.listener.delta(fence, part, at, end, text)
      }
    } finally {
      this.#isTelling = false
    }
    if (this.#waiting.length > 0) this.#tellWaiting()
  }

  #tellWaiting(): void {
    this.#isTelling = true
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#toAll(next)
    } finally {
      this.#isTelling = false
    }
  }

  #toAll(event: (listener: LogListener) => void): void {
    for (const member of this.#members) if (member.isConfirmed) event(member.listener)
  }

  #isHearer(listener: LogListener): boolean {
    return this.#members.some((member) => member.listener === listener && member.hearsDeltas)
  }

  #confirm(member: Member): void {
    if (!this.#members.includes(member)) return
    member.isConfirmed = true
    member.listener.confirmed()
  }

  hear(member: Member, wanted: boolean): void {
    if (!this.#members.includes(member) || member.hearsDeltas === wanted) return
    member.hearsDeltas = wanted
    this.#hearersCount += wanted ? 1 : -1
  }

  remove(member: Member): void {
    if (!this.#members.includes(member)) return
    this.hear(member, false)
    member.isConfirmed = false
    this.#members = this.#members.filter((other) => other !== member)
    if (this.#members.length === 0) this.#emptied()
  }
}
