import { useEffect, useRef, useState } from 'preact/hooks'
import type { SluiceClient } from '../../client/index.ts'
import { sessionInAddress } from '../chat/address.ts'
import type { Connection } from '../chat/connection.ts'
import type { Conversation } from '../chat/conversation.ts'
import { type ConversationList, titleOf } from '../chat/conversation-list.ts'
import type { Source } from '../chat/source.ts'
import type { TokenDesk } from '../chat/token-desk.ts'
import { describeRefusal } from '../chat/words.ts'
import { Announcer } from './announcer.tsx'
import { Composer } from './composer.tsx'
import { ConnectionNotice } from './connection-notice.tsx'
import { EmptyState } from './empty-state.tsx'
import { IconButton } from './icon-button.tsx'
import { MenuIcon } from './icons.tsx'
import { MessageList } from './message-list.tsx'
import { Sidebar } from './sidebar.tsx'
import { ThemeToggle } from './theme-toggle.tsx'
import { TokenForm } from './token-form.tsx'
import { useSource } from './use-source.ts'

export interface AppProps {
  readonly client: SluiceClient
  readonly desk: TokenDesk
  readonly conversation: Conversation
  readonly list: ConversationList
  readonly connection: Source<Connection>
}

export function App({ client, desk, conversation, list, connection }: AppProps) {
  const shown = useSource(conversation.shown)
  const wish = useSource(desk.wish)
  const [isMenuOpen, setMenuOpen] = useState(false)
  const [suggestion, setSuggestion] = useState<{ readonly text: string } | undefined>(undefined)
  const menuPlace = useRef<HTMLDivElement>(null)

  useEffect(() => {
    const look = () => conversation.select(sessionInAddress())
    addEventListener('popstate', look)
    return () => removeEventListener('popstate', look)
  }, [conversation])
  const closeMenu = () => setMenuOpen(false)
  useEffect(() => {
    if (!isMenuOpen) return
    const close = (event: KeyboardEvent) => {
      if (event.key === 'Escape') setMenuOpen(false)
    }
    addEventListener('keydown', close)
    return () => {
      removeEventListener('keydown', close)
      // Closed: what is behind it takes the focus again, where the user came from.
      menuPlace.current?.querySelector('button')?.focus()
    }
  }, [isMenuOpen])
  const select = (session: string | undefined) => {
    setMenuOpen(false)
    setSuggestion(undefined)
    conversation.select(session)
  }
  const title = useTitle(list, shown.session)
  const isEmpty = shown.turns.length === 0 && !shown.view.hasMore

  return (
    <div class="app">
      <button type="button" class="skip" onClick={skipToMessage}>
        Skip to the message field
      </button>
      <Sidebar list={list} session={shown.session} isOpen={isMenuOpen} onSelect={select} onClose={closeMenu} />
      {isMenuOpen && <div class="veil" onClick={closeMenu} aria-hidden="true" />}
      <main class="main" inert={isMenuOpen}>
        <header class="head">
          <div class="narrow-only" ref={menuPlace}>
            <IconButton
              label="Conversations"
              isExpanded={isMenuOpen}
              controls="sidebar"
              onClick={() => setMenuOpen(true)}
            >
              <MenuIcon />
            </IconButton>
          </div>
          <h1 class="title">{title}</h1>
          <ThemeToggle />
        </header>
        {isEmpty ? (
          <Vacancy shown={shown} onSuggest={(text) => setSuggestion({ text })} />
        ) : (
          <MessageList shown={shown} conversation={conversation} />
        )}
        <div class="foot column">
          <Ending shown={shown} onNew={() => select(undefined)} />
          <ConnectionNotice connection={connection} client={client} />
          <Composer shown={shown} conversation={conversation} suggestion={suggestion} />
        </div>
        <Announcer shown={shown} />
      </main>
      {wish.kind === 'paste' && (
        <TokenForm
          wasRefused={wish.wasRefused}
          onToken={(token) => {
            desk.paste(token)
            client.connect()
          }}
        />
      )}
    </div>
  )
}

type WithShown = { readonly shown: Conversation['shown']['current'] }

/** There is nothing to read: a new conversation, one that is being fetched, or one that is not there. */
function Vacancy({ shown, onSuggest }: WithShown & { readonly onSuggest: (text: string) => void }) {
  if (shown.session === undefined) return <EmptyState onSuggest={onSuggest} />
  const isFetching = shown.view.state === 'opening' || shown.view.state === 'away'
  return <div class="empty">{isFetching && <p class="note appears-late">Loading…</p>}</div>
}

/** Why nothing more can be written here. */
function Ending({ shown, onNew }: WithShown & { readonly onNew: () => void }) {
  const { state, error } = shown.view
  if (state !== 'deleted' && state !== 'lost' && state !== 'refused') return null
  const refused = error === undefined ? undefined : describeRefusal(error)
  return (
    <div class="failure" role="alert" data-testid="ending">
      <p class="failure-title">{endings[state]}</p>
      {state !== 'lost' && refused !== undefined && <p>{refused.detail}</p>}
      <button type="button" class="link" onClick={onNew}>
        Begin a new conversation
      </button>
    </div>
  )
}

const endings = {
  deleted: 'This conversation is gone, or it never was yours.',
  lost: 'The server has lost this conversation. What you see is all that is left of it.',
  refused: 'The server does not open this conversation.',
} as const

function useTitle(list: ConversationList, session: string | undefined): string {
  const { entries } = useSource(list.listed)
  const entry = session === undefined ? undefined : entries.find((candidate) => candidate.session === session)
  const title = titleOf(entry)
  useEffect(() => {
    document.title = entry === undefined ? 'Sluice' : `${title} · Sluice`
  }, [title, entry])
  return title
}

function skipToMessage(): void {
  document.querySelector<HTMLTextAreaElement>('.composer textarea')?.focus()
}
