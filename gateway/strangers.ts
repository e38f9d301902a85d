import { strangerNamesMax, strangerReportMs, strangersMax, strangerWorkSeconds } from './bounds.ts'
import { Buckets } from './buckets.ts'
import { isCountedAddress, networkOf } from './client-address.ts'
import { Counts } from './counts.ts'
import type { Guest } from './transport/transport.ts'

/**
 * What a node gives to clients that have shown no good token.
 *
 * - Places: a connection without a request, a request before its token was verified and a socket before its `welcome` take
 *   one each. A good token gives the place back; a connection takes one again once its request is answered.
 * - Work: each request that needs no token or was refused for its token, and each connection that ends without a good one.
 *
 * Both are bounded for each client address, IPv6 by its /64, and places also for the whole node. 127.0.0.1 and ::1 have no
 * bound of their own: behind a proxy on this machine that is not configured as one, every client has that address.
 */
export class Strangers {
  readonly #limits: StrangerLimits
  readonly #work: Buckets
  readonly #places = new Counts()
  #count = 0
  #lastReportMs = Number.NEGATIVE_INFINITY

  constructor(limits: StrangerLimits) {
    this.#limits = limits
    const { workPerSecond } = limits
    this.#work = new Buckets({
      capacity: workPerSecond * strangerWorkSeconds,
      perSecond: workPerSecond,
      maxCount: strangerNamesMax,
    })
  }

  /** Places that are taken on this node. */
  get count(): number {
    return this.#count
  }

  /** `undefined`: no place is left. `wastedCost`: what it counts as when it ends without a good token. */
  take(address: string, wastedCost = 0): Guest | undefined {
    const name = networkOf(address)
    if (!this.#hasPlace(name)) {
      this.#report(name, 'connections')
      return undefined
    }
    return new Place(
      () => this.#add(name),
      () => this.#remove(name),
      () => this.worked(address, wastedCost),
    )
  }

  hasPlace(address: string): boolean {
    return this.#hasPlace(networkOf(address))
  }

  /** Milliseconds until this address may ask for something again; 0: now. */
  waitMs(address: string): number {
    if (!isCountedAddress(address)) return 0
    const waitMs = this.#work.waitMs(networkOf(address), this.#limits.nowMs())
    if (waitMs > 0) this.#report(networkOf(address), 'requests')
    return waitMs
  }

  /** `cost`: in requests for a small file. */
  worked(address: string, cost = 1): void {
    if (cost === 0 || !isCountedAddress(address)) return
    const { costFactor, nowMs } = this.#limits
    this.#work.take(networkOf(address), cost * costFactor(), nowMs())
  }

  #hasPlace(name: string): boolean {
    if (this.#count >= strangersMax) return false
    return !isCountedAddress(name) || this.#places.of(name) < this.#limits.placesPerAddress
  }

  #add(name: string): void {
    this.#count += 1
    this.#places.add(name)
  }

  #remove(name: string): void {
    this.#count -= 1
    this.#places.remove(name)
  }

  #report(address: string, what: 'connections' | 'requests'): void {
    const nowMs = this.#limits.nowMs()
    if (nowMs - this.#lastReportMs < strangerReportMs) return
    this.#lastReportMs = nowMs
    this.#limits.report({ address, what, taken: this.#count })
  }
}

export interface StrangerLimits {
  /** Infinity: unlimited, as for the next one. */
  readonly placesPerAddress: number
  readonly workPerSecond: number
  nowMs(): number
  /** How many times work counts. */
  costFactor(): number
  /** An address was refused something; told at most once in `strangerReportMs`. */
  report(refused: { readonly address: string; readonly what: 'connections' | 'requests'; readonly taken: number }): void
}

class Place implements Guest {
  readonly #add: () => void
  readonly #remove: () => void
  readonly #wasted: () => void
  #hasEarned = false
  #state: 'counted' | 'earned' | 'closed' = 'counted'

  constructor(add: () => void, remove: () => void, wasted: () => void) {
    this.#add = add
    this.#remove = remove
    this.#wasted = wasted
    add()
  }

  earned(): void {
    if (this.#state !== 'counted') return
    this.#state = 'earned'
    this.#hasEarned = true
    this.#remove()
  }

  idle(): void {
    if (this.#state !== 'earned') return
    this.#state = 'counted'
    this.#add()
  }

  closed(): void {
    if (this.#state === 'closed') return
    if (this.#state === 'counted') this.#remove()
    if (!this.#hasEarned) this.#wasted()
    this.#state = 'closed'
  }
}
