import type { Identity } from '../auth/identity.ts'

/** How many streams each subject has open on this node, so that one of them cannot take all. */
export class StreamPlaces {
  readonly #max: number
  readonly #taken = new Map<string, number>()

  constructor(max: number) {
    this.#max = max
  }

  get openCount(): number {
    return [...this.#taken.values()].reduce((sum, count) => sum + count, 0)
  }

  /** How to give the place back, as often as one likes; `undefined`: the subject has as many as it may. */
  take({ tenant, subject }: Pick<Identity, 'tenant' | 'subject'>): (() => void) | undefined {
    const name = JSON.stringify([tenant, subject])
    const count = this.#taken.get(name) ?? 0
    if (count >= this.#max) return undefined
    this.#taken.set(name, count + 1)
    let isTaken = true
    return () => {
      if (isTaken) this.#giveBack(name)
      isTaken = false
    }
  }

  #giveBack(name: string): void {
    const count = this.#taken.get(name) ?? 0
    if (count > 1) this.#taken.set(name, count - 1)
    else this.#taken.delete(name)
  }
}
