import type { Down } from '../protocol/down.ts'
import type { Metadata } from '../protocol/shapes.ts'
import type { Answer } from './answer.ts'
import type { Input } from './event.ts'
import type { NewMessage, Session, Unnumbered } from './state.ts'
import type { SessionView } from './view.ts'

/** One session, followed from here. Handles on the same session share what is known of it. */
export interface SessionHandle {
  /** Absent until the gateway has made the session. */
  readonly id: string | undefined
  /** What makes a repeated creation the same one; absent for a session that was there. */
  readonly key: string | undefined
  /** As it is now: the same object until something changes. */
  readonly view: SessionView
  /** Called after each change of the view, at most once per microtask. Returns how to unsubscribe. */
  subscribe(listener: (view: SessionView) => void): () => void
  /**
   * Sends a message and follows its answer. The first one makes a new session. Never throws: what cannot be sent has a
   * `failed` result. Kept through reconnects and sent once; at most `limits.maxPendingMessages` wait.
   */
  send(content: string, options?: SendOptions): Answer
  /** Ends a turn; by default the running one, or else the message that waits longest. Idempotent. */
  cancel(turn?: string): void
  /**
   * Loads the page before the oldest turn held; `limit` counts records, 1 to 100, default 50. Rejects with
   * `SluiceError`.
   */
  loadOlder(limit?: number): Promise<void>
  /** Sets the metadata's `title` and leaves the rest. Rejects with `SluiceError`. */
  rename(title: string): Promise<void>
  /** Replaces the metadata as a whole. Rejects with `SluiceError`. */
  update(metadata: Metadata): Promise<void>
  /** The last rating of a turn counts; 0 takes it back. Rejects with `SluiceError`. */
  giveFeedback(turn: string, rating: -1 | 0 | 1, options?: FeedbackOptions): Promise<void>
  /** Erases the session everywhere, a running turn included. Rejects with `SluiceError`. */
  delete(): Promise<void>
  /**
   * Stops following. Ends nothing at the gateway; messages not yet ended fail here. The session is let go with the last
   * of its handles.
   */
  close(): void
}

export interface SendOptions {
  /** The last turn, whose place this message takes: retry, edit. */
  readonly replaces?: string | undefined
  readonly model?: string | undefined
  readonly metadata?: Metadata | undefined
  /** Default: a random one. The same one again is the same message, also across page loads. */
  readonly messageId?: string | undefined
}

export interface FeedbackOptions {
  /** At most 4,000 UTF-16 units. */
  readonly comment?: string | undefined
  /** The user lets it be exported. */
  readonly share?: boolean | undefined
}

/** What a handle needs of the client. */
export interface HandlePort {
  session(local: string): Session | undefined
  view(local: string): SessionView
  dispatch(input: Input): void
  /** Of a session, or of none. Rejects with `SluiceError`. */
  call(local: string | undefined, request: Unnumbered): Promise<Down>
  send(local: string, message: NewMessage): Answer
  randomId(): string
  subscribe(local: string, listener: (view: SessionView) => void): () => void
  release(local: string): void
}

export function createHandle(port: HandlePort, local: string, key: string | undefined): SessionHandle {
  let isClosed = false
  let lastId: string | undefined
  let lastView: SessionView | undefined
  let loading: Promise<void> | undefined
  const unsubscribers = new Set<() => void>()
  const ask = async (request: Unnumbered): Promise<void> => {
    await port.call(local, request)
  }
  const update = async (metadata: Metadata): Promise<void> => {
    if (port.session(local)?.phase.kind === 'new') port.dispatch({ type: 'describe', local, metadata })
    else await ask({ type: 'session.update', session: '', metadata })
  }
  const load = async (limit: number | undefined): Promise<void> => {
    const session = port.session(local)
    if (session === undefined || !session.hasMore || session.position === undefined) return
    await ask({ type: 'history.get', session: '', before: session.firstSeq, limit })
  }
  return {
    get id() {
      lastId = port.session(local)?.id ?? lastId
      return lastId
    },
    key,
    get view() {
      return lastView ?? port.view(local)
    },
    subscribe(listener) {
      const stop = port.subscribe(local, listener)
      unsubscribers.add(stop)
      return () => {
        unsubscribers.delete(stop)
        stop()
      }
    },
    send: (content, options = {}) =>
      port.send(local, { ...options, content, messageId: options.messageId ?? port.randomId() }),
    cancel: (turn) => port.dispatch({ type: 'cancel', local, turn }),
    loadOlder(limit) {
      // Two at a time would ask for the same page.
      loading ??= load(limit).finally(() => {
        loading = undefined
      })
      return loading
    },
    rename: (title) => update({ ...port.view(local).metadata, title }),
    update,
    async giveFeedback(turn, rating, { comment, share } = {}) {
      const words = { comment, share }
      await ask({ type: 'feedback.give', session: '', turn, rating, ...words })
    },
    async delete() {
      if (port.session(local)?.phase.kind !== 'new') await ask({ type: 'session.delete', session: '' })
    },
    close() {
      if (isClosed) return
      isClosed = true
      lastView = port.view(local)
      for (const stop of unsubscribers) stop()
      port.release(local)
    },
  }
}
