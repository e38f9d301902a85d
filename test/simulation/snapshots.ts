import type { Redis } from 'ioredis'

/** How many are kept, in snapshots: as far as a store may travel back. */
export const snapshotsMax = 14

/** What one session's keys held, again and again: what a failover to a replica that lags takes back. */
export class Snapshots {
  readonly #client: Redis
  readonly #prefix: string
  #taken: ReadonlyMap<string, Buffer>[] = []

  constructor(client: Redis, prefix: string) {
    this.#client = client
    this.#prefix = prefix
  }

  async take(session: string): Promise<void> {
    const names = await this.#keysOf(session)
    // In one step, since commands of the nodes may be under way: a replica has a moment's state and no mixture.
    const reading = this.#client.multi()
    for (const name of names) reading.dumpBuffer(name)
    const dumps = names.length === 0 ? [] : await reading.exec()
    const keys = new Map<string, Buffer>()
    for (const [index, name] of names.entries()) {
      const dump = dumps?.[index]?.[1]
      if (Buffer.isBuffer(dump)) keys.set(name, dump)
    }
    this.#taken = [...this.#taken, keys].slice(-snapshotsMax)
  }

  /** Whether the session is now as it was `back` snapshots before the newest: not where there were none so far back. */
  async rollBack(session: string, back: number): Promise<boolean> {
    const keys = this.#taken.at(-1 - back)
    if (keys === undefined || keys.size === 0) return false
    const names = await this.#keysOf(session)
    // In one step: who asks in between must not hear that there is no such session.
    const writing = this.#client.multi()
    if (names.length > 0) writing.del(...names)
    for (const [name, dump] of keys) writing.restore(name, 0, dump, 'REPLACE')
    const replies = await writing.exec()
    const failed = replies?.find(([error]) => error !== null)
    if (failed !== undefined) throw failed[0]
    this.#taken = this.#taken.slice(0, -back)
    return true
  }

  #keysOf(session: string): Promise<string[]> {
    return this.#client.keys(`${this.#prefix}{${session}}*`)
  }
}
