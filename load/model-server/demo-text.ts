// The text of the demo's answers. It is what a visitor reads first, so it says what the thing in front of them does and
// what to try; and it holds what a chat page must get right: lists, code, a table, a quotation, emoji, scripts other than
// Latin. Blocks are Markdown and stand alone, so any order of them reads well.

export const DEMO_BLOCKS: readonly string[] = [
  `An answer here is a **tape**: one string that only grows. Your screen is a *position* on it. When the connection drops, the page says how far it had read, and the rest arrives in one piece.`,
  `A few things worth trying while this text is still growing:

1. Reload the page. The answer goes on where it was.
2. Open a second tab. Both show the same text.
3. Press **Stop**. What was written so far stays.
4. Turn the network off and on again.`,
  `Reading a stream takes a handful of lines:

\`\`\`ts
const answer = await session.send('Why is the sky blue?')
for await (const text of answer) {
  process.stdout.write(text)
}
\`\`\``,
  `Text is more than ASCII, and a stream must not break it: *naïve*, *Größe*, *façade*, 日本語, Ελληνικά, русский, and of course 🌊.`,
  `| What happens | What you see |
| --- | --- |
| the socket drops | a short pause, then the missing words |
| a second device joins | the whole answer so far |
| the phone is slow | fewer, larger steps and the same text |`,
  `> A gap is never delivered; it is noticed and repaired.

That is the rule everything else follows from.`,
  `Some details, in no particular order:

- The first token is sent the moment it is there; nothing waits for a timer.
- Under load, several tokens travel in one frame, so a busy server does *less* work for each.
- Closing the tab does not stop an answer. Pressing Stop does, as far as the model's own connection. ✨`,
  `Suppose a river carries paper boats past a bridge. One observer counts the boats; another writes down where the last one was. When both look away for a minute, only the second knows exactly where to go on.`,
  `Checking that nothing was lost is plain arithmetic:

\`\`\`python
def accept(end: int, at: int, text: str) -> int:
    if at != end:
        raise LookupError("ask again from where you are")
    return end + len(text.encode("utf-8"))
\`\`\``,
  `Counting is done in bytes of UTF-8, not in characters: \`é\` is two of them, \`語\` three and 🚲 four. Inline code such as \`at === end\` is all it takes to compare.`,
]

const QUOTED_CHARACTERS = 120

function quoted(said: string): string {
  const characters = Array.from(said.toWellFormed().replaceAll(/\s+/g, ' ').trim())
  if (characters.length <= QUOTED_CHARACTERS) return characters.join('')
  return `${characters.slice(0, QUOTED_CHARACTERS).join('')}…`
}

/** The first block of an answer to what the user said. */
export function opening(said: string): string {
  const quotation = quoted(said)
  const greeting = 'This is the bundled demo model 👋: it knows nothing, but it streams like a real one.'
  return quotation === '' ? greeting : `You asked:\n\n> ${quotation}\n\n${greeting}`
}

export const CLOSING =
  'To talk to a real model, start with `OPENAI_API_KEY` set, or `OPENAI_BASE_URL` for any server that speaks the same API.'
