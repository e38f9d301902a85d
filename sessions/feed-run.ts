import { FeedTape } from './feed-tape.ts'
import type { Fence } from './session-log.ts'

/** The running turn as a feed sees it. `attempt` 0: pending. */
export interface FeedRun {
  readonly turn: string
  readonly attempt: number
  readonly openedBy: string | undefined
  readonly tapes: FeedTape[]
  /** The terminal record's `seq`, once it ended; else 0. */
  readonly endSeq: number
}

export function pendingRun(turn: string): FeedRun {
  return { turn, attempt: 0, openedBy: undefined, tapes: [], endSeq: 0 }
}

export function newTape(run: FeedRun): FeedTape {
  const tape = new FeedTape()
  run.tapes.push(tape)
  return tape
}

/** Whether this is the attempt that the fence is of: numbers alone are given out again after a failover (STORE A3). */
export function isOf(run: FeedRun | undefined, { token, turn, attempt }: Fence): boolean {
  return run !== undefined && run.turn === turn && run.attempt === attempt && run.openedBy === token
}

/** Whether `run` holds all the text that a terminal record speaks of. */
export function hasWhole(
  run: FeedRun | undefined,
  record: { readonly turn: string; readonly attempt: number; readonly bytes: number },
): boolean {
  if (record.attempt === 0 || record.bytes === 0) return true
  return run?.turn === record.turn && run.attempt === record.attempt && (run.tapes[0]?.length ?? 0) >= record.bytes
}
