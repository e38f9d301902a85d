/** What all producers of a node hold of text that the store has not acknowledged. Each takes back all that it added. */
export interface Backlog {
  readonly bytes: number
  changed(byBytes: number): void
}

export function createBacklog(): Backlog {
  let bytes = 0
  return {
    get bytes() {
      return bytes
    },
    changed(byBytes) {
      bytes += byBytes
    },
  }
}
