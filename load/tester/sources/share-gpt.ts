import { z } from 'zod'
import { readItem } from './json.ts'
import { objectsOf } from './lines.ts'
import type { Question, Script, SourceNotes } from './script.ts'
import { charactersPerToken, fitting } from './text.ts'

const conversation = z.object({ conversations: z.array(z.object({ from: z.string(), value: z.string() })) })
const users = new Set(['human', 'user'])

/**
 * ShareGPT conversations, as an array or one on each line: `{"conversations": [{"from": "human"|"gpt", "value"}]}`. The humans'
 * words are the questions; each answer is to be as long as the one that stands there. One without a human is left out.
 */
export async function* shareGptScripts(file: string, notes: SourceNotes): AsyncGenerator<Script> {
  for await (const item of objectsOf(file)) {
    const questions = questionsOf(readItem(file, item, conversation), notes)
    if (questions.length > 0) yield { questions }
  }
}

function questionsOf({ conversations }: z.infer<typeof conversation>, notes: SourceNotes): readonly Question[] {
  return conversations.flatMap(({ from, value }, index) => {
    if (!users.has(from) || value.trim() === '') return []
    const answer = conversations[index + 1]
    const text = fitting(value, notes)
    if (answer === undefined || users.has(answer.from)) return [{ text }]
    return [{ text, outputTokens: Math.max(1, Math.round(answer.value.length / charactersPerToken)) }]
  })
}
