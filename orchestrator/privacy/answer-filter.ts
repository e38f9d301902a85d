/**
 * The way of an answer's text from the model to the tape: moderated, values put back, words looked for.
 *
 * Moderation comes first and sees placeholders: it may be another company's endpoint. The words come last, since what a
 * reader would see is what counts. Without moderation all of it happens inside `push`.
 */
import { type Refusal, refusal } from '../../protocol/error.ts'
import type { Clock } from '../ports.ts'
import type { Filtered, OutputFilter } from './filter-words.ts'
import type { Moderator, Verdict } from './moderate.ts'
import { type ModeratedAnswer, moderateAnswer } from './moderate-answer.ts'
import type { Restorer } from './restore.ts'

export interface AnswerSink {
  /** Text for the tape, in order, never empty. */
  text(piece: string): void
  /** The turn must fail with this, and the provider be closed. At most once; nothing comes after it. */
  stopped(refusal: Refusal): void
  /** Something here or in the sink threw while no caller was there to hear of it: a bug. Nothing comes after it. */
  broke(error: unknown): void
  /** Too much text waits for moderation: the provider is to be paused, and resumed. Without moderation never. */
  pause(): void
  resume(): void
}

export interface AnswerFilter {
  push(piece: string): void
  /** Lets out what is held back and calls `then`: at once, or when moderation is through. Not after a stop. */
  end(then: () => void): void
  /** Forgets what is held back; the sink hears nothing more. Idempotent. */
  close(): void
}

export interface AnswerFilterOptions {
  readonly restorer: Restorer
  readonly words: OutputFilter
  readonly moderator?: Moderator
  readonly clock: Pick<Clock, 'after'>
}

/** For one answer. */
export function createAnswerFilter(options: AnswerFilterOptions, sink: AnswerSink): AnswerFilter {
  const { moderator } = options
  return moderator === undefined ? new DirectFilter(options, sink) : new ModeratedFilter(options, moderator, sink)
}

class DirectFilter implements AnswerFilter {
  readonly #restorer: Restorer
  readonly #words: OutputFilter
  readonly #sink: Pick<AnswerSink, 'text' | 'stopped'>
  #isOver = false

  constructor({ restorer, words }: AnswerFilterOptions, sink: Pick<AnswerSink, 'text' | 'stopped'>) {
    this.#restorer = restorer
    this.#words = words
    this.#sink = sink
  }

  push(piece: string): void {
    if (!this.#isOver) this.#pass(this.#words.push(this.#restorer.push(piece)))
  }

  end(then: () => void): void {
    this.push(this.#restorer.end())
    if (!this.#isOver) this.#pass(this.#words.end())
    if (this.#isOver) return
    this.#isOver = true
    then()
  }

  close(): void {
    this.#isOver = true
  }

  stop(reason: Refusal): void {
    this.#isOver = true
    this.#sink.stopped(reason)
  }

  #pass({ text, isStopped }: Filtered): void {
    if (text !== '') this.#sink.text(text)
    if (isStopped && !this.#isOver) this.stop(wordFound())
  }
}

class ModeratedFilter implements AnswerFilter {
  readonly #direct: DirectFilter
  readonly #windows: ModeratedAnswer
  #then: () => void = () => undefined

  constructor(options: AnswerFilterOptions, moderator: Moderator, sink: AnswerSink) {
    const direct = new DirectFilter(options, {
      text: (piece) => sink.text(piece),
      stopped: (reason) => {
        this.#windows.close()
        sink.stopped(reason)
      },
    })
    this.#direct = direct
    this.#windows = moderateAnswer(moderator, options.clock, {
      text: (piece) => direct.push(piece),
      stopped: (verdict) => direct.stop(refusalOf(verdict, 'answer')),
      ended: () => direct.end(this.#then),
      broke: (error) => sink.broke(error),
      pause: () => sink.pause(),
      resume: () => sink.resume(),
    })
  }

  push(piece: string): void {
    this.#windows.push(piece)
  }

  end(then: () => void): void {
    this.#then = then
    this.#windows.end()
  }

  close(): void {
    this.#windows.close()
    this.#direct.close()
  }
}

/** Why a text must not go on, for a person. */
export function refusalOf(verdict: Exclude<Verdict, { kind: 'fine' }>, what: 'message' | 'answer'): Refusal {
  if (verdict.kind === 'unknown')
    return refusal('unavailable', `the ${what} could not be moderated; send the message again`)
  const categories = verdict.categories.length > 0 ? `: ${verdict.categories.join(', ')}` : ''
  return refusal('filtered', `the ${what} was stopped by moderation${categories}`)
}

function wordFound(): Refusal {
  return refusal('filtered', 'the answer was stopped at a word that is not allowed here')
}
