/** One conversation to be replayed. A source yields them in the order of `startMs`, where it has times at all. */
export interface Script {
  /** By the trace's own time, from its beginning; absent: the source has no times, and the plan's arrivals decide. */
  readonly startMs?: number
  readonly questions: readonly Question[]
  /** Sockets that broke, from the session's start on. */
  readonly drops?: readonly Drop[]
  /** How many further sockets watched it; default 0. */
  readonly watcherCount?: number
}

export interface Question {
  /** From the session's start on, by the trace's time; absent: after the answer before it, and the time to think. */
  readonly atMs?: number
  readonly text: string
  /** How long the answer is to be; absent: as it comes. */
  readonly outputTokens?: number
  readonly model?: string
  /** The answer is cancelled when so many pieces of it came. */
  readonly cancelAfterTokens?: number
  /** The answer is cancelled so long after it was asked for. */
  readonly cancelAfterMs?: number
}

export interface Drop {
  readonly atMs: number
  readonly awayMs: number
}

/** What a source noticed that a person should know. */
export interface SourceNotes {
  /** Questions that were longer than the gateway takes. */
  cutCount: number
}
