import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { type Entry, titleOf } from '../chat/conversation-list.ts'
import { IconButton } from './icon-button.tsx'
import { DeleteIcon, EditIcon } from './icons.tsx'

export interface ConversationEntryProps {
  readonly entry: Entry
  readonly isShown: boolean
  readonly onSelect: () => void
  readonly onRename: (title: string) => void
  readonly onDelete: () => void
}

type Mode = 'shown' | 'renaming' | 'deleting'

export function ConversationEntry({ entry, isShown, onSelect, onRename, onDelete }: ConversationEntryProps) {
  const [mode, setMode] = useState<Mode>('shown')
  const row = useRef<HTMLLIElement>(null)
  const title = titleOf(entry)
  const wasBusy = useRef(false)
  useEffect(() => {
    // What had the focus is gone: give it to the entry's own button.
    if (mode === 'shown' && wasBusy.current) row.current?.querySelector('button')?.focus()
    wasBusy.current = mode !== 'shown'
  }, [mode])
  return (
    <li class={isShown ? 'entry entry-shown' : 'entry'} ref={row}>
      {mode === 'renaming' && (
        <RenameForm
          title={title}
          onEnd={(renamed) => {
            setMode('shown')
            if (renamed !== undefined && renamed !== '' && renamed !== title) onRename(renamed)
          }}
        />
      )}
      {mode === 'deleting' && <DeleteQuestion onYes={onDelete} onNo={() => setMode('shown')} />}
      {mode === 'shown' && (
        <>
          <button type="button" class="entry-title" aria-current={isShown ? 'true' : undefined} onClick={onSelect}>
            <span>{title}</span>
            {entry.running === true && <span class="pulse" role="img" aria-label="answering" />}
          </button>
          <span class="entry-tools">
            <IconButton label={`Rename “${title}”`} onClick={() => setMode('renaming')}>
              <EditIcon />
            </IconButton>
            <IconButton label={`Delete “${title}”`} onClick={() => setMode('deleting')}>
              <DeleteIcon />
            </IconButton>
          </span>
        </>
      )}
    </li>
  )
}

function RenameForm({ title, onEnd }: { readonly title: string; readonly onEnd: (title?: string) => void }) {
  const field = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => field.current?.select(), [])
  return (
    <form
      class="rename"
      onSubmit={(event) => {
        event.preventDefault()
        onEnd(field.current?.value.trim())
      }}
    >
      <input
        ref={field}
        aria-label="Title"
        defaultValue={title}
        maxLength={120}
        onBlur={() => onEnd(field.current?.value.trim())}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return
          // It ends this, not the list that a phone lays over the page.
          event.stopPropagation()
          onEnd()
        }}
      />
    </form>
  )
}

function DeleteQuestion({ onYes, onNo }: { readonly onYes: () => void; readonly onNo: () => void }) {
  const no = useRef<HTMLButtonElement>(null)
  useLayoutEffect(() => no.current?.focus(), [])
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape answers "keep" from either button
    <div
      class="delete-question"
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return
        event.stopPropagation()
        onNo()
      }}
    >
      <span>Delete for good?</span>
      <button type="button" class="link link-danger" onClick={onYes}>
        Delete
      </button>
      <button type="button" class="link" ref={no} onClick={onNo}>
        Keep
      </button>
    </div>
  )
}
