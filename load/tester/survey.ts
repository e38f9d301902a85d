import type { RunPlan } from './plan.ts'
import { plannedSessions } from './schedule.ts'
import type { SourceNotes } from './sources/script.ts'

/** What a plan's source holds, as it will be run. */
export interface Survey {
  readonly sessionCount: number
  readonly questionCount: number
  /** Questions that were cut, since the gateway takes no longer ones. */
  readonly cutCount: number
  /** Open loop: when the last question is due that has a time; the run ends some time after it. */
  readonly lastDueMs: number
}

/**
 * Reads a source once before the run, so that what is wrong with it is told before anything is sent.
 *
 * @throws SourceError with the line; what the file system says.
 */
export async function surveySource(plan: RunPlan): Promise<Survey> {
  const notes: SourceNotes = { cutCount: 0 }
  // A closed loop with a duration would read it again and again.
  const { durationMs: _, ...once } = plan
  let [sessionCount, questionCount, lastDueMs] = [0, 0, 0]
  for await (const { questions } of plannedSessions(plan.arrivals === 'open' ? plan : once, notes)) {
    sessionCount++
    questionCount += questions.length
    for (const { dueMs = 0 } of questions) lastDueMs = Math.max(lastDueMs, dueMs)
  }
  return { sessionCount, questionCount, cutCount: notes.cutCount, lastDueMs }
}
