import { dayOf, monthOf, untilNextDayMs, untilNextMonthMs } from './calendar.ts'
import type { Amounts, LimitName, ScopeLimits, Spending } from './ledger.ts'
import { heldRetryMs } from './limits.ts'
import { MinuteWindow } from './minute-window.ts'

/** What one scope spent, holds and had in the last minute. */
export class MemoryBook {
  readonly #messages = new MinuteWindow()
  readonly #tokens = new MinuteWindow()
  readonly #held = new Map<string, { readonly micros: number; readonly untilMs: number }>()
  #heldMicros = 0
  /** Nothing lapses earlier, so until then nobody is looked at. */
  #nextLapseMs = Number.POSITIVE_INFINITY
  readonly #day = new Period(dayOf)
  readonly #month = new Period(monthOf)

  /**
   * Milliseconds to wait, by limit: 0 when it allows the turn, `Infinity` when it never will. `isAdmitted`: messages and
   * running turns do not matter.
   */
  waits(
    { tokens, micros }: Amounts,
    limits: ScopeLimits,
    nowMs: number,
    isAdmitted: boolean,
  ): Readonly<Record<LimitName, number>> {
    const { runningTurns, heldMicros, dayMicros, monthMicros } = this.spending(nowMs)
    const moneyWait = (spent: number, limit: number, untilNextMs: number) => {
      if (limit === 0 || micros === 0 || spent + heldMicros + micros <= limit) return 0
      if (micros > limit) return Number.POSITIVE_INFINITY
      return spent + micros > limit ? untilNextMs : heldRetryMs
    }
    return {
      messagesPerMinute: isAdmitted ? 0 : this.#messages.waitMs(1, limits.messagesPerMinute, nowMs),
      tokensPerMinute: tokens === 0 ? 0 : this.#tokens.waitMs(tokens, limits.tokensPerMinute, nowMs),
      runningTurns: !isAdmitted && limits.runningTurns > 0 && runningTurns >= limits.runningTurns ? heldRetryMs : 0,
      microsPerDay: moneyWait(dayMicros, limits.microsPerDay, untilNextDayMs(nowMs)),
      microsPerMonth: moneyWait(monthMicros, limits.microsPerMonth, untilNextMonthMs(nowMs)),
    }
  }

  count(messages: number, tokens: number, limits: ScopeLimits, nowMs: number): void {
    if (limits.messagesPerMinute > 0) this.#messages.add(messages, nowMs)
    if (limits.tokensPerMinute > 0) this.#tokens.add(tokens, nowMs)
  }

  correct(reservedMs: number, messages: number, tokens: number): void {
    this.#messages.correct(reservedMs, messages)
    this.#tokens.correct(reservedMs, tokens)
  }

  hold(id: string, micros: number, untilMs: number): void {
    this.release(id)
    this.#held.set(id, { micros, untilMs })
    this.#heldMicros += micros
    this.#nextLapseMs = Math.min(this.#nextLapseMs, untilMs)
  }

  /** False: it held nothing. */
  release(id: string): boolean {
    this.#heldMicros -= this.#held.get(id)?.micros ?? 0
    return this.#held.delete(id)
  }

  /** `atMs`: when it was spent; what was spent in an earlier day or month is not counted any more. */
  spend(micros: number, nowMs: number, atMs = nowMs): void {
    this.#day.add(micros, nowMs, atMs)
    this.#month.add(micros, nowMs, atMs)
  }

  spending(nowMs: number): Spending {
    if (nowMs >= this.#nextLapseMs) this.#bookLapsed(nowMs)
    const dayMicros = this.#day.spent(nowMs)
    const monthMicros = this.#month.spent(nowMs)
    return { dayMicros, monthMicros, heldMicros: this.#heldMicros, runningTurns: this.#held.size }
  }

  /** Nobody told what these turns used, so what they held is booked. */
  #bookLapsed(nowMs: number): void {
    this.#nextLapseMs = Number.POSITIVE_INFINITY
    for (const [id, { micros, untilMs }] of this.#held) {
      if (untilMs <= nowMs) {
        this.release(id)
        this.spend(micros, nowMs, untilMs)
      } else this.#nextLapseMs = Math.min(this.#nextLapseMs, untilMs)
    }
  }
}

/** What was spent in the current day or month. What a clock that stepped back left as the next one's is this one's. */
class Period {
  readonly #periodOf: (nowMs: number) => number
  #period = 0
  #micros = 0

  constructor(periodOf: (nowMs: number) => number) {
    this.#periodOf = periodOf
  }

  spent(nowMs: number): number {
    const period = this.#periodOf(nowMs)
    return this.#period === period || this.#period === period + 1 ? this.#micros : 0
  }

  add(micros: number, nowMs: number, atMs: number): void {
    const isCurrent = this.#periodOf(atMs) >= this.#periodOf(nowMs)
    this.#micros = Math.max(0, this.spent(nowMs) + (isCurrent ? micros : 0))
    this.#period = this.#periodOf(nowMs)
  }
}
