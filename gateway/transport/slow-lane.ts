/**
 * Where connections wait that come from an address above its rate: they are read a few at a time, in the order in which
 * they came, so that a burst of them holds nobody else up. Above `slowLaneMax` a further one is closed unread, but not at
 * once: a client that is refused at once dials again at once, and that costs the node more than the open connection.
 */
import { slowLaneBatch, slowLaneFullMs, slowLaneIntervalMs, slowLaneMax } from './http-limits.ts'

export class SlowLane {
  #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined

  /** Calls `serve` in its turn, or `close` later when the lane is full. */
  enter(serve: () => void, close: () => void): void {
    if (this.#waiting.length >= slowLaneMax) {
      setTimeout(close, slowLaneFullMs).unref()
      return
    }
    this.#waiting.push(serve)
    this.#timer ??= setInterval(() => this.#serveSome(), slowLaneIntervalMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#waiting = []
  }

  #serveSome(): void {
    for (const serve of this.#waiting.splice(0, slowLaneBatch)) serve()
    if (this.#waiting.length === 0) this.stop()
  }
}
