import { previewLength } from '../protocol/limits.ts'

/** The first `previewLength` UTF-16 units of a message for a list: white space made single, no character cut in two. */
export function previewOf(content: string): string {
  let preview = ''
  for (const [word] of content.matchAll(/\S+/g)) {
    preview += (preview === '' ? '' : ' ') + word.slice(0, previewLength)
    if (preview.length >= previewLength) break
  }
  return withoutHalfPair(preview.slice(0, previewLength))
}

function withoutHalfPair(text: string): string {
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text
}
