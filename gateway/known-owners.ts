import type { SessionInfo, SessionLog } from '../sessions/session-log.ts'
import { knownOwnersMax } from './bounds.ts'

/** Who owns which session: asked of the store once, since it never changes
 * while the session is there; who makes or erases one says so. Bounded; the least recently used goes. */
export class KnownOwners {
  readonly #log: SessionLog
  readonly #known = new Map<string, SessionInfo>()

  constructor(log: SessionLog) {
    this.#log = log
  }

  /** `undefined`: no such session. Rejects when the store does not answer. */
  async find(session: string): Promise<SessionInfo | undefined> {
    const known = this.#known.get(session)
    if (known !== undefined) {
      this.#remember(session, known)
      return known
    }
    const reply = await this.#log.describe(session)
    if (reply.kind === 'gone') return undefined
    this.#remember(session, reply.info)
    return reply.info
  }

  made(session: string, info: SessionInfo): void {
    this.#remember(session, info)
  }

  forget(session: string): void {
    this.#known.delete(session)
  }

  #remember(session: string, info: SessionInfo): void {
    this.#known.delete(session)
    this.#known.set(session, info)
    if (this.#known.size <= knownOwnersMax) return
    const oldest = this.#known.keys().next()
    if (!oldest.done) this.#known.delete(oldest.value)
  }
}
