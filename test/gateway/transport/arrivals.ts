/** What came, in order, for a test that waits for it: no sleeps, and a deadline that tells what did come. */
const DEADLINE_MS = 8_000

export class Arrivals<T> {
  readonly #name: string
  readonly #all: T[] = []
  #read = 0
  #wake: (() => void) | undefined

  constructor(name: string) {
    this.#name = name
  }

  get all(): readonly T[] {
    return this.#all
  }

  push(item: T): void {
    this.#all.push(item)
    this.#wake?.()
  }

  /** The first that nobody read yet and that matches; those before it are skipped. Rejects at the deadline. */
  async next(what: string, matches: (item: T) => boolean = () => true): Promise<T> {
    const deadline = Date.now() + DEADLINE_MS
    for (;;) {
      while (this.#read < this.#all.length) {
        const item = this.#all[this.#read++]
        if (item !== undefined && matches(item)) return item
      }
      if (!(await this.#more(deadline))) throw new Error(`${this.#name}: no ${what}; came: ${show(this.#all)}`)
    }
  }

  #more(deadline: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), Math.max(0, deadline - Date.now()))
      this.#wake = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }
}

/** Rejects when the promise does not settle in time. */
export async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not in time: ${what}`)), DEADLINE_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function show(items: readonly unknown[]): string {
  return JSON.stringify(items.slice(-20), (_, value) => (value instanceof Error ? String(value) : value))?.slice(
    0,
    2_000,
  )
}
