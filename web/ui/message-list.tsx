import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Conversation, Shown } from '../chat/conversation.ts'
import { DownIcon } from './icons.tsx'
import { createScrollKeeper } from './scroll-keeper.ts'
import { Turn } from './turn.tsx'
import { createTurnKeys } from './turn-keys.ts'

/** Older turns are asked for when less than this is above the view, in pixels. */
const loadAheadPx = 900

export interface MessageListProps {
  readonly shown: Shown
  readonly conversation: Conversation
}

/** The turns of a conversation, the latest at the bottom. */
export function MessageList({ shown, conversation }: MessageListProps) {
  const { turns, view, key } = shown
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const [keeper] = useState(createScrollKeeper)
  const [keyOf] = useState(createTurnKeys)
  const [isAtEnd, setAtEnd] = useState(true)
  const [trouble, setTrouble] = useState('')

  useLayoutEffect(() => {
    if (scroller.current === null || content.current === null) return
    return keeper.attach(scroller.current, content.current, setAtEnd)
  }, [keeper])
  useLayoutEffect(() => keeper.toEnd(), [keeper, key])
  useLayoutEffect(() => keeper.contentChanged())
  // A message sent here is looked at, wherever the user was reading.
  const newest = turns.at(-1)
  const ownId = newest?.state === 'unsent' || newest?.state === 'sending' ? newest.messageId : undefined
  useLayoutEffect(() => {
    if (ownId !== undefined) keeper.toEnd()
  }, [keeper, ownId])

  const { hasMore, state } = view
  useEffect(() => {
    const element = scroller.current
    if (element === null || !hasMore || state !== 'live') return
    const load = () => {
      if (element.scrollTop > loadAheadPx) return
      conversation.loadOlder().then(
        () => setTrouble(''),
        () => setTrouble('Older messages could not be loaded.'),
      )
    }
    load()
    element.addEventListener('scroll', load, { passive: true })
    return () => element.removeEventListener('scroll', load)
  }, [conversation, hasMore, state, turns])

  return (
    <div class="messages">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: scrolls with the keyboard */}
      <section class="scroller" ref={scroller} tabIndex={0} aria-label="Messages" data-testid="scroller">
        <div class="column turns" ref={content}>
          {hasMore && <p class="note note-middle">{trouble === '' ? 'Loading older messages…' : trouble}</p>}
          {turns.map((turn, index) => (
            <Turn key={keyOf(turn)} turn={turn} isLast={index === turns.length - 1} actions={conversation} />
          ))}
        </div>
      </section>
      {!isAtEnd && (
        <button type="button" class="to-end" onClick={() => keeper.toEnd()}>
          <DownIcon />
          Jump to latest
        </button>
      )}
    </div>
  )
}
