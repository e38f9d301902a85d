import { tokenBytes } from '../../protocol/limits.ts'
import type { HttpHandler, Peer, TransportLog, WholeAnswer } from './transport.ts'

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

export const badRequest: WholeAnswer = { status: 400, headers: {}, body: new Uint8Array(0), isLast: true }
export const notFound: WholeAnswer = { ...badRequest, status: 404 }

/** A plain request to the socket's path. RFC 9110, 15.5.22. */
export const upgradeRequired: WholeAnswer = {
  status: 426,
  headers: { 'content-type': 'text/plain', upgrade: 'websocket', connection: 'upgrade' },
  body: Buffer.from(
    'this path speaks WebSocket: a proxy in front has to pass `Upgrade` and `Connection: Upgrade` on, in HTTP/1.1\n',
  ),
}

/** Acts at once without a delay. */
export function after(delayMs: number | undefined, act: () => void): void {
  if (delayMs === undefined) act()
  else setTimeout(act, delayMs).unref()
}
