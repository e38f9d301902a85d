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

  /** Milliseconds to wait, by limit: 0 when it allows the turn, `Infinity` when it never will. */
  waits({ tokens, micros }: Amounts, limits: ScopeLimits, nowMs: number): Readonly<Record<LimitName, number>> {
    const { runningTurns, heldMicros, dayMicros, monthMicros } = this.spending(nowMs)
    const moneyWait = (spent: number, limit: number, untilNextMs: number) => {
      if (limit === 0 || micros === 0 || spent + heldMicros + micros <= limit) return 0
      if (micros > limit) return Number.POSITIVE_INFINITY
      return spent + micros > limit ? untilNextMs : heldRetryMs
    }
    return {
      messagesPerMinute: this.#messages.waitMs(1, limits.messagesPerMinute, nowMs),
      tokensPerMinute: this.#tokens.waitMs(tokens, limits.tokensPerMinute, nowMs),
      runningTurns: limits.runningTurns > 0 && runningTurns >= limits.runningTurns ? heldRetryMs : 0,
      microsPerDay: moneyWait(dayMicros, limits.microsPerDay, untilNextDayMs(nowMs)),
      microsPerMonth: moneyWait(monthMicros, limits.microsPerMonth, untilNextMonthMs(nowMs)),
    }
  }

  count(tokens: number, limits: ScopeLimits, nowMs: number): void {
    if (limits.messagesPerMinute > 0) this.#messages.add(1, nowMs)
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

  release(id: string): void {
    this.#heldMicros -= this.#held.get(id)?.micros ?? 0
    this.#held.delete(id)
  }

  spend(micros: number, nowMs: number): void {
    this.#day.add(micros, nowMs)
    this.#month.add(micros, nowMs)
  }

  spending(nowMs: number): Spending {
    if (nowMs >= this.#nextLapseMs) this.#dropLapsed(nowMs)
    const dayMicros = this.#day.spent(nowMs)
    const monthMicros = this.#month.spent(nowMs)
    return { dayMicros, monthMicros, heldMicros: this.#heldMicros, runningTurns: this.#held.size }
  }

  #dropLapsed(nowMs: number): void {
    this.#nextLapseMs = Number.POSITIVE_INFINITY
    for (const [id, { untilMs }] of this.#held) {
      if (untilMs <= nowMs) this.release(id)
      else this.#nextLapseMs = Math.min(this.#nextLapseMs, untilMs)
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

  add(micros: number, nowMs: number): void {
    this.#micros = this.spent(nowMs) + micros
    this.#period = this.#periodOf(nowMs)
  }
}
