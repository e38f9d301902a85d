import { setInterval as every } from 'node:timers'
import { closeCodes } from '../protocol/close-code.ts'
import type { Identity } from './auth/identity.ts'
import { drainGraceMs, drainSpreadMs, misbehavedSocketCost, strangerSocketCost } from './bounds.ts'
import { isCountedAddress, networkOf } from './client-address.ts'
import { Counts } from './counts.ts'
import type { ServedConnection } from './serve-connection.ts'
import type { Strangers } from './strangers.ts'
import type { Guest } from './transport/transport.ts'

/** A node's sockets: how many each subject and address has, their common clock, and the way they leave. */
export class Connections {
  readonly #limits: ConnectionLimits
  readonly #strangers: Strangers
  readonly #open = new Map<ServedConnection, Client>()
  readonly #bySubject = new Counts()
  readonly #byAddress = new Counts()
  readonly #named = new Map<ServedConnection, string>()
  #timer: NodeJS.Timeout | undefined
  #whenEmpty: () => void = () => undefined

  constructor(limits: ConnectionLimits, strangers: Strangers) {
    this.#limits = limits
    this.#strangers = strangers
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
    return !isCountedAddress(address) || this.#byAddress.of(networkOf(address)) < this.#limits.socketsPerAddress
  }

  opened(connection: ServedConnection, client: Client): void {
    this.#open.set(connection, client)
    this.#byAddress.add(networkOf(client.address))
  }

  hasPlace(identity: Identity): boolean {
    return this.#bySubject.of(nameOf(identity)) < this.#limits.socketsPerSubject
  }

  welcomed(connection: ServedConnection, identity: Identity): void {
    const name = nameOf(identity)
    this.#named.set(connection, name)
    this.#bySubject.add(name)
    this.#open.get(connection)?.guest?.earned()
  }

  /** `hasMisbehaved`: it was closed for what it sent, which counts against its address. */
  closed(connection: ServedConnection, hasMisbehaved: boolean): void {
    const client = this.#open.get(connection)
    if (client === undefined) return
    this.#open.delete(connection)
    if (this.#open.size === 0) this.#whenEmpty()
    this.#byAddress.remove(networkOf(client.address))
    client.guest?.closed()
    if (hasMisbehaved) this.#strangers.worked(client.address, misbehavedSocketCost)
    const name = this.#named.get(connection)
    if (name === undefined) return this.#strangers.worked(client.address, strangerSocketCost)
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

/** Who is at the other end of a socket. */
export interface Client {
  readonly address: string
  /** Its place until its `welcome`; absent when none was left, and the socket is about to be closed. */
  readonly guest: Guest | undefined
}

export interface ConnectionLimits {
  readonly socketsPerSubject: number
  /** Infinity: unlimited. */
  readonly socketsPerAddress: number
  readonly helloDeadlineMs: number
  readonly heartbeatMs: number
}

function nameOf({ tenant, subject }: Identity): string {
  return JSON.stringify([tenant, subject])
}
