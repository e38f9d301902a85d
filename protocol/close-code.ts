/**
 * Close codes. A client that does not know a code acts by its range, so that codes can be added:
 *
 * | range     | the client |
 * |-----------|------------|
 * | 4000–4399 | reconnects with backoff |
 * | 4400–4499 | gets a new token, then reconnects |
 * | 4500–4999 | does not reconnect |
 * | any other | as 4000 (1000 sent by the client itself ends it) |
 */
export const closeCodes = {
  internal: 4000,
  goingAway: 4001,
  unresponsive: 4002,
  helloTimeout: 4003,
  tooFast: 4100,
  tooManySockets: 4101,
  unavailable: 4102,
  unauthenticated: 4400,
  tokenExpired: 4401,
  protocol: 4500,
  tooManyErrors: 4501,
  originNotAllowed: 4502,
  tokenInUrl: 4503,
} as const

export type CloseCodeName = keyof typeof closeCodes
export type CloseCode = (typeof closeCodes)[CloseCodeName]

export type AfterClose = 'reconnect' | 'refresh-token' | 'stop'

/** What a client does after a socket was closed with `code` by the other side. */
export function afterClose(code: number): AfterClose {
  if (code >= 4400 && code <= 4499) return 'refresh-token'
  if (code >= 4500 && code <= 4999) return 'stop'
  return 'reconnect'
}

/** A close frame's reason holds at most 123 bytes of UTF-8 (RFC 6455, section 5.5). */
export const closeReasonBytes = 123
