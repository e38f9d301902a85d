/**
 * Lets an answer through in windows, each when it was checked.
 *
 * One window is checked at a time, and what comes meanwhile is the next one: so a slow endpoint gets fewer and longer
 * windows. A window begins its check when it is long enough, when its first piece has waited long enough, or at the end
 * of the answer, so text is held for at most that time, the check under way and its own. What waits is bounded by pausing
 * the provider.
 */
import type { Clock } from '../ports.ts'
import { moderationHeldUnits, moderationOverlapUnits, moderationWindowMs, moderationWindowUnits } from './limits.ts'
import type { Moderator, Verdict } from './moderate.ts'

export interface ModeratedSink {
  /** Checked text, in order. */
  text(piece: string): void
  /** The answer must not go on; nothing comes after it. */
  stopped(verdict: Exclude<Verdict, { kind: 'fine' }>): void
  /** All of the answer was let through; after `end`. */
  ended(): void
  /** What the sink itself threw: a bug. Nothing comes after it. */
  broke(error: unknown): void
  /** Too much waits for its check … */
  pause(): void
  /** … and no more. */
  resume(): void
}

export interface ModeratedAnswer {
  push(piece: string): void
  end(): void
  /** Forgets what waits and ends the check under way; the sink hears nothing more. Idempotent. */
  close(): void
}

export function moderateAnswer(
  moderator: Moderator,
  clock: Pick<Clock, 'after'>,
  sink: ModeratedSink,
): ModeratedAnswer {
  return new Windows(moderator, clock, sink)
}

class Windows implements ModeratedAnswer {
  readonly #moderator: Moderator
  readonly #clock: Pick<Clock, 'after'>
  readonly #sink: ModeratedSink
  readonly #abort = new AbortController()
  #waiting = ''
  /** What was checked last, for the next window's beginning. */
  #before = ''
  #isChecking = false
  #isPaused = false
  #hasEnded = false
  #isOver = false
  #forgetTimer: (() => void) | undefined

  constructor(moderator: Moderator, clock: Pick<Clock, 'after'>, sink: ModeratedSink) {
    this.#moderator = moderator
    this.#clock = clock
    this.#sink = sink
  }

  push(piece: string): void {
    if (this.#isOver || piece === '') return
    this.#waiting += piece
    if (this.#waiting.length >= moderationHeldUnits && !this.#isPaused) {
      this.#isPaused = true
      this.#sink.pause()
    }
    if (this.#isChecking) return
    if (this.#waiting.length >= moderationWindowUnits) this.#check()
    else this.#forgetTimer ??= this.#clock.after(moderationWindowMs, () => this.#check())
  }

  end(): void {
    if (this.#isOver || this.#hasEnded) return
    this.#hasEnded = true
    if (!this.#isChecking) this.#check()
  }

  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#waiting = ''
    this.#stopTimer()
    this.#abort.abort()
  }

  #check(): void {
    this.#stopTimer()
    if (this.#isOver || this.#isChecking) return
    if (this.#waiting === '') return this.#finish()
    const window = this.#waiting
    this.#waiting = ''
    this.#isChecking = true
    this.#moderator
      .check(this.#before + window, this.#abort.signal)
      .then((verdict) => this.#checked(window, verdict))
      .catch((error: unknown) => {
        this.close()
        this.#sink.broke(error)
      })
  }

  #checked(window: string, verdict: Verdict): void {
    this.#isChecking = false
    if (this.#isOver) return
    if (verdict.kind !== 'fine') {
      this.close()
      return this.#sink.stopped(verdict)
    }
    this.#before = (this.#before + window).slice(-moderationOverlapUnits)
    this.#sink.text(window)
    if (this.#isOver) return
    if (this.#isPaused) {
      this.#isPaused = false
      this.#sink.resume()
    }
    // It has waited for a whole check by now.
    if (this.#waiting !== '' || this.#hasEnded) this.#check()
  }

  #finish(): void {
    if (!this.#hasEnded) return
    this.#isOver = true
    this.#sink.ended()
  }

  #stopTimer(): void {
    this.#forgetTimer?.()
    this.#forgetTimer = undefined
  }
}
