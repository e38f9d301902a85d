import { useLayoutEffect, useRef } from 'preact/hooks'
import { isSendKey } from './keys.ts'

export interface QuestionEditorProps {
  readonly content: string
  /** Without `content`: the user thought better of it. */
  readonly onEnd: (content?: string) => void
}

export function QuestionEditor({ content, onEnd }: QuestionEditorProps) {
  const field = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => {
    field.current?.focus()
    field.current?.setSelectionRange(content.length, content.length)
  }, [content])
  const end = () => onEnd(field.current?.value.trim())
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault()
        end()
      }}
    >
      <textarea
        ref={field}
        class="grows"
        aria-label="Edit your message"
        rows={1}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onEnd()
          if (!isSendKey(event)) return
          event.preventDefault()
          end()
        }}
      >
        {content}
      </textarea>
      <div class="editor-buttons">
        <button type="button" class="button" onClick={() => onEnd()}>
          Cancel
        </button>
        <button type="submit" class="button button-main">
          Send
        </button>
      </div>
    </form>
  )
}
