/**
 * `fetch` for the `openai` package over node:http, with the body kept aside.
 *
 * The package builds the request and types the errors; its stream decoding costs 25–32 µs a token, reading the socket's
 * chunks ourselves less than half. So a successful response's body is not in the `Response` but in `bodyOf`, and whoever
 * makes the call must read or destroy it. A refusal's body is in the `Response`, bounded.
 */
import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'

/** What is read of a refusal's body, in bytes; the rest is left. */
const refusalBytes = 64 * 1024
/** Connections to one provider at once; one more call waits for one of them. */
const socketsMax = 16_384
/** Connections kept for the next calls, and for how long, in milliseconds; others are closed. */
const idleSocketsMax = 256
const idleSocketMs = 30_000

export interface NodeFetch {
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>
  /** The body of a response that this fetch answered with a status of success. */
  bodyOf(response: Response): http.IncomingMessage | undefined
  close(): void
}

/** For the `openai` package's `fetchOptions`, which it hands on: `connected` is called when the connection stands. */
export function telling(connected: () => void): Omit<TellingInit, 'body' | 'headers' | 'method' | 'signal'> {
  return { connected }
}

interface TellingInit extends RequestInit {
  readonly connected?: () => void
}

export function createNodeFetch(): NodeFetch {
  const settings = { keepAlive: true, maxSockets: socketsMax, maxFreeSockets: idleSocketsMax, timeout: idleSocketMs }
  const agents = { 'http:': new http.Agent(settings), 'https:': new https.Agent(settings) }
  const bodies = new WeakMap<Response, http.IncomingMessage>()
  return {
    async fetch(input, init = {}) {
      const message = await request(new URL(input instanceof Request ? input.url : input), init, agents)
      const status = message.statusCode ?? 0
      const isSuccess = status >= 200 && status < 300
      const text = isSuccess ? null : await boundedText(message)
      const response = new Response(text, {
        status: isRepresentable(status) ? status : 502,
        headers: headersOf(message),
      })
      if (isSuccess) bodies.set(response, message)
      return response
    },
    bodyOf: (response) => bodies.get(response),
    close() {
      agents['http:'].destroy()
      agents['https:'].destroy()
    },
  }
}

/** Without agents: on a connection of its own. */
function request(
  url: URL,
  init: TellingInit,
  agents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent } | undefined,
): Promise<http.IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>()
  const isSecure = url.protocol === 'https:'
  const headers = Object.fromEntries(new Headers(init.headers ?? {}))
  const options = {
    method: init.method ?? 'GET',
    headers,
    agent: agents === undefined ? (false as const) : isSecure ? agents['https:'] : agents['http:'],
    ...(init.signal ? { signal: init.signal } : {}),
  }
  const outgoing = isSecure ? https.request(url, options, resolve) : http.request(url, options, resolve)
  const { connected } = init
  if (connected !== undefined) outgoing.on('socket', (socket) => whenConnected(socket, isSecure, connected))
  outgoing.on('error', (error) => {
    // A server may close an idle connection just when it is used again; it has seen nothing of this request then.
    const wasIdle = outgoing.reusedSocket && 'code' in error && error.code === 'ECONNRESET'
    if (wasIdle && agents !== undefined && !init.signal?.aborted) request(url, init, undefined).then(resolve, reject)
    else reject(error)
  })
  if (init.body === undefined || init.body === null) outgoing.end()
  else if (typeof init.body === 'string') outgoing.end(init.body)
  else outgoing.destroy(new Error('unable to send: only text bodies are supported'))
  return promise
}

function whenConnected(socket: Socket, isSecure: boolean, connected: () => void): void {
  if (socket.connecting) socket.once(isSecure ? 'secureConnect' : 'connect', connected)
  else connected()
}

/** What a `Response` may carry; a provider that answers 101 or 700 is as good as a broken gateway. */
function isRepresentable(status: number): boolean {
  return status >= 200 && status <= 599 && status !== 204 && status !== 205 && status !== 304
}

function headersOf(message: http.IncomingMessage): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(message.headers)) {
    if (value === undefined) continue
    for (const each of Array.isArray(value) ? value : [value]) headers.append(name, each)
  }
  return headers
}

async function boundedText(message: http.IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  try {
    for await (const piece of message) {
      // Without an encoding set, a body comes in buffers.
      const buffer = piece as Buffer
      pieces.push(buffer.subarray(0, refusalBytes - bytes))
      bytes += buffer.length
      if (bytes >= refusalBytes) break
    }
  } catch {
    // A refusal that breaks off says as much as it said.
  }
  return Buffer.concat(pieces).toString()
}
