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
  metadata: undefined,
  createdMs: undefined,
}

export function createNotifier(current: () => ClientState): Notifier {
  const listeners = new Set<(state: ConnectionState) => void>()
  const viewListeners = new Map<string, Set<(view: SessionView) => void>>()
  const views = new Map<string, CachedView>()
  let connection = connectionState(current())
  let told = connection
  let isPlanned = false
  const toldViews = new Map<string, SessionView>()

  function view(local: string): SessionView {
    const state = current()
    const session = state.sessions.get(local)
    if (session === undefined) return noView
    const cached = views.get(local)
    const isOnline = connectionState(state).kind === 'online'
    if (cached?.session === session && cached.isOnline === isOnline) return cached.view
    const made = { session, isOnline, view: viewOf(session, isOnline) }
    views.set(local, made)
    return made.view
  }

  function tell(): void {
    isPlanned = false
    if (connection !== told) {
      told = connection
      for (const listener of [...listeners]) safely(() => listener(connection))
    }
    for (const [local, hearing] of [...viewListeners]) {
      const now = view(local)
      if (toldViews.get(local) === now) continue
      toldViews.set(local, now)
      for (const listener of [...hearing]) safely(() => listener(now))
    }
  }

  return {
    changed(before) {
      const state = current()
      if (before.link !== state.link || before.leaving !== state.leaving) {
        const now = connectionState(state)
        if (JSON.stringify(now) !== JSON.stringify(connection)) connection = now
      }
      const isSame = connection === told && before.sessions === state.sessions
      if (isSame || isPlanned) return
      isPlanned = true
      // queueMicrotask is missing on some phones.
      Promise.resolve().then(tell, undefined)
    },
    connection: () => connection,
    view,
    forget: (local) => void views.delete(local),
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    subscribeView(local, listener) {
      const hearing = viewListeners.get(local) ?? new Set()
      if (hearing.size === 0) toldViews.set(local, view(local))
      viewListeners.set(local, hearing.add(listener))
      return () => {
        hearing.delete(listener)
        if (hearing.size > 0) return
        viewListeners.delete(local)
        toldViews.delete(local)
      }
    },
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
