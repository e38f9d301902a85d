import type { TransportLog } from './transport.ts'

/** What a client hears of an exception in the HTTP handler: nothing but that there was one. */
export function internalErrorResponse(error: unknown, log: TransportLog): Response {
  log.error({ err: error }, 'the HTTP handler failed')
  return new Response('internal error\n', { status: 500, headers: { 'content-type': 'text/plain' } })
}

/** A plain request to the socket's path. RFC 9110, 15.5.22. */
export function upgradeRequiredResponse(): Response {
  const headers = { 'content-type': 'text/plain', upgrade: 'websocket', connection: 'upgrade' }
  return new Response('this path speaks WebSocket\n', { status: 426, headers })
}
