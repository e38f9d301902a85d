/**
 * Hears that a turn's producer should look at the store: its lease is suspected, the turn was taken or cancelled, the
 * session is gone. All of it is a hint, which the store's answer to the next append confirms; a lost one is found by the
 * next renewal. So whoever begins to hear looks once, unless it has not asked the store anything yet.
 */
import { resubscribeMs } from './limits.ts'
import type { Clock, TurnLog } from './ports.ts'

export interface Nudges {
  close(): void
}

export function hearNudges(
  session: string,
  { log, clock }: { readonly log: Pick<TurnLog, 'subscribe'>; readonly clock: Pick<Clock, 'after'> },
  hasAsked: () => boolean,
  nudge: () => void,
): Nudges {
  let isClosed = false
  let cancelAgain = quiet
  let subscription = { close: quiet }
  const listen = () => {
    const confirmed = () => {
      if (hasAsked()) nudge()
    }
    const lost = () => {
      if (!isClosed) cancelAgain = clock.after(resubscribeMs, again)
    }
    const listener = { confirmed, lost, record: quiet, delta: quiet, updated: quiet, erased: nudge, nudge }
    const fresh = log.subscribe(session, listener)
    fresh.hearDeltas(false)
    subscription = fresh
  }
  const again = () => {
    subscription.close()
    listen()
  }
  listen()
  return {
    close() {
      isClosed = true
      cancelAgain()
      subscription.close()
    },
  }
}

function quiet(): void {
  // Nothing to do: the rest of a session's news is not the producer's.
}
