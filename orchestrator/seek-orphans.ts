/**
 * Looks for turns whose producer seems dead. Any node finds any turn, so that what a dead node left is taken over soon,
 * also where nobody opens its session; who met an orphan otherwise says so by itself.
 */
import { seekMs } from './limits.ts'
import type { Clock, TurnLog } from './ports.ts'

/** Looks until it is stopped; a store that is away is looked at later. */
export function seekOrphans(
  log: Pick<TurnLog, 'lapsed'>,
  clock: Pick<Clock, 'after'>,
  suspect: (session: string, turn: string) => void,
): { stop(): void } {
  let isStopped = false
  let cancel: () => void = () => undefined
  const later = () => {
    if (!isStopped) cancel = clock.after(seekMs * (0.5 + Math.random() / 2), look)
  }
  const look = () => {
    log
      .lapsed()
      .then((found) => {
        for (const { session, turn } of isStopped ? [] : found) suspect(session, turn)
      })
      .catch(() => undefined)
      .finally(later)
  }
  later()
  return {
    stop() {
      isStopped = true
      cancel()
    },
  }
}
