import { deltaTextBytes } from '../protocol/limits.ts'
import type { AnswerText } from './answer-text.ts'
import type { Audience, Fence } from './ports.ts'

/**
 * What of an answer was shown to its watchers on this node. Of an attempt each byte is shown once: bytes that a
 * rolled-back store takes again were shown already, and are the same.
 */
export class Delivery {
  readonly #session: string
  readonly #text: AnswerText
  readonly #audience: Audience
  #attempt = 0
  #shownBytes = 0

  constructor(session: string, text: AnswerText, audience: Audience) {
    this.#session = session
    this.#text = text
    this.#audience = audience
  }

  /** Shows what is unshown before `end`, which the store has. `arrivedMs`: when the oldest of it arrived. */
  upTo(end: number, fence: Fence, arrivedMs: number): void {
    if (fence.attempt !== this.#attempt) {
      this.#attempt = fence.attempt
      this.#shownBytes = 0
    }
    while (this.#shownBytes < end) {
      const at = this.#shownBytes
      const text = this.#text.slice(at, Math.min(deltaTextBytes, end - at))
      if (text.length === 0) throw new Error(`the store acknowledged ${end} bytes, which is inside a character`)
      this.#shownBytes = at + text.length
      this.#audience.delivered(this.#session, fence, 0, at, text, arrivedMs)
    }
  }
}
