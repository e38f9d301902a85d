/**
 * Taking a turn over whose producer seems dead.
 *
 * A lapsed lease is only a suspicion: when the store was away, all leases have lapsed and all producers live. So a turn is
 * claimed only if this very deadline was seen lapsed a grace ago, over a connection unbroken since; the first look calls
 * the producer to renew. A connection that broke meanwhile, also unnoticed by any question, begins the suspicion anew.
 */
import { takeOverGraceMs, takeOversMax, takeOverTries } from './limits.ts'
import type { Clock, TakeOverReply, TurnLog } from './ports.ts'

export type Taken = Extract<TakeOverReply, { kind: 'yours' }>

export interface TakeOverClaim {
  readonly session: string
  readonly turn: string
  readonly token: string
  readonly leaseMs: number
}

export interface TakeOverPorts {
  readonly log: Pick<TurnLog, 'takeOver' | 'breaks'>
  readonly clock: Pick<Clock, 'after'>
}

/** Asks until the turn is taken or is not to be had; a claim may be repeated, also after it was won. */
export async function takeOver(
  claim: TakeOverClaim,
  { log, clock }: TakeOverPorts,
): Promise<Taken | 'others' | 'gone'> {
  let seen: number | undefined
  let breaks = log.breaks()
  for (let tries = 0; tries < takeOverTries; tries++) {
    if (log.breaks() !== breaks) seen = undefined
    breaks = log.breaks()
    const reply = await log.takeOver(seen === undefined ? claim : { ...claim, seen }).catch(() => undefined)
    if (reply?.kind === 'yours') return reply
    if (reply?.kind === 'gone') return 'gone'
    if (reply !== undefined && reply.kind !== 'lapsed') return 'others'
    seen = reply?.deadline
    await new Promise<void>((resolve) => clock.after(takeOverGraceMs, resolve))
  }
  return 'others'
}

export interface Suspicions {
  /** Somebody met a turn whose lease had lapsed. One suspicion a session at a time. */
  raise(session: string, turn: string): void
}

/** `pursue` must not reject. */
export function createSuspicions(pursue: (session: string, turn: string) => Promise<void>): Suspicions {
  const pursued = new Set<string>()
  return {
    raise(session, turn) {
      if (pursued.has(session) || pursued.size >= takeOversMax) return
      pursued.add(session)
      void pursue(session, turn).finally(() => pursued.delete(session))
    },
  }
}
