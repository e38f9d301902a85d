import type { RunResult } from '../../result.ts'

/** What a page shows: one run, or one beside an earlier one. */
export interface Runs {
  readonly after: RunResult
  readonly before: RunResult | undefined
}
