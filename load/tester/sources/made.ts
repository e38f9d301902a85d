import type { Script, SourceNotes } from './script.ts'
import { fillerText } from './text.ts'

export interface MadeOptions {
  /** Questions of each session. */
  readonly questions: number
  /** Of each question and of each answer. */
  readonly inputTokens: number
  readonly outputTokens: number
}

/** Questions that need no file: as many sessions as anybody takes. */
export async function* madeScripts(options: MadeOptions, notes: SourceNotes): AsyncGenerator<Script> {
  const { questions, inputTokens, outputTokens } = options
  for (let n = 0; ; n++) {
    yield {
      questions: Array.from({ length: questions }, (_, index) => ({
        text: fillerText(n * questions + index, inputTokens, notes),
        outputTokens,
      })),
    }
  }
}
