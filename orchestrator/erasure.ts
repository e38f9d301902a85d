import type { TurnLog } from './ports.ts'

/** Calls `erased` once, when the session is gone or may be; never from inside. The answer stops watching. */
export type WatchErasure = (session: string, erased: () => void) => () => void

/**
 * Watches by the store's news, on whatever node the session is erased. News may be lost with a connection: then the session
 * counts as erased, since nobody would say so any more.
 */
export function watchErasures(log: Pick<TurnLog, 'subscribe' | 'describe'>): WatchErasure {
  return (session, erased) => {
    // It may have been erased before the subscription stood.
    const check = () => {
      log.describe(session).then(
        ({ kind }) => kind === 'gone' && erased(),
        () => erased(),
      )
    }
    const subscription = log.subscribe(session, {
      confirmed: check,
      lost: erased,
      erased,
      record: ignore,
      delta: ignore,
      nudge: ignore,
      updated: ignore,
    })
    subscription.hearDeltas(false)
    return () => subscription.close()
  }
}

function ignore(): void {
  // Only the end of the session matters.
}
