import type { RunResult } from '../../result.ts'

/** What a page shows: one run, or one beside an earlier one. */
export interface Runs {
  readonly after: RunResult
  readonly before: RunResult | undefined
}

export interface RunPair extends Runs {
  readonly before: RunResult
}

export function isPair(runs: Runs): runs is RunPair {
  return runs.before !== undefined
}
