import type { RunPlan } from './plan.ts'
import type { Slo } from './slo.ts'
import type { Tally } from './tally.ts'
import type { TokenSource } from './tokens.ts'

/** What all sessions of one worker share. */
export interface World {
  readonly plan: RunPlan
  readonly slos: readonly Slo[]
  readonly tally: Tally
  readonly token: TokenSource
  /** From the run's beginning, in milliseconds. */
  now(): number
  /** Nothing more is asked; what runs may end. */
  readonly over: AbortSignal
  /** All ends at once. */
  readonly stopped: AbortSignal
}
