import type { Gone } from '../session-log.ts'
import { leaveRunning } from './hints.ts'
import { eraseTries, erasuresMax } from './limits.ts'
import { leaveOwned } from './owned.ts'
import { kindOf, type RedisStore } from './redis-store.ts'
import { count, text } from './replies.ts'

interface Erasure {
  readonly session: string
  /** Which of the sessions that had this id in the course of time. */
  readonly birth: string
  readonly triesLeft: number
}

const gone: Gone = { kind: 'gone' }
const done = { kind: 'ok' } as const

/**
 * A failover to a replica that lags brings a session back whose erasure was acknowledged. So whoever erased it does so
 * again after a grace period, by which a failover is over (STORE B10).
 *
 * Another session may have been made meanwhile under the same id, which is derived from its key (docs/decisions/0003).
 * It is of another birth, and stays. What is due is known to this process alone: when it ends before, a failover in
 * just that time has the session stay until it is deleted again or expires.
 */
export class Erasures {
  readonly #store: RedisStore
  readonly #againMs: number
  /** In the order in which they were made, which is that in which they are due. */
  readonly #due = new Map<Erasure, NodeJS.Timeout>()
  #isClosed = false

  /** `againMs`: the grace period in milliseconds; 0: nothing is erased again. */
  constructor(store: RedisStore, againMs: number) {
    this.#store = store
    this.#againMs = againMs
  }

  async erase(session: string): Promise<typeof done | Gone> {
    const birth = await eraseSession(this.#store, session)
    if (birth === undefined) return gone
    // One of an earlier version has none, and would not be told from the next one.
    if (birth !== '') this.#keep({ session, birth, triesLeft: eraseTries })
    return done
  }

  close(): void {
    this.#isClosed = true
    for (const timer of this.#due.values()) clearTimeout(timer)
    this.#due.clear()
  }

  #keep(erasure: Erasure): void {
    if (this.#isClosed || this.#againMs === 0) return
    const [oldest] = this.#due.size < erasuresMax ? [] : this.#due.keys()
    if (oldest !== undefined) void this.#again(oldest, 0)
    this.#due.set(erasure, setTimeout(() => void this.#again(erasure, erasure.triesLeft - 1), this.#againMs).unref())
  }

  async #again(erasure: Erasure, triesLeft: number): Promise<void> {
    clearTimeout(this.#due.get(erasure))
    this.#due.delete(erasure)
    try {
      await eraseSession(this.#store, erasure.session, erasure.birth)
    } catch {
      // The store is away: what comes back may be from before the erasure.
      if (triesLeft > 0) this.#keep({ ...erasure, triesLeft })
    }
  }
}

/** Erases the session of this birth, or of any; answers which it was, and `undefined` when it is not there. */
async function eraseSession(store: RedisStore, session: string, birth = ''): Promise<string | undefined> {
  let run = { turn: '', attempt: 0, parts: 0 }
  const reply = await store.runAgain(
    [],
    (tapes) => store.runDurably('erase', store.of(session, ...tapes), run.turn, run.attempt, run.parts, birth),
    (answer) => {
      if (kindOf(answer) !== 'again') return undefined
      run = { turn: text(answer[1]), attempt: count(answer[2]), parts: count(answer[3]) }
      return store.keys.tapes(session, run.turn, run.attempt, run.parts)
    },
  )
  if (run.turn !== '') leaveRunning(store, session, run.turn)
  if (kindOf(reply) === 'gone') return undefined
  // Before it is answered: who deletes to make room has it then.
  await leaveOwned(store, text(reply[1]), session)
  return text(reply[2])
}
