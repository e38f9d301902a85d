/**
 * Posts to one address over node:http, on connections that are kept. Between a message and the call stand neither a
 * client package nor `fetch`: together they cost more than the request itself (docs/decisions/0031).
 */
import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import { urlToHttpOptions } from 'node:url'

/** What is read of a refusal's body, in bytes; the rest is left. */
const refusalBytes = 64 * 1024
/** Connections to one provider at once; one more call waits for one of them. */
const socketsMax = 16_384
/** Connections kept for the next calls, and for how long, in milliseconds; others are closed. */
const idleSocketsMax = 256
const idleSocketMs = 30_000

/** What is told of a request, never before `post` has returned. */
export interface Posted {
  /** The connection stands. */
  connected(): void
  /** The headers came. Whoever is told reads the body or destroys it. */
  answered(message: http.IncomingMessage): void
  /** It could not be sent, or broke before the headers. */
  failed(error: unknown): void
}

export interface HttpOrigin {
  /** Sends JSON. Returns how to give the request up: its connection is closed. */
  post(headers: Readonly<Record<string, string>>, json: string, posted: Posted): () => void
  close(): void
}

export function createHttpOrigin(url: URL): HttpOrigin {
  const isSecure = url.protocol === 'https:'
  const settings = { keepAlive: true, maxSockets: socketsMax, maxFreeSockets: idleSocketsMax, timeout: idleSocketMs }
  const agent = isSecure ? new https.Agent(settings) : new http.Agent(settings)
  const { request } = isSecure ? https : http
  const target = { ...urlToHttpOptions(url), method: 'POST' }

  function post(headers: Readonly<Record<string, string>>, json: string, posted: Posted): () => void {
    let outgoing: http.ClientRequest | undefined
    let isSettled = false
    const send = (by: http.Agent | false): void => {
      const sent = request({ ...target, headers: { ...standardHeaders, ...headers }, agent: by })
      outgoing = sent
      sent.on('socket', (socket) => whenConnected(socket, isSecure, () => posted.connected()))
      sent.on('response', (message) => {
        isSettled = true
        posted.answered(message)
      })
      sent.on('error', (error) => {
        // A server may close an idle connection just when it is used again; it has seen nothing of this request then. (An
        // answer that breaks off is told here too.)
        const wasIdle = sent.reusedSocket && 'code' in error && error.code === 'ECONNRESET'
        // The second time on a connection of its own.
        if (wasIdle && by !== false && !isSettled) attempt(false)
        else posted.failed(error)
      })
      sent.end(json)
    }
    const attempt = (by: http.Agent | false): void => {
      try {
        send(by)
      } catch (error) {
        // Such as a key that no header can carry.
        process.nextTick(() => posted.failed(error))
      }
    }
    attempt(agent)
    return () => {
      isSettled = true
      outgoing?.destroy()
    }
  }

  return { post, close: () => agent.destroy() }
}

const standardHeaders = { 'content-type': 'application/json', accept: 'application/json', 'user-agent': 'sluice' }

function whenConnected(socket: Socket, isSecure: boolean, connected: () => void): void {
  if (socket.connecting) socket.once(isSecure ? 'secureConnect' : 'connect', connected)
  else connected()
}

/** The beginning of a body, as far as it comes. Never rejects. */
export async function boundedText(message: http.IncomingMessage): Promise<string> {
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
