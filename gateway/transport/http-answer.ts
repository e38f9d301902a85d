import { tokenBytes } from '../../protocol/limits.ts'
import type { HttpHandler, Peer, TransportLog } from './transport.ts'

/**
 * Of a request's head, with all of its headers: the largest token (`tokenBytes`) and 4 KiB beside it. A larger head is
 * answered with 431 by the library, without a body.
 */
export const MAX_HEADER_BYTES = tokenBytes + 4 * 1024

/**
 * Calls the HTTP handler; never rejects. A client hears nothing of an exception but that there was one. One that comes
 * after the client went away is its own doing.
 */
export async function answerRequest(
  fetch: HttpHandler,
  request: Request,
  peer: Peer,
  log: TransportLog,
): Promise<Response> {
  try {
    return await fetch(request, peer)
  } catch (error) {
    if (request.signal.aborted) log.info({ err: error }, 'the HTTP client went away')
    else log.error({ err: error }, 'the HTTP handler failed')
    return new Response('internal error\n', { status: 500, headers: { 'content-type': 'text/plain' } })
  }
}

/** A plain request to the socket's path. RFC 9110, 15.5.22. */
export function upgradeRequiredResponse(): Response {
  const headers = { 'content-type': 'text/plain', upgrade: 'websocket', connection: 'upgrade' }
  return new Response('this path speaks WebSocket\n', { status: 426, headers })
}

/** Acts at once without a delay. */
export function after(delayMs: number | undefined, act: () => void): void {
  if (delayMs === undefined) act()
  else setTimeout(act, delayMs).unref()
}
