import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A conversation of two user's messages. */
export interface Prompt {
  readonly name: string
  readonly turns: readonly string[]
}

const file = join(import.meta.dirname, '..', '..', '..', 'shared', 'data', 'mt-bench-questions.jsonl')

/** The 80 two-turn prompts of MT-bench (lm-sys/FastChat, Apache-2.0) where the data folder is, else as many of our own. */
export function twoTurnPrompts(): readonly Prompt[] {
  if (!existsSync(file)) return Array.from({ length: 80 }, (_, n) => ({ name: `own ${n}`, turns: ownTurns(n) }))
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.map((line) => {
    const { question_id, turns } = JSON.parse(line)
    return { name: String(question_id), turns }
  })
}

function ownTurns(n: number): readonly string[] {
  const topics = ['canals', 'Räder', '水车', 'a lock 🔒 on a river', 'tides']
  const topic = topics[n % topics.length]
  return [
    `Question ${n}: tell me about ${topic}.\n\nIn ${n + 1} steps.`,
    `And now the same as a poem, ${topic} in each line.`,
  ]
}
