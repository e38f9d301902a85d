import { z } from 'zod'
import { readItem } from './json.ts'
import { linesOf } from './lines.ts'
import type { Script, SourceNotes } from './script.ts'
import { fitting } from './text.ts'

const prompt = z.object({ turns: z.array(z.string().min(1)).min(1) })

/** MT-bench prompts: `{"turns": ["…", "…"]}` on each line. Each line becomes a session of its turns. */
export async function* mtBenchScripts(file: string, notes: SourceNotes): AsyncGenerator<Script> {
  for await (const item of linesOf(file)) {
    const { turns } = readItem(file, item, prompt)
    yield { questions: turns.map((turn) => ({ text: fitting(turn, notes) })) }
  }
}
