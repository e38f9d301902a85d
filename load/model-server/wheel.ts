// Hundreds of streams, each due every few milliseconds. A timer for each token would cost a list operation in Node's timer
// heap and often a wake-up of its own. A wheel has one timer: alarms lie in slots of one millisecond, and the timer is set
// for the next slot that holds any, so streams that are due together are served together.
//
// An alarm never rings early. It may ring late, when the process is busy; a stream then catches up by the clock.
import { performance } from 'node:perf_hooks'

const SLOT_COUNT = 1024

/** Something that rings once, unless it is cancelled. */
export interface Alarm {
  readonly tick: number
  ring: (() => void) | undefined
}

export class Wheel {
  readonly #slots: Alarm[][] = Array.from({ length: SLOT_COUNT }, () => [])
  #alarmCount = 0
  #doneTick = Math.floor(performance.now())
  #timer: NodeJS.Timeout | undefined
  #timerTick = Number.POSITIVE_INFINITY

  /** Milliseconds on this wheel's clock, with a fraction. */
  nowMs(): number {
    return performance.now()
  }

  /** Rings at `dueMs` on this wheel's clock; in the next slot when that is past. */
  at(dueMs: number, ring: () => void): Alarm {
    if (this.#alarmCount === 0) this.#doneTick = Math.floor(this.nowMs())
    const alarm: Alarm = { tick: Math.max(Math.ceil(dueMs), this.#doneTick + 1), ring }
    this.#slots[alarm.tick % SLOT_COUNT]?.push(alarm)
    this.#alarmCount++
    if (alarm.tick < this.#timerTick) this.#setTimer(alarm.tick)
    return alarm
  }

  /** Forgets every alarm. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timerTick = Number.POSITIVE_INFINITY
    this.#alarmCount = 0
    for (const slot of this.#slots) slot.length = 0
  }

  #setTimer(tick: number): void {
    clearTimeout(this.#timer)
    this.#timerTick = tick
    this.#timer = setTimeout(() => this.#turn(), Math.max(1, tick - this.nowMs()))
  }

  #turn(): void {
    this.#timerTick = Number.POSITIVE_INFINITY
    const target = Math.floor(this.nowMs())
    const due = this.#takeDue(target)
    // Before anything rings: what rings sets new alarms, and those belong behind the target.
    this.#doneTick = target
    for (const alarm of due) alarm.ring?.()
    this.#setTimerForNext()
  }

  #takeDue(target: number): readonly Alarm[] {
    const due: Alarm[] = []
    const first = Math.max(this.#doneTick + 1, target - SLOT_COUNT + 1)
    for (let tick = first; tick <= target; tick++) {
      const slot = this.#slots[tick % SLOT_COUNT]
      if (slot === undefined || slot.length === 0) continue
      const later = slot.filter((alarm) => alarm.tick > target)
      for (const alarm of slot) if (alarm.tick <= target) due.push(alarm)
      this.#slots[tick % SLOT_COUNT] = later
    }
    this.#alarmCount -= due.length
    return due
  }

  /** The next slot in use may belong to a later revolution; waking for it once a revolution is cheaper than searching. */
  #setTimerForNext(): void {
    if (this.#alarmCount === 0) return
    for (let tick = this.#doneTick + 1; tick <= this.#doneTick + SLOT_COUNT; tick++) {
      if (this.#slots[tick % SLOT_COUNT]?.length) {
        if (tick < this.#timerTick) this.#setTimer(tick)
        return
      }
    }
  }
}
