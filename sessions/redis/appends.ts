import { joinedAppendsMax, joinedTextMax } from './limits.ts'
import type { Reply } from './redis-link.ts'
import { count } from './replies.ts'

/** One append as `lua/append-joined.lua` takes it. Texts: with a Buffer among them the driver copies each argument by itself. */
export interface Append {
  readonly meta: string
  readonly tape: string
  /** `token turn attempt part at maxBytes` */
  readonly head: string
  readonly text: string
}

interface Asked {
  readonly append: Append
  readonly resolve: (length: number) => void
  readonly reject: (error: unknown) => void
}

/**
 * Appends that leave together. A command costs the driver and Redis more than what an append does, and each tape has one
 * append under way at most; so those of one turn of the event loop are one script, and what comes while a script is under
 * way is in the next. There is no timer: an append on its own leaves in the turn in which it was asked.
 *
 * Only what one Redis node may be asked in one script is joined: everything, or in a cluster what is of one slot.
 */
export class Appends {
  readonly #run: (keys: readonly string[], args: readonly string[]) => Promise<Reply>
  /** What waits, by place; a place is here for as long as something waits or is under way. */
  readonly #lines = new Map<string | number, Asked[]>()

  constructor(run: (keys: readonly string[], args: readonly string[]) => Promise<Reply>) {
    this.#run = run
  }

  /** The tape's length, or -1 for what must be asked alone. `place` tells what may be joined: see `RedisLink.placeOf`. */
  append(place: string | number, append: Append): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const line = this.#lines.get(place) ?? this.#open(place)
    line.push({ append, resolve, reject })
    return promise
  }

  #open(place: string | number): Asked[] {
    const line: Asked[] = []
    this.#lines.set(place, line)
    setImmediate(() => void this.#empty(place, line))
    return line
  }

  /** Ends when nothing waits. */
  async #empty(place: string | number, line: Asked[]): Promise<void> {
    while (line.length > 0) await this.#send(line.splice(0, fitting(line)))
    this.#lines.delete(place)
  }

  async #send(asked: readonly Asked[]): Promise<void> {
    const keys: string[] = []
    const args: string[] = []
    for (const { append } of asked) {
      keys.push(append.meta, append.tape)
      args.push(append.head, append.text)
    }
    try {
      const lengths = await this.#run(keys, args)
      for (const [n, { resolve }] of asked.entries()) resolve(count(lengths[n]))
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }
}

/** How many of those that wait may be in one script; at least one. */
function fitting(waiting: readonly Asked[]): number {
  let length = 0
  const beyond = waiting.findIndex(({ append }, n) => {
    length += append.text.length
    return n > 0 && (n >= joinedAppendsMax || length > joinedTextMax)
  })
  return beyond < 0 ? waiting.length : beyond
}
