import type { RunResult } from './result.ts'

/**
 * How a run ends for whoever started it. 0: every answer was right and every SLO was met; 1: an SLO was missed, or nothing was
 * answered; 3: wrong answers, or a worker was lost, so that nothing else is worth believing. (2 is wrong usage.)
 */
export function exitCodeOf({ faults, slos, counts }: RunResult): 0 | 1 | 3 {
  if (faults.length > 0) return 3
  const isAnswered = counts.questions === 0 || counts.completed + counts.cancelled > 0
  return isAnswered && slos.every(({ isMet }) => isMet) ? 0 : 1
}
