/** Waits, in `wait` mode, for the answer that a message has to wait for. */
import type { Clock, TurnLog } from './ports.ts'

/**
 * Resolves when a turn of the session ended, or when something may have been missed, or after `forMs` milliseconds:
 * then it is time to ask the store again.
 */
export function awaitEnd(
  session: string,
  forMs: number,
  { log, clock }: { readonly log: Pick<TurnLog, 'subscribe'>; readonly clock: Pick<Clock, 'after'> },
): Promise<void> {
  return new Promise((resolve) => {
    const quiet = () => undefined
    const done = () => {
      cancel()
      subscription.close()
      resolve()
    }
    const cancel = clock.after(forMs, done)
    const heard = (_previous: unknown, entry: unknown) => {
      if (isTerminal(entry)) done()
    }
    const listener = { lost: done, record: heard, delta: quiet, nudge: quiet, updated: quiet, erased: done }
    // What ended before this was heard is found by asking again soon.
    const confirmed = () => void clock.after(askAgainMs, done)
    const subscription = log.subscribe(session, { ...listener, confirmed })
    subscription.hearDeltas(false)
  })
}

const askAgainMs = 1_000

function isTerminal(entry: unknown): boolean {
  const record = typeof entry === 'object' && entry !== null && 'record' in entry ? entry.record : undefined
  const type = typeof record === 'object' && record !== null && 'type' in record ? record.type : undefined
  return type === 'turn.completed' || type === 'turn.cancelled' || type === 'turn.failed'
}
