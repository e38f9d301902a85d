/**
 * Has a source read again when what was read is too old. One reading at a time; none for a while after one that failed.
 * Whoever needs fresh values waits for the running one, but only for a bounded time since it began, so that an endpoint
 * that hangs delays tokens for a part of its time alone.
 */
export interface FreshnessTimes {
  /** Age at which the source is read again, in milliseconds. */
  readonly refreshAfterMs: number
  /** How long a reading is waited for while older values are there, in milliseconds since it began. */
  readonly refreshWaitMs: number
  /**
   * Least time from a reading that failed to the next, in milliseconds. Where older values are there it doubles with each
   * failure, up to `refreshAfterMs`.
   */
  readonly failureCooldownMs: number
}

export class Freshness {
  readonly #read: () => Promise<boolean>
  readonly #times: FreshnessTimes
  readonly #monotonicMs: () => number
  #readAtMs = Number.NEGATIVE_INFINITY
  #failedAtMs = Number.NEGATIVE_INFINITY
  #failureCount = 0
  #running: { readonly startedMs: number; readonly done: Promise<boolean> } | undefined

  /** `read` answers whether it succeeded, and never rejects. */
  constructor(read: () => Promise<boolean>, times: FreshnessTimes, monotonicMs: () => number) {
    this.#read = read
    this.#times = times
    this.#monotonicMs = monotonicMs
  }

  /** Of what was read last, counted from the beginning of that reading; infinite before the first. */
  get ageMs(): number {
    return this.#monotonicMs() - this.#readAtMs
  }

  /** Begins a reading when one is due, and does not wait for it. Does nothing before the first reading. */
  begin(): void {
    if (this.#isDue()) void this.reload()
  }

  /** Like `begin`, and waits for the reading for at most `refreshWaitMs` since it began. */
  async settle(): Promise<void> {
    if (!this.#isDue()) return
    const done = this.reload()
    const waitMs =
      this.#running === undefined ? 0 : this.#running.startedMs + this.#times.refreshWaitMs - this.#monotonicMs()
    if (waitMs > 0) await atMost(waitMs, done)
  }

  /** Reads now, or joins the reading that runs; false when it failed, or when one failed a moment ago. */
  reload(): Promise<boolean> {
    if (this.#running !== undefined) return this.#running.done
    const startedMs = this.#monotonicMs()
    if (startedMs < this.#failedAtMs + this.#times.failureCooldownMs) return Promise.resolve(false)
    const done = this.#run(startedMs)
    this.#running = { startedMs, done }
    return done
  }

  async #run(startedMs: number): Promise<boolean> {
    const isRead = await this.#read()
    this.#running = undefined
    if (isRead) this.#readAtMs = startedMs
    else this.#failedAtMs = this.#monotonicMs()
    this.#failureCount = isRead ? 0 : this.#failureCount + 1
    return isRead
  }

  #isDue(): boolean {
    const { ageMs } = this
    const { refreshAfterMs, failureCooldownMs } = this.#times
    if (ageMs < refreshAfterMs || ageMs === Number.POSITIVE_INFINITY) return false
    const backOffMs = Math.min(refreshAfterMs, failureCooldownMs * 2 ** (this.#failureCount - 1))
    return this.#monotonicMs() >= this.#failedAtMs + backOffMs
  }
}

async function atMost(waitMs: number, done: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, waitMs)
  })
  await Promise.race([done, late])
  clearTimeout(timer)
}
