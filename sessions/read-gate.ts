/**
 * How many feeds of a node read the store at once. When the store comes back all of them want to: those with a running
 * turn go first, since somebody looks at them.
 */
export class ReadGate {
  readonly #most: number
  #inside = 0
  readonly #urgent: (() => void)[] = []
  readonly #patient: (() => void)[] = []

  constructor(most: number) {
    this.#most = most
  }

  /** `undefined`: go on at once. Whoever went in must `leave`. */
  enter(isUrgent: boolean): Promise<void> | undefined {
    if (this.#inside < this.#most) {
      this.#inside += 1
      return undefined
    }
    return new Promise((resolve) => (isUrgent ? this.#urgent : this.#patient).push(resolve))
  }

  leave(): void {
    const next = this.#urgent.shift() ?? this.#patient.shift()
    if (next === undefined) this.#inside -= 1
    else next()
  }
}
