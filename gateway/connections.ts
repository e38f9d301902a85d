import { setInterval as every } from 'node:timers'
import { closeCodes } from '../protocol/close-code.ts'
import type { Identity } from './auth/identity.ts'
import { drainGraceMs, drainSpreadMs } from './bounds.ts'
import type { ServedConnection } from './serve-connection.ts'

/** A node's sockets: how many each subject and address has, their common clock, and the way they leave. */
export class Connections {
  readonly #limits: ConnectionLimits
  readonly #open = new Map<ServedConnection, string>()
  readonly #bySubject = new Counts()
  readonly #byAddress = new Counts()
  readonly #named = new Map<ServedConnection, string>()
  #timer: NodeJS.Timeout | undefined
  #whenEmpty: () => void = () => undefined

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#open.size
  }

  /**
   * Begins to tick: deadlines, heartbeats, expiries and removed keys are seen by one timer for all sockets, at most this
   * late. `checkKeys` is called with each tick while anybody is served under a token.
   */
  start(checkKeys: () => void): void {
    const tickMs = Math.max(10, Math.min(1_000, this.#limits.helloDeadlineMs / 5, this.#limits.heartbeatMs / 5))
    this.#timer = every(() => {
      if (this.#named.size > 0) checkKeys()
      for (const connection of this.#open.keys()) connection.tick()
    }, tickMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  hasPlaceFor(address: string): boolean {
    return this.#byAddress.of(address) < this.#limits.socketsPerAddress
  }

  opened(connection: ServedConnection, address: string): void {
    this.#open.set(connection, address)
    this.#byAddress.add(address)
  }

  hasPlace(identity: Identity): boolean {
    return this.#bySubject.of(nameOf(identity)) < this.#limits.socketsPerSubject
  }

  welcomed(connection: ServedConnection, identity: Identity): void {
    const name = nameOf(identity)
    this.#named.set(connection, name)
    this.#bySubject.add(name)
  }

  closed(connection: ServedConnection): void {
    const address = this.#open.get(connection)
    if (address === undefined) return
    this.#open.delete(connection)
    if (this.#open.size === 0) this.#whenEmpty()
    this.#byAddress.remove(address)
    const name = this.#named.get(connection)
    if (name === undefined) return
    this.#named.delete(connection)
    this.#bySubject.remove(name)
  }

  /**
   * Asks each socket to connect elsewhere, each after another delay, so that they do not arrive together. Resolves when
   * all have gone, or when the last one's delay is over by a grace, or at the deadline.
   */
  async leave(deadlineMs: number): Promise<void> {
    const spreadMs = Math.min(drainSpreadMs, deadlineMs / 2)
    let n = 0
    for (const connection of this.#open.keys()) {
      const reconnectAfterMs = Math.floor((spreadMs * n++) / this.#open.size)
      connection.leave(reconnectAfterMs, deadlineMs)
    }
    if (this.#open.size === 0) return
    const waitMs = Math.min(deadlineMs, spreadMs + drainGraceMs)
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      this.#whenEmpty = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  endAll(): void {
    for (const connection of [...this.#open.keys()]) connection.end(closeCodes.goingAway, 'this node is leaving')
  }
}

export interface ConnectionLimits {
  readonly socketsPerSubject: number
  /** Infinity: unlimited. */
  readonly socketsPerAddress: number
  readonly helloDeadlineMs: number
  readonly heartbeatMs: number
}

/** Counts by name; a name whose count is 0 is not kept. */
class Counts {
  readonly #counts = new Map<string, number>()

  of(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  add(name: string): void {
    this.#counts.set(name, this.of(name) + 1)
  }

  remove(name: string): void {
    const left = this.of(name) - 1
    if (left > 0) this.#counts.set(name, left)
    else this.#counts.delete(name)
  }
}

function nameOf({ tenant, subject }: Identity): string {
  return JSON.stringify([tenant, subject])
}
