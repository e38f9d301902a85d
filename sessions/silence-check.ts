import type { After } from './feed.ts'
import { checkAgainMinMs, checkIdleMaxMs, checkIdleMinMs, checkRunningMs } from './feed-limits.ts'

/**
 * When a feed should look at the store although nothing made it: what is published may be lost, and after the last
 * message none comes that would tell. Silence is suspicious soon while a turn runs, and late when nothing does. A look
 * that finds what no message told of halves the time to the next one; one that finds nothing doubles it (STORE B4).
 *
 * Costs one timer a feed and, for each message, one assignment.
 */
export class SilenceCheck {
  /** Set by whatever is heard. */
  wasHeard = false
  readonly #after: After
  readonly #look: () => void
  #isRunning = false
  #everyMs = 0
  #cancel: (() => void) | undefined

  constructor(after: After, look: () => void) {
    this.#after = after
    this.#look = look
  }

  /** The feed is live, with or without a running turn. */
  watch(isRunning: boolean): void {
    if (this.#everyMs === 0 || this.#isRunning !== isRunning) {
      this.#isRunning = isRunning
      this.#everyMs = this.#mostMs()
      this.stop()
    }
    if (this.#cancel === undefined) this.#arm()
  }

  looked(foundNews: boolean): void {
    this.#everyMs = foundNews
      ? Math.max(checkAgainMinMs, this.#everyMs / 2)
      : Math.min(this.#mostMs(), this.#everyMs * 2)
    this.#arm()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** Spread, so that many feeds of many nodes do not look at once. */
  #mostMs(): number {
    return this.#isRunning ? checkRunningMs : checkIdleMinMs + Math.random() * (checkIdleMaxMs - checkIdleMinMs)
  }

  #arm(): void {
    this.stop()
    this.wasHeard = false
    this.#cancel = this.#after(this.#everyMs, () => {
      this.#cancel = undefined
      if (this.wasHeard) this.#arm()
      else this.#look()
    })
  }
}
