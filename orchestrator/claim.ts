import type { ClaimReply, TurnStart } from './turn-state.ts'

type ClaimStart = TurnStart extends infer Start ? (Start extends unknown ? Omit<Start, 'nowMs'> : never) : never

/** One claim of a turn: what made this node its producer, and how to ask for it again. */
export interface Claim {
  readonly session: string
  readonly turn: string
  readonly token: string
  readonly start: ClaimStart
  /** What the attempt that is there has, and ours begins with. */
  readonly kept?: Buffer
  /** The very same operation with the same arguments; rejects when the outcome is unknown. */
  repeat(): Promise<ClaimReply>
}
