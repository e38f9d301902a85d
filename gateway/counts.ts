/** Counts by name; a name whose count is 0 is not kept. */
export class Counts {
  readonly #counts = new Map<string, number>()

  of(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  add(name: string, count = 1): void {
    if (count > 0) this.#counts.set(name, this.of(name) + count)
  }

  remove(name: string, count = 1): void {
    const left = this.of(name) - count
    if (left > 0) this.#counts.set(name, left)
    else this.#counts.delete(name)
  }
}
