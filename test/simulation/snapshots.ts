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
    const dumps = await Promise.all(names.map((name) => this.#client.dumpBuffer(name)))
    const keys = new Map<string, Buffer>()
    for (const [index, name] of names.entries()) {
      const dump = dumps[index]
      if (dump != null) keys.set(name, dump)
    }
    this.#taken = [...this.#taken, keys].slice(-snapshotsMax)
  }

  /** Whether the session is now as it was `back` snapshots before the newest: not where there were none so far back. */
  async rollBack(session: string, back: number): Promise<boolean> {
    const keys = this.#taken.at(-1 - back)
    if (keys === undefined || keys.size === 0) return false
    const names = await this.#keysOf(session)
    if (names.length > 0) await this.#client.del(...names)
    for (const [name, dump] of keys) await this.#client.restore(name, 0, dump, 'REPLACE')
    this.#taken = this.#taken.slice(0, -back)
    return true
  }

  #keysOf(session: string): Promise<string[]> {
    return this.#client.keys(`${this.#prefix}{${session}}*`)
  }
}
