import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { createHttpOrigin, type HttpOriginOptions } from '../../orchestrator/providers/http-origin.ts'

/**
 * A `fetch` that takes the gateway's own way to one address: its proxy, authority and certificate, and the headers that the gateway
 * sends, whatever the caller's are.
 */
export function originFetch(
  url: URL,
  options: HttpOriginOptions,
  headers: Readonly<Record<string, string>>,
): typeof fetch {
  return (_, init) =>
    new Promise((resolve, reject) => {
      const origin = createHttpOrigin(url, options)
      let giveUp: (() => void) | undefined
      const stop = () => {
        giveUp?.()
        origin.close()
        reject(init?.signal?.reason)
      }
      const posted = {
        connected: () => undefined,
        answered(message: IncomingMessage) {
          message.on('close', () => origin.close())
          init?.signal?.addEventListener('abort', () => message.destroy(), { once: true })
          resolve(responseOf(message))
        },
        failed(error: unknown) {
          origin.close()
          reject(error)
        },
      }
      const isPost = typeof init?.body === 'string'
      giveUp = isPost ? origin.post(headers, String(init?.body), posted) : origin.get(headers, posted)
      if (init?.signal?.aborted) stop()
      else init?.signal?.addEventListener('abort', stop, { once: true })
    })
}

/** Statuses that have no body, to which `Response` takes none. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304])

function responseOf(message: IncomingMessage): Response {
  const status = message.statusCode ?? 502
  const type = message.headers['content-type']
  const headers = type === undefined ? {} : { 'content-type': type }
  if (bodiless.has(status)) return new Response(null, { status, headers })
  // Node's stream of the web is the one that `Response` means; the two are declared apart.
  return new Response(Readable.toWeb(message) as ReadableStream<Uint8Array>, { status, headers })
}
