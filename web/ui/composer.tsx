import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { TurnView } from '../../client/index.ts'
import type { Conversation, Shown } from '../chat/conversation.ts'
import { browserStorage } from '../chat/storage.ts'
import { SendIcon, StopIcon } from './icons.tsx'
import { hasKeyboard, isSendKey } from './keys.ts'
import { isEnded } from './turn.tsx'

export interface ComposerProps {
  readonly shown: Shown
  readonly conversation: Conversation
  /** The suggestion that was chosen. */
  readonly suggestion: { readonly text: string } | undefined
}

/** Where the user writes. The draft of each conversation is kept until it is sent. */
export function Composer({ shown, conversation, suggestion }: ComposerProps) {
  const field = useRef<HTMLTextAreaElement>(null)
  const [isEmpty, setEmpty] = useState(true)
  const draftKey = `draft.${shown.session ?? 'new'}`
  // The one that is answered, before those that wait behind it.
  const running = shown.turns.find((turn) => !isEnded(turn))

  const put = (text: string) => {
    if (field.current !== null) field.current.value = text
    setEmpty(text.trim() === '')
  }
  // Not for another draft key: a new conversation that gets its id keeps what is written.
  useLayoutEffect(() => {
    put(browserStorage.read(draftKey) ?? '')
    // On a phone it would raise the keyboard over what there is to read.
    if (hasKeyboard()) field.current?.focus()
  }, [shown.key])
  useLayoutEffect(() => {
    if (suggestion === undefined) return
    put(suggestion.text)
    field.current?.focus()
  }, [suggestion])

  const changed = () => {
    const text = field.current?.value ?? ''
    setEmpty(text.trim() === '')
    browserStorage.write(draftKey, text === '' ? undefined : text)
  }
  const send = () => {
    const text = field.current?.value.trim() ?? ''
    if (text === '') return
    conversation.send(text)
    browserStorage.write(draftKey, undefined)
    put('')
    field.current?.focus()
  }
  const isGone = shown.view.state === 'deleted' || shown.view.state === 'lost'
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <div class="composer-box">
        <textarea
          ref={field}
          class="grows"
          rows={1}
          aria-label="Message"
          placeholder={isGone ? 'This conversation is gone' : 'Write a message'}
          disabled={isGone}
          enterkeyhint={hasKeyboard() ? 'send' : 'enter'}
          onInput={changed}
          onKeyDown={(event) => {
            if (!isSendKey(event)) return
            event.preventDefault()
            send()
          }}
        />
        {running !== undefined && <StopButton turn={running} onStop={(turn) => conversation.stop(turn)} />}
        {(running === undefined || !isEmpty) && (
          <button type="submit" class="round" aria-label="Send" title="Send" disabled={isEmpty}>
            <SendIcon />
          </button>
        )}
      </div>
      <p class="composer-hint">Models make mistakes. Enter sends, Shift + Enter begins a new line.</p>
    </form>
  )
}

function StopButton({ turn, onStop }: { readonly turn: TurnView; readonly onStop: (turn: TurnView) => void }) {
  const label = turn.state === 'unsent' ? 'Do not send' : 'Stop'
  return (
    <button type="button" class="round round-stop" aria-label={label} title={label} onClick={() => onStop(turn)}>
      <StopIcon />
    </button>
  )
}
