import type { DownOf } from '../protocol/down.ts'
import { createConnectionShell } from './connection-shell.ts'
import type { ClientOptions } from './options.ts'
import { createHandle, type HandlePort, type SessionHandle } from './session-handle.ts'
import type { Creation, Stats, Target } from './state.ts'
import type { ConnectionState } from './view.ts'

/** One connection to a gateway and the sessions that are followed over it. */
export interface SluiceClient {
  readonly state: ConnectionState
  /** Counts since the client was made. */
  readonly stats: Stats
  /** Called after each change of `state`. Returns how to unsubscribe. */
  subscribe(listener: (state: ConnectionState) => void): () => void
  /** Begins, or begins again after a stop. Idempotent; what goes wrong shows in `state`. */
  connect(): void
  /** The app came to the foreground: for platforms without `document` (React Native's AppState). */
  wake(): void
  /** Ends the connection. Sessions and what is shown of them stay; messages not yet ended fail. */
  close(): void
  /** Follows a session that exists. */
  session(id: string): SessionHandle
  /** A session that is made with its first message, exactly once by `key` (default: a random one). */
  newSession(options?: NewSessionOptions): SessionHandle
  /** The subject's sessions, the latest used first. Rejects with `SluiceError`. */
  listSessions(options?: { readonly before?: string; readonly limit?: number }): Promise<SessionList>
}

export type NewSessionOptions = Partial<Creation>
export type SessionList = Pick<DownOf<'session.page'>, 'sessions' | 'next'>

/** Makes a client. It does nothing before `connect`. Throws `TypeError` without any WebSocket class. */
export function createClient(options: ClientOptions): SluiceClient {
  const shell = createConnectionShell(options)
  const handles = new Map<string, number>()
  let locals = 0

  const port: HandlePort = {
    ...shell.port,
    release(local) {
      const count = (handles.get(local) ?? 1) - 1
      handles.set(local, count)
      if (count > 0) return
      handles.delete(local)
      shell.port.release(local)
    },
  }

  function handle(known: string | undefined, target: Target): SessionHandle {
    const local = known ?? `s${++locals}`
    if (known === undefined) port.dispatch({ type: 'watch', local, target })
    handles.set(local, (handles.get(local) ?? 0) + 1)
    return createHandle(port, local, port.session(local)?.creation?.key)
  }

  return {
    get state() {
      return shell.connection()
    },
    get stats() {
      return shell.stats()
    },
    subscribe: shell.subscribe,
    connect: shell.connect,
    wake: () => port.dispatch({ type: 'wake' }),
    close: shell.close,
    session: (id) =>
      handle(
        shell.find((session) => session.id === id),
        { id },
      ),
    newSession({ key = port.randomId(), ...rest } = {}) {
      const creation = { key, ...rest }
      return handle(
        shell.find((session) => session.creation?.key === key),
        { creation },
      )
    },
    async listSessions(page) {
      const frame = await port.call(undefined, { type: 'session.list', ...page })
      return frame.type === 'session.page' ? frame : { sessions: [] }
    },
  }
}
