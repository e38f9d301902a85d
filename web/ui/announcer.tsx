import { useEffect, useRef, useState } from 'preact/hooks'
import type { TurnView } from '../../client/index.ts'
import type { Shown } from '../chat/conversation.ts'
import { describeEnding, describeRefusal } from '../chat/words.ts'
import { isEnded } from './turn.tsx'

/** The most of an answer that is read out by itself; the rest is in the page. */
const maxLength = 4_000

/** Tells screen readers of an answer once, when it is there; reading out every token would be noise. */
export function Announcer({ shown }: { readonly shown: Shown }) {
  const [text, setText] = useState('')
  const running = useRef<{ readonly key: string; readonly messageId: string | undefined } | undefined>(undefined)
  const last = shown.turns.at(-1)
  useEffect(() => {
    const followed = running.current
    if (last === undefined) return
    if (!isEnded(last)) {
      running.current = { key: shown.key, messageId: last.messageId }
      setText('')
    } else if (followed?.key === shown.key && followed.messageId === last.messageId) {
      running.current = undefined
      setText(spoken(last))
    }
  }, [shown.key, last])
  return (
    <div class="off-screen" aria-live="polite" data-testid="announcer">
      {text}
    </div>
  )
}

/** The text, and behind it how it ended where it is not whole: nobody should take a part for all of it. */
function spoken(turn: TurnView): string {
  const { text, error } = turn
  const note = describeEnding(turn) ?? (error === undefined ? '' : describeRefusal(error).title)
  if (text.trim() === '') return note
  return `${beginnings[turn.state] ?? ''} ${plainText(text)} ${note}`.trimEnd()
}

const beginnings: Readonly<Record<string, string>> = {
  completed: 'Answer:',
  cancelled: 'Stopped. The answer so far:',
  failed: 'The answer failed. What came of it:',
}

/** Without most of the signs of Markdown, which read badly. */
function plainText(markdown: string): string {
  return markdown
    .slice(0, maxLength)
    .replaceAll(/^```.*$/gm, '')
    .replaceAll(/[*_`#>|]+/g, ' ')
    .replaceAll(/[ \t]+/g, ' ')
}
