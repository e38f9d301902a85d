/** How a run went as a whole: what the exit code follows, and what a report begins with. */
import type { RunResult } from '../result.ts'
import { formatCount } from './figures.ts'

export interface RunVerdict {
  readonly exitCode: 0 | 1 | 3
  /** In a sentence without its full stop. */
  readonly reason: string
}

/**
 * 3 when an answer was wrong or a worker was lost, so that nothing else is worth believing; 1 when an SLO was missed or
 * nothing was answered; 0 otherwise. (2 is wrong usage.)
 */
export function verdictOf(run: RunResult): RunVerdict {
  const reasons = [...faultReason(run), ...sloReason(run), ...emptyReason(run)]
  if (reasons.length > 0) return { exitCode: run.faults.length > 0 ? 3 : 1, reason: reasons.join('; ') }
  if (run.slos.length === 0) return { exitCode: 0, reason: 'no wrong answer; no SLO was given' }
  return { exitCode: 0, reason: run.slos.length === 1 ? 'the SLO was met' : `all ${run.slos.length} SLOs were met` }
}

export function faultCount({ faults }: RunResult): number {
  return faults.reduce((sum, { count }) => sum + count, 0)
}

/** `1 wrong answer`, `12 wrong answers`. */
export function countedNoun(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

export function stopText({ stoppedBy }: RunResult): string {
  return { end: 'ended as planned', signal: 'stopped by a signal', faults: 'stopped for too many wrong answers' }[
    stoppedBy
  ]
}

function faultReason(run: RunResult): string[] {
  const count = faultCount(run)
  return count === 0 ? [] : [countedNoun(count, 'wrong answer')]
}

function sloReason({ slos }: RunResult): string[] {
  const missed = slos.filter(({ isMet }) => !isMet).length
  if (missed === 0) return []
  return [
    slos.length === 1
      ? 'the SLO was missed'
      : `${missed} of ${slos.length} SLOs ${missed === 1 ? 'was' : 'were'} missed`,
  ]
}

function emptyReason({ counts }: RunResult): string[] {
  return counts.completed + counts.cancelled === 0 ? ['no question was answered'] : []
}
