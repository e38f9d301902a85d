import { contentBytesMax, contentJsonBytesMax } from '../bounds.ts'
import type { SourceNotes } from './script.ts'

/** Characters that one token of English has, roughly: what traces count is made into text by it. */
export const charactersPerToken = 4

const words =
  'the stream carries each answer as it is made and a reader keeps its place so that nothing is lost when a socket breaks '

/** As long as any question can be: a question is a slice of it, so that thousands of them cost one. */
const filler = words.repeat(Math.ceil(contentBytesMax / words.length) + 1)

/** Text of about so many tokens, and at least one; another `n` begins with another text. Cut at the gateway's limit. */
export function fillerText(n: number, tokens: number, notes: SourceNotes): string {
  const opening = `Question ${n}: `
  const wanted = Math.max(opening.length, Math.round(tokens) * charactersPerToken)
  if (wanted > contentBytesMax) notes.cutCount++
  return `${opening}${filler.slice(0, Math.min(wanted, contentBytesMax) - opening.length)}`.trimEnd()
}

/** A text as the gateway takes it: what is too long is cut between characters. */
export function fitting(text: string, notes: SourceNotes): string {
  if (fits(text)) return text
  notes.cutCount++
  // An escaped character in JSON is at most six bytes of one unit.
  let cut = text.slice(0, contentBytesMax)
  while (!fits(cut)) cut = cut.slice(0, Math.floor(cut.length * 0.9))
  return cut.toWellFormed().replace(/\u{fffd}$/u, '')
}

function fits(text: string): boolean {
  return Buffer.byteLength(text) <= contentBytesMax && Buffer.byteLength(JSON.stringify(text)) <= contentJsonBytesMax
}
