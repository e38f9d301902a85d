import { settleBatch, settleRetryMaxMs, settleRetryMinMs, settleTotalMs, unsettledMax } from './budget-limits.ts'
import type { Ledger, Settlement } from './budget-port.ts'
import type { Clock, TurnLogger } from './ports.ts'

export interface Settler {
  /** Books what a turn used, or gives back what it reserved: at once, and again while the store is away. Never throws. */
  settle(settlement: Settlement): void
  /** Turns that are not booked yet. */
  readonly unsettledCount: number
  /** Turns whose use will never be booked: the store was away for too long, or too many waited. */
  readonly lostCount: number
  /** Resolves when all is booked, or `waitMs` milliseconds passed; what is left then is lost. */
  close(waitMs: number): Promise<void>
}

interface Unsettled {
  readonly settlement: Settlement
  readonly sinceMs: number
}

/**
 * Sees to it that each turn is settled, whatever the store does meanwhile.
 *
 * A turn must not wait for its booking, and the booking must not be forgotten with the turn. So it is handed over here
 * and tried at once. What fails waits with the rest; one of these is tried after a growing delay, and when the store takes
 * it, all are, some at a time. The ledger books a turn once, so a booking whose reply was lost may be repeated.
 */
export function createSettler(
  ledger: Pick<Ledger, 'settle'>,
  clock: Pick<Clock, 'monotonicMs' | 'after'>,
  logger: Pick<TurnLogger, 'warn'>,
): Settler {
  const waiting = new Set<Unsettled>()
  let underWay = 0
  let lostCount = 0
  let failures = 0
  /** Also while a retry is under way. */
  let stopTimer: (() => void) | undefined
  let isDraining = false
  let isClosed = false
  const idle = Promise.withResolvers<void>()

  function lose({ settlement: { id, tenant, session } }: Unsettled, reason: string): void {
    lostCount += 1
    logger.warn({ turn: id, tenant, session, reason }, 'what a turn used is not booked')
  }

  /** Whether the store took it. What it did not take waits, or is given up. */
  async function attempt(one: Unsettled): Promise<boolean> {
    underWay += 1
    const isBooked = await ledger.settle(one.settlement).then(
      () => true,
      () => false,
    )
    underWay -= 1
    if (isBooked) failures = 0
    else if (isClosed) lose(one, 'closed')
    else if (clock.monotonicMs() - one.sinceMs >= settleTotalMs) lose(one, 'the store was away for too long')
    else waiting.add(one)
    look()
    return isBooked
  }

  function look(): void {
    if (waiting.size > 0) retryLater()
    else if (underWay === 0 && isDraining) idle.resolve()
  }

  function retryLater(): void {
    if (stopTimer !== undefined) return
    const delayMs = Math.min(settleRetryMaxMs, settleRetryMinMs * 2 ** failures)
    failures += 1
    stopTimer = clock.after(delayMs * (0.5 + Math.random() / 2), () => void retry())
  }

  /** One by itself, to see whether the store is there; then the others, while it is. */
  async function retry(): Promise<void> {
    let size = 1
    while (waiting.size > 0) {
      const batch = [...waiting].slice(0, size)
      for (const one of batch) waiting.delete(one)
      const booked = await Promise.all(batch.map(attempt))
      if (booked.includes(false)) break
      size = settleBatch
    }
    stopTimer = undefined
    look()
  }

  return {
    settle(settlement) {
      const one = { settlement, sinceMs: clock.monotonicMs() }
      if (isClosed) return lose(one, 'closed')
      if (waiting.size + underWay >= unsettledMax) return lose(one, 'too many wait')
      void attempt(one)
    },
    get unsettledCount() {
      return waiting.size + underWay
    },
    get lostCount() {
      return lostCount
    },
    async close(waitMs) {
      isDraining = true
      const stopWaiting = clock.after(waitMs, idle.resolve)
      look()
      await idle.promise
      stopWaiting()
      isClosed = true
      stopTimer?.()
      for (const one of waiting) lose(one, 'closed')
      waiting.clear()
    },
  }
}
