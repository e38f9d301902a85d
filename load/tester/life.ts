import type { Line } from './line.ts'

/** One socket, and what is to happen while it lives. */
export class Life {
  readonly line: Line
  readonly dialedMs: number
  /** It continues what an earlier one began, and what was missed has not come yet. */
  isResume: boolean
  /** The session is open on it; and whether it was at any time. */
  isOpen = false
  wasOpen = false
  openedMs = 0
  lastDelta: { readonly turn: string; readonly atMs: number } | undefined
  /** It ended by our hand; how long to stay away. */
  awayMs: number | undefined
  /** The kind of the last refusal. */
  refusal: string | undefined
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(line: Line, dialedMs: number, isResume: boolean) {
    this.line = line
    this.dialedMs = dialedMs
    this.isResume = isResume
  }

  /** Runs once after so long, unless the socket has ended by then. */
  after(ms: number, run: () => unknown): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer)
        run()
      },
      Math.max(0, ms),
    )
    this.#timers.add(timer)
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.isOpen = false
  }
}
