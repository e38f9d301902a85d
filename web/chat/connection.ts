import type { ConnectionState, SluiceClient } from '../../client/index.ts'
import { createCell, type Source } from './source.ts'

export interface Connection {
  readonly state: ConnectionState
  /** When it was last lost, in milliseconds since 1970; absent before the first loss and while all is well. */
  readonly lostMs: number | undefined
  /** The browser says that there is no network. */
  readonly isOffline: boolean
}

export function watchConnection(client: SluiceClient): Source<Connection> {
  const connection = createCell<Connection>({ state: client.state, lostMs: undefined, isOffline: !navigator.onLine })
  let wasOnline = false
  const look = () => {
    const { state } = client
    const isOnline = state.kind === 'online'
    const lostMs = isOnline ? undefined : (connection.current.lostMs ?? (wasOnline ? Date.now() : undefined))
    wasOnline ||= isOnline
    connection.set({ state, lostMs, isOffline: !navigator.onLine })
  }
  client.subscribe(look)
  addEventListener('online', look)
  addEventListener('offline', look)
  return connection
}
