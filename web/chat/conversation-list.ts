import type { SessionList, SluiceClient } from '../../client/index.ts'
import { createCell, type Source } from './source.ts'

export type Entry = SessionList['sessions'][number]

export interface Listed {
  readonly entries: readonly Entry[]
  /** More can be loaded. */
  readonly next: string | undefined
  /** The first page has come at least once. */
  readonly isKnown: boolean
}

export interface ConversationList {
  readonly listed: Source<Listed>
  /** Asks again, soon and once, however often it is called. */
  refresh(): void
  /** Rejects with `SluiceError`, like the two below. */
  loadMore(): Promise<void>
  rename(entry: Entry, title: string): Promise<void>
  delete(entry: Entry): Promise<void>
}

/** Several turns in a row change the list several times; it is asked for at most this often, in milliseconds. */
const refreshMs = 400
const pageSize = 50
const titleLength = 120

/**
 * The user's conversations. The gateway does not push this list: it is asked for when something here changed it, when
 * another tab says so, and when the user comes back to the page.
 */
export function createConversationList(client: SluiceClient): ConversationList {
  const listed = createCell<Listed>({ entries: [], next: undefined, isKnown: false })
  const channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel('sluice.conversations')
  let isPlanned = false
  let wasOnline = false

  function plan(): void {
    if (isPlanned) return
    isPlanned = true
    setTimeout(() => {
      isPlanned = false
      if (client.state.kind === 'online') load().catch(() => undefined)
    }, refreshMs)
  }

  async function load(): Promise<void> {
    const { sessions, next } = await client.listSessions({ limit: pageSize })
    const ids = new Set(sessions.map(({ session }) => session))
    const last = sessions.at(-1)
    // Pages loaded further down stay, but for what moved up or is within the new first page's range.
    const older = listed.current.entries.filter(
      ({ session, updatedMs }) => next !== undefined && !ids.has(session) && updatedMs < (last?.updatedMs ?? 0),
    )
    const cursor = older.length > 0 ? listed.current.next : next
    listed.set({ entries: [...sessions, ...older], next: cursor, isKnown: true })
  }

  function put(change: (entries: readonly Entry[]) => readonly Entry[]): void {
    listed.set({ ...listed.current, entries: change(listed.current.entries) })
    channel?.postMessage('changed')
  }

  async function withHandle<T>(
    id: string,
    act: (handle: ReturnType<SluiceClient['session']>) => Promise<T>,
  ): Promise<T> {
    const handle = client.session(id)
    try {
      return await act(handle)
    } finally {
      handle.close()
    }
  }

  channel?.addEventListener('message', plan)
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') plan()
  })
  client.subscribe(({ kind }) => {
    if (kind === 'online' && !wasOnline) plan()
    wasOnline = kind === 'online'
  })

  return {
    listed,
    refresh() {
      plan()
      channel?.postMessage('changed')
    },
    async loadMore() {
      const { next, entries } = listed.current
      if (next === undefined) return
      const page = await client.listSessions({ before: next, limit: pageSize })
      const known = new Set(entries.map(({ session }) => session))
      const added = page.sessions.filter(({ session }) => !known.has(session))
      listed.set({ ...listed.current, entries: [...entries, ...added], next: page.next })
    },
    async rename({ session, metadata }, title) {
      const renamed = { ...metadata, title: title.trim().slice(0, titleLength) }
      await withHandle(session, (handle) => handle.update(renamed))
      put((entries) => entries.map((entry) => (entry.session === session ? { ...entry, metadata: renamed } : entry)))
    },
    async delete({ session }) {
      await withHandle(session, (handle) => handle.delete())
      put((entries) => entries.filter((entry) => entry.session !== session))
    },
  }
}

export function titleOf(entry: Pick<Entry, 'preview' | 'metadata'> | undefined): string {
  const title = entry?.metadata?.title
  if (typeof title === 'string' && title !== '') return title
  const preview = entry?.preview.replaceAll(/\s+/g, ' ').trim() ?? ''
  return preview === '' ? 'New conversation' : preview
}
