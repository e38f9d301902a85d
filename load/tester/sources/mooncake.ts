import { z } from 'zod'
import { readItem } from './json.ts'
import { linesOf, SourceError } from './lines.ts'
import type { Script, SourceNotes } from './script.ts'
import { fillerText } from './text.ts'

const request = z.object({
  timestamp: z.number().min(0),
  input_length: z.int().min(0),
  output_length: z.int().min(0),
})

/**
 * A trace of Mooncake's (github.com/kvcache-ai/Mooncake): `{"timestamp": ms, "input_length", "output_length", "hash_ids"}` on
 * each line, a request each. Each becomes a session of one question; which parts of the input were shared is left aside.
 */
export async function* mooncakeScripts(file: string, notes: SourceNotes): AsyncGenerator<Script> {
  let firstMs: number | undefined
  let lastMs = 0
  let n = 0
  for await (const item of linesOf(file)) {
    const { timestamp, input_length, output_length } = readItem(file, item, request)
    firstMs ??= timestamp
    const startMs = timestamp - firstMs
    if (startMs < lastMs)
      throw new SourceError(file, item.line, 'its time is before the line above: sort the file by time')
    lastMs = startMs
    const text = fillerText(n++, input_length, notes)
    yield { startMs, questions: [{ atMs: 0, text, outputTokens: output_length }] }
  }
}
