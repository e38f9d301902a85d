import type { ConnectionState, Refusal } from '../../client/index.ts'

/** What went wrong, for a person: what it means for them first, then what the gateway said. */
export function describeRefusal({ kind, message, retryAfterMs }: Pick<Refusal, 'kind' | 'message' | 'retryAfterMs'>): {
  readonly title: string
  readonly detail: string
} {
  const detail = retryAfterMs === undefined ? sentence(message) : `${sentence(message)} ${waitText(retryAfterMs)}`
  return { title: titles[kind] ?? 'Something went wrong.', detail }
}

const titles: Readonly<Record<Refusal['kind'], string>> = {
  invalid: 'This message could not be taken.',
  unauthenticated: 'You are not signed in any more.',
  forbidden: 'You may not do this.',
  'not-found': 'This is not here any more.',
  conflict: 'Something else came first.',
  'too-large': 'This message is too long.',
  'rate-limited': 'Too many requests at once.',
  busy: 'The server is busy.',
  'over-budget': 'The budget is used up.',
  unavailable: 'The server could not be reached in time.',
  provider: 'The model failed to answer.',
  filtered: 'The answer was held back by a content filter.',
  internal: 'Something broke on the server.',
}

function sentence(message: string): string {
  const text = message.trim()
  if (text === '') return ''
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
}

function waitText(waitMs: number): string {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  return `It may work again in ${seconds === 1 ? 'a second' : `${seconds} seconds`}.`
}

/** Nothing to say while all is well. `wasOnline`: there was a connection to lose. */
export function describeConnection(state: ConnectionState, isOffline: boolean, wasOnline: boolean): string | undefined {
  switch (state.kind) {
    case 'idle':
    case 'online':
      return undefined
    case 'connecting':
      return isOffline ? 'You are offline.' : wasOnline ? 'Reconnecting…' : 'Connecting…'
    case 'refreshing':
      return 'Signing in again…'
    case 'waiting':
      return isOffline ? 'You are offline.' : wasOnline ? 'Connection lost.' : unableToConnect(state.error)
    case 'stopped':
      return stopped(state)
  }
}

function unableToConnect(error: Refusal | undefined): string {
  return error === undefined ? 'Unable to connect.' : `Unable to connect: ${error.message}.`
}

function stopped({ code, reason }: { readonly code: number; readonly reason: string }): string {
  if (code >= 4400 && code <= 4499) {
    return reason === ''
      ? 'The server did not accept the sign-in.'
      : `The server did not accept the sign-in: ${reason}.`
  }
  if (code === 4502) return 'The server does not accept this page’s address.'
  return reason === '' ? `The server closed the connection (${code}).` : `The server closed the connection: ${reason}.`
}
