/** A value that changes, for the page's parts to follow: read `current`, and hear when it is another one. */
export interface Source<T> {
  readonly current: T
  /** Returns how to unsubscribe. */
  subscribe(listener: () => void): () => void
}

export interface Cell<T> extends Source<T> {
  set(value: T): void
}

export function createCell<T>(initial: T): Cell<T> {
  const listeners = new Set<() => void>()
  let current = initial
  return {
    get current() {
      return current
    },
    set(value) {
      if (Object.is(value, current)) return
      current = value
      for (const listener of [...listeners]) listener()
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
