/**
 * Values by key, in the order of their last use. Above `max` the longest unused one that is free is forgotten; where none
 * is, there are more than `max`: the caller sees to it that few are held.
 */
export class Recent<Value> {
  readonly #values = new Map<string, Value>()
  readonly #max: number
  readonly #isFree: (value: Value) => boolean

  constructor(max: number, isFree: (value: Value) => boolean) {
    this.#max = max
    this.#isFree = isFree
  }

  find(key: string): Value | undefined {
    return this.#values.get(key)
  }

  use(key: string, make: () => Value): Value {
    const value = this.#values.get(key) ?? make()
    this.put(key, value)
    return value
  }

  put(key: string, value: Value): void {
    this.#values.delete(key)
    if (this.#values.size >= this.#max) this.#forgetOne()
    this.#values.set(key, value)
  }

  remove(key: string): void {
    this.#values.delete(key)
  }

  #forgetOne(): void {
    // Each is looked at once at most; one that is held counts as used, so that the next search does not meet it first.
    for (let left = this.#values.size; left > 0; left -= 1) {
      const [oldest] = this.#values
      if (oldest === undefined) return
      const [key, value] = oldest
      this.#values.delete(key)
      if (this.#isFree(value)) return
      this.#values.set(key, value)
    }
  }
}
