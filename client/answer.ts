import type { AnswerResult } from './event.ts'

/**
 * The answer to one message, as it comes.
 *
 * Iterating it yields the text in pieces that only ever append. That is a promise the world can break: an answer may
 * be begun anew by another producer. When it was, and what was yielded is not its beginning any more, iterating throws
 * `RestartedError`; who can take text back iterates `events` instead. Repeated text after a reconnect is never seen.
 * Each iteration begins with the first character, however late; losing the connection only makes it wait. It ends when
 * the turn ends, in whatever way: `result` tells which.
 */
export interface Answer extends AsyncIterable<string> {
  readonly messageId: string
  /** Like iterating the answer, but a restart is an event: keep the first `keep` UTF-16 units of what came. */
  readonly events: AsyncIterable<AnswerEvent>
  /** Ends the turn at the provider; what came so far stays. Idempotent; the result then says `cancelled`, mostly. */
  cancel(): void
  /** Never rejects: a failure is a result. */
  readonly result: Promise<AnswerResult>
}

export type AnswerEvent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'restart'; readonly keep: number }

/** The answer was begun anew with another text than was yielded. */
export class RestartedError extends Error {
  override readonly name = 'RestartedError'
  /** UTF-16 units of the yielded text that still stand. */
  readonly keep: number

  constructor(keep: number) {
    super('the answer restarted: iterate events')
    this.keep = keep
  }
}

/** The writing end of an answer. */
export interface AnswerSource {
  readonly answer: Answer
  add(text: string): void
  /** The text is now `text`. `isRepeat`: what follows was already there. */
  cut(text: string, isRepeat: boolean): void
  end(result: AnswerResult): void
}

/** What has come: pieces, and how often and how far the text was taken back. */
interface Course {
  pieces: string[]
  /** Raised by each cut: places in `pieces` are void. */
  generation: number
  /** The lengths kept by restarts, in order. */
  readonly restarts: number[]
  isEnded: boolean
  wake: () => void
  changed: Promise<void>
}

export function createAnswer(messageId: string, cancel: () => void): AnswerSource {
  const course: Course = { pieces: [], generation: 0, restarts: [], isEnded: false, ...signal() }
  let resolve: (result: AnswerResult) => void = () => undefined
  // Promise.withResolvers is younger than some phones.
  const result = new Promise<AnswerResult>((settle) => {
    resolve = settle
  })
  const events: AsyncIterable<AnswerEvent> = { [Symbol.asyncIterator]: () => follow(course) }
  return {
    answer: { messageId, events, cancel, result, [Symbol.asyncIterator]: () => appended(events) },
    add(text) {
      course.pieces.push(text)
      notify(course)
    },
    cut(text, isRepeat) {
      course.pieces = [text]
      course.generation++
      if (!isRepeat) course.restarts.push(text.length)
      notify(course)
    },
    end(final) {
      course.isEnded = true
      resolve(final)
      notify(course)
    },
  }
}

function signal(): { wake: () => void; changed: Promise<void> } {
  let wake: () => void = () => undefined
  const changed = new Promise<void>((resolve) => {
    wake = resolve
  })
  return { wake, changed }
}

function notify(course: Course): void {
  const { wake } = course
  Object.assign(course, signal())
  wake()
}

async function* appended(events: AsyncIterable<AnswerEvent>): AsyncGenerator<string, void> {
  for await (const event of events) {
    if (event.type === 'restart') throw new RestartedError(event.keep)
    yield event.text
  }
}

async function* follow(course: Course): AsyncGenerator<AnswerEvent, void> {
  let delivered = 0
  let restart = 0
  let generation = course.generation
  let index = 0
  let pieceStart = 0
  for (;;) {
    for (; restart < course.restarts.length; restart++) {
      const keep = course.restarts[restart] ?? 0
      if (keep >= delivered) continue
      delivered = keep
      yield { type: 'restart', keep }
    }
    if (generation !== course.generation) {
      generation = course.generation
      index = 0
      pieceStart = 0
    }
    const piece = course.pieces[index]
    if (piece === undefined) {
      if (course.isEnded) return
      await course.changed
      continue
    }
    const fresh = delivered === pieceStart ? piece : piece.slice(Math.max(0, delivered - pieceStart))
    index++
    pieceStart += piece.length
    if (fresh === '') continue
    delivered = pieceStart
    yield { type: 'text', text: fresh }
  }
}
