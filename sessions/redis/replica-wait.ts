import type { Redis } from 'ioredis'
import { type Reply, StoreAway } from './redis-link.ts'

export interface Waiting {
  readonly replicas: number
  readonly waitMs: number
}

interface Asked {
  readonly ask: () => Promise<Reply>
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

const none = -1

/**
 * Has replicas have what was written on one connection before it is answered (STORE B7).
 *
 * WAIT holds up its connection, so a WAIT for each write would have everybody queue behind a replica that is away, each
 * for the whole time. Here at most one is under way: what is asked meanwhile is written together when it returns, and
 * the next one is about all of it. So nobody waits longer than for two of them, however many ask.
 *
 * A WAIT that timed out is followed by another at once, be there something to write or not, until enough replicas have
 * what was written, or the connection ends. Until then `isShort` tells that it would be waited for in vain (STORE B8).
 */
export class ReplicaWait {
  readonly #node: Redis
  readonly #waiting: Waiting
  #asked: Asked[] = []
  #isBusy = false
  #isShort = false

  constructor(node: Redis, waiting: Waiting) {
    this.#node = node
    this.#waiting = waiting
  }

  /** `ask` writes on this connection. Rejects when too few replicas have it: nothing is undone. */
  run(ask: () => Promise<Reply>): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ ask, resolve, reject })
      if (!this.#isBusy) void this.#writeAll()
    })
  }

  /** The last WAIT found too few replicas. */
  get isShort(): boolean {
    return this.#isShort
  }

  async #writeAll(): Promise<void> {
    this.#isBusy = true
    do {
      const asked = this.#asked.splice(0)
      const replies = await Promise.allSettled(asked.map(({ ask }) => ask()))
      // In the same step as the last reply, so on the same connection: on another one it would be about nothing.
      const reached = await this.#replicas()
      const haveIt = reached >= this.#waiting.replicas
      this.#isShort = reached !== none && !haveIt
      for (const [index, reply] of replies.entries()) {
        if (reply.status === 'rejected') asked[index]?.reject(reply.reason)
        else if (haveIt) asked[index]?.resolve(reply.value)
        else asked[index]?.reject(new StoreAway('NOREPLICAS'))
      }
    } while (this.#asked.length > 0 || this.#isShort)
    this.#isBusy = false
  }

  /** How many have all that was written on this connection; `none`: it is not known, since the connection ended. */
  async #replicas(): Promise<number> {
    const { replicas, waitMs } = this.#waiting
    return Number(await this.#node.call('WAIT', replicas, waitMs).catch(() => none))
  }
}
