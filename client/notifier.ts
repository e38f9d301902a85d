import type { ClientState, Session } from './state.ts'
import { type ConnectionState, connectionState, type SessionView, viewOf } from './view.ts'

/**
 * Tells listeners what changed, at most once per microtask, however many events there were. Views are made when they
 * are looked at and kept until their session is another object, so a session that nobody shows costs nothing.
 */
export interface Notifier {
  /** Something may differ from `before`; listeners hear of it in a microtask. */
  changed(before: ClientState): void
  connection(): ConnectionState
  view(local: string): SessionView
  subscribe(listener: (state: ConnectionState) => void): () => void
  subscribeView(local: string, listener: (view: SessionView) => void): () => void
  /** The session is not followed any more. */
  forget(local: string): void
}

interface CachedView {
  readonly session: Session
  readonly isOnline: boolean
  readonly view: SessionView
}

const noView: SessionView = {
  state: 'away',
  turns: [],
  hasMore: false,
}

export function createNotifier(current: () => ClientState): Notifier {
  const checks = new Set<() => void>()
  const views = new Map<string, CachedView>()
  let connection = connectionState(current())
  let isPlanned = false

  function view(local: string): SessionView {
    const state = current()
    const session = state.sessions.get(local)
    if (session === undefined) return noView
    const cached = views.get(local)
    const isOnline = connection.kind === 'online'
    if (cached?.session === session && cached.isOnline === isOnline) return cached.view
    const made = { session, isOnline, view: viewOf(session, isOnline) }
    views.set(local, made)
    return made.view
  }

  function tell(): void {
    isPlanned = false
    for (const check of [...checks]) safely(check)
  }

  /** Calls the listener whenever `look` sees something else than before. */
  function watch<T>(look: () => T, listener: (value: T) => void): () => void {
    let told = look()
    const check = () => {
      const now = look()
      if (now === told) return
      told = now
      listener(now)
    }
    checks.add(check)
    return () => void checks.delete(check)
  }

  return {
    changed(before) {
      const state = current()
      if (before.link !== state.link || before.leaving !== state.leaving) {
        const now = connectionState(state)
        if (JSON.stringify(now) !== JSON.stringify(connection)) connection = now
      }
      if (isPlanned || checks.size === 0) return
      isPlanned = true
      // queueMicrotask is missing on some phones.
      void Promise.resolve().then(tell)
    },
    connection: () => connection,
    view,
    forget: (local) => void views.delete(local),
    subscribe: (listener) => watch(() => connection, listener),
    subscribeView: (local, listener) => watch(() => view(local), listener),
  }
}

/** A listener that throws is the application's bug: it surfaces there, and the others still hear. */
function safely(tellOne: () => void): void {
  try {
    tellOne()
  } catch (error) {
    setTimeout(() => {
      throw error
    })
  }
}
