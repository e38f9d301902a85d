import type { RunPlan } from './plan.ts'
import type { WorkerState } from './self-watch.ts'
import type { Interval } from './tally.ts'

/** What a worker and its parent say to each other. */

export type ToWorker =
  | {
      readonly type: 'start'
      readonly plan: RunPlan
      readonly worker: number
      /** Milliseconds since 1970. */
      readonly startsAtMs: number
    }
  | { readonly type: 'stop' }

export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'interval'; readonly interval: Interval }
  /** The last word; `problem`: what kept it from its work. */
  | { readonly type: 'done'; readonly interval: Interval; readonly state: WorkerState; readonly problem?: string }
