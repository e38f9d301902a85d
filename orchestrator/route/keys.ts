import type { ApiKey } from '../policy.ts'

interface Cooling {
  readonly untilMs: number
  /** Waiting for it helps nothing. */
  readonly isRefused: boolean
  /** A key whose file was rotated meanwhile is another key. */
  readonly value: string
}

/** Picks a key of a target, each in its turn, but for those that were refused a while ago. */
export class Keys {
  #keys: readonly ApiKey[]
  readonly #cooling = new Map<number, Cooling>()
  #next = 0

  constructor(keys: readonly ApiKey[]) {
    this.#keys = keys
  }

  /** Others in their place; one that has the same value goes on to cool down. */
  replace(keys: readonly ApiKey[]): void {
    this.#keys = keys
  }

  /** The index of a key to use now; undefined when all of them cool down. */
  pick(nowMs: number): number | undefined {
    for (let tries = 0; tries < this.#keys.length; tries++) {
      const index = (this.#next + tries) % this.#keys.length
      if (this.#coolForMs(index, nowMs) > 0) continue
      this.#next = index + 1
      return index
    }
    return undefined
  }

  reveal(index: number): string {
    return this.#keys[index]?.reveal() ?? ''
  }

  cool(index: number, untilMs: number, isRefused: boolean): void {
    const before = this.#cooling.get(index)?.untilMs ?? 0
    this.#cooling.set(index, { untilMs: Math.max(before, untilMs), isRefused, value: this.reveal(index) })
  }

  /** Milliseconds until one of them is worth another try; 0: now. Infinity: all were refused, and waiting helps nothing. */
  coolForMs(nowMs: number): number {
    const waits = this.#keys.map((_, index) => {
      const coolForMs = this.#coolForMs(index, nowMs)
      return coolForMs > 0 && this.#cooling.get(index)?.isRefused ? Number.POSITIVE_INFINITY : coolForMs
    })
    return Math.min(...waits)
  }

  #coolForMs(index: number, nowMs: number): number {
    const cooling = this.#cooling.get(index)
    if (cooling === undefined) return 0
    if (cooling.untilMs > nowMs && cooling.value === this.reveal(index)) return cooling.untilMs - nowMs
    this.#cooling.delete(index)
    return 0
  }
}
