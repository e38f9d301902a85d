import { useEffect, useRef, useState } from 'preact/hooks'
import type { ConversationList, Entry } from '../chat/conversation-list.ts'
import { ConversationEntry } from './conversation-entry.tsx'
import { IconButton } from './icon-button.tsx'
import { CloseIcon, Logo, NewIcon } from './icons.tsx'
import { useSource } from './use-source.ts'

export interface SidebarProps {
  readonly list: ConversationList
  /** The conversation shown. */
  readonly session: string | undefined
  /** On a phone it lies over the conversation. */
  readonly isOpen: boolean
  readonly onSelect: (session: string | undefined) => void
  readonly onClose: () => void
}

export function Sidebar({ list, session, isOpen, onSelect, onClose }: SidebarProps) {
  const { entries, next, isKnown } = useSource(list.listed)
  const [trouble, setTrouble] = useState('')
  const root = useRef<HTMLElement>(null)
  useEffect(() => {
    if (isOpen) root.current?.querySelector('button')?.focus()
  }, [isOpen])
  const attempt = (done: Promise<void>) => {
    setTrouble('')
    done.catch((error: unknown) => setTrouble(error instanceof Error ? error.message : String(error)))
  }
  const remove = (entry: Entry) => {
    const deleted = list.delete(entry).then(() => {
      if (entry.session === session) onSelect(undefined)
    })
    attempt(deleted)
  }
  return (
    <aside class={isOpen ? 'sidebar sidebar-open' : 'sidebar'} id="sidebar" ref={root} aria-label="Conversations">
      <div class="sidebar-head">
        <Logo />
        <span class="brand">Sluice</span>
        <IconButton label="Close conversations" class="narrow-only" onClick={onClose}>
          <CloseIcon />
        </IconButton>
      </div>
      <button type="button" class="new" onClick={() => onSelect(undefined)}>
        <NewIcon />
        New conversation
      </button>
      <nav class="entries" aria-label="Your conversations">
        <ul>
          {entries.map((entry) => (
            <ConversationEntry
              key={entry.session}
              entry={entry}
              isShown={entry.session === session}
              onSelect={() => onSelect(entry.session)}
              onRename={(title) => attempt(list.rename(entry, title))}
              onDelete={() => remove(entry)}
            />
          ))}
        </ul>
        {isKnown && entries.length === 0 && <p class="note entries-none">Your conversations will be listed here.</p>}
        {next !== undefined && (
          <button type="button" class="link" onClick={() => attempt(list.loadMore())}>
            Show more
          </button>
        )}
      </nav>
      {trouble !== '' && (
        <p class="note sidebar-trouble" role="alert">
          {trouble}
        </p>
      )}
    </aside>
  )
}
