import type { RunPlan } from './plan.ts'
import { seeded, seededFor } from './random.ts'
import { azureScripts } from './sources/azure.ts'
import { madeScripts } from './sources/made.ts'
import { mooncakeScripts } from './sources/mooncake.ts'
import { mtBenchScripts } from './sources/mt-bench.ts'
import { recordingScripts } from './sources/recording.ts'
import type { Question, Script, SourceNotes } from './sources/script.ts'
import { shareGptScripts } from './sources/share-gpt.ts'

/** A session as it is to be run. Times are from the run's beginning, in milliseconds. */
export interface PlannedSession {
  /** Its number in the run, from 0. */
  readonly n: number
  /** Open loop: when it begins; absent in closed loop: when a socket is free. */
  readonly dueMs?: number
  readonly questions: readonly PlannedQuestion[]
  readonly drops: readonly { readonly atMs: number; readonly awayMs: number }[]
  readonly watcherCount: number
  readonly isSlow: boolean
}

export interface PlannedQuestion extends Omit<Question, 'atMs' | 'outputTokens'> {
  /**
   * Open loop, of a session's first question and where the trace says: when it is to be sent. Waiting from then on counts,
   * whatever runs still.
   */
  readonly dueMs?: number
}

/**
 * All sessions of the run in the order in which they begin, read from the source as they are wanted. It is the same sequence
 * for every worker, which takes its share of it; a file is read anew when a closed loop with a duration comes to its end.
 *
 * @throws SourceError at what the file has wrong.
 */
export async function* plannedSessions(plan: RunPlan, notes: SourceNotes): AsyncGenerator<PlannedSession> {
  const isRepeated = plan.arrivals === 'closed' && plan.durationMs !== undefined
  const arrivals = arrivalsOf(plan)
  let n = 0
  for (;;) {
    const before = n
    for await (const script of scriptsOf(plan, notes)) {
      if (plan.sessions !== undefined && n >= plan.sessions) return
      const session = planned(plan, script, n, arrivals)
      if (session.dueMs !== undefined && session.dueMs >= (plan.durationMs ?? Number.POSITIVE_INFINITY)) return
      yield session
      n++
    }
    if (n === before) throw new Error(`unable to load: ${plan.file} has no questions`)
    if (!isRepeated) return
  }
}

function scriptsOf(plan: RunPlan, notes: SourceNotes): AsyncGenerator<Script> {
  const { source, file = '', questions, inputTokens, outputTokens = madeOutputTokens } = plan
  switch (source) {
    case 'made':
      return madeScripts({ questions, inputTokens, outputTokens }, notes)
    case 'azure':
      return azureScripts(file, notes)
    case 'mooncake':
      return mooncakeScripts(file, notes)
    case 'sharegpt':
      return shareGptScripts(file, notes)
    case 'mt-bench':
      return mtBenchScripts(file, notes)
    case 'recording':
      return recordingScripts(file, notes)
  }
}

/** Tokens of an answer to a made question, if nobody says. */
const madeOutputTokens = 100

/** When the sessions of a source without times begin, before the ramp: a Poisson process, the same in every worker. */
function arrivalsOf({ seed, ratePerSecond }: RunPlan): () => number {
  const random = seeded(seed)
  let atMs = 0
  return () => {
    atMs += (-Math.log(1 - random()) / ratePerSecond) * 1_000
    return atMs
  }
}

function planned(plan: RunPlan, script: Script, n: number, arrival: () => number): PlannedSession {
  const { speed, slow, watchers } = plan
  const random = seededFor(plan.seed, n)
  const isOpen = plan.arrivals === 'open'
  const startMs = script.startMs === undefined ? arrival() : script.startMs / speed
  const isSlow = slow !== undefined && random() < slow.share
  return {
    n,
    ...(isOpen && { dueMs: ramped(startMs, plan.rampMs) }),
    questions: script.questions.map((question, index) => {
      const atMs = question.atMs ?? (index === 0 ? 0 : undefined)
      const dueMs = isOpen && atMs !== undefined ? ramped(startMs + atMs / speed, plan.rampMs) : undefined
      return plannedQuestion(plan, question, random, dueMs)
    }),
    drops: (script.drops ?? []).map(({ atMs, awayMs }) => ({ atMs: atMs / speed, awayMs: awayMs / speed })),
    watcherCount: watchers + (script.watcherCount ?? 0),
    isSlow,
  }
}

function plannedQuestion(
  plan: RunPlan,
  { text, atMs: _, outputTokens = plan.outputTokens, ...rest }: Question,
  random: () => number,
  dueMs: number | undefined,
): PlannedQuestion {
  const { directives, cancelShare } = plan
  const isCancelled = random() < cancelShare
  const most = Math.max(1, Math.floor((outputTokens ?? unknownTokens) / 2))
  return {
    ...rest,
    text: directives && outputTokens !== undefined ? `${text}\n[[tokens=${outputTokens}]]` : text,
    ...(isCancelled && { cancelAfterTokens: 1 + Math.floor(random() * most) }),
    ...(dueMs !== undefined && { dueMs }),
  }
}

/** An answer of unknown length is cancelled within so many tokens. */
const unknownTokens = 40

/**
 * A time of the plan as it is with a ramp: the rate of arrivals rises from nothing to its full height, in a straight line, and
 * all that would have come meanwhile comes, later. The number of arrivals by `t` is t² ÷ 2·ramp, and this is its inverse.
 */
export function ramped(atMs: number, rampMs: number): number {
  return atMs < rampMs / 2 ? Math.sqrt(2 * rampMs * atMs) : atMs + rampMs / 2
}
