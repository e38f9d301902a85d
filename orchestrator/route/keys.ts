import type { ApiKey } from '../policy.ts'

/** Picks a key of a target, each in its turn, but for those that were refused a while ago. */
export class Keys {
  readonly #keys: readonly ApiKey[]
  readonly #coolUntilMs: number[]
  #next = 0

  constructor(keys: readonly ApiKey[]) {
    this.#keys = keys
    this.#coolUntilMs = keys.map(() => 0)
  }

  /** The index of a key to use now; undefined when all of them cool down. */
  pick(nowMs: number): number | undefined {
    for (let tries = 0; tries < this.#keys.length; tries++) {
      const index = (this.#next + tries) % this.#keys.length
      if ((this.#coolUntilMs[index] ?? 0) > nowMs) continue
      this.#next = index + 1
      return index
    }
    return undefined
  }

  reveal(index: number): string {
    const key = this.#keys[index]
    if (key === undefined) throw new Error(`there is no key ${index}`)
    return key.reveal()
  }

  cool(index: number, untilMs: number): void {
    this.#coolUntilMs[index] = Math.max(this.#coolUntilMs[index] ?? 0, untilMs)
  }

  /** Milliseconds until one of them may be used; 0: now. */
  coolForMs(nowMs: number): number {
    return Math.max(0, Math.min(...this.#coolUntilMs) - nowMs)
  }
}
