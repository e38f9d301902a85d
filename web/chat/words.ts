import type { ConnectionState, Refusal, TurnView } from '../../client/index.ts'

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

/** What is said under an answer that is not whole, unless `describeRefusal` says it. Undefined: there is nothing to say. */
export function describeEnding({
  ending,
  text,
  finishReason,
}: Pick<TurnView, 'ending' | 'text' | 'finishReason'>): string | undefined {
  const hasText = text.trim() !== ''
  switch (ending) {
    case 'empty':
      return finishReason === 'length'
        ? 'The model gave no answer: it reached its greatest length before it wrote one. Ask for less, or ask again.'
        : 'The model gave no answer. Ask again, or put the question in other words.'
    case 'length':
      return 'The answer reached its greatest length and ends here. Ask for the rest.'
    case 'filtered':
      return hasText
        ? 'A content filter stopped the answer here. Put the question in other words.'
        : 'A content filter held the answer back. Put the question in other words.'
    case 'offline':
      return 'No model could answer. This text comes from the operator of this server. Ask again later.'
    case 'cancelled':
      return hasText ? 'Stopped here.' : 'Stopped before it began.'
    case 'deleted':
      return hasText
        ? 'The conversation was deleted while this was being written. What you see is not the whole answer.'
        : 'The conversation was deleted before an answer began.'
    case 'lost':
      return hasText
        ? 'The server lost the conversation while this was being written. What you see is not the whole answer; copy it if you need it.'
        : 'The server lost the conversation before an answer began.'
    default:
      return undefined
  }
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
