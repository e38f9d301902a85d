/**
 * Posts to one address over node:http, on connections that are kept. Between a message and the call stand neither a
 * client package nor `fetch`: together they cost more than the request itself (docs/decisions/0031).
 *
 * Through a proxy, Node's own agent does the work: a `CONNECT` tunnel to an https address, the whole URL in the request line
 * for an http one. Whether a proxy is used is decided once for each target, outside of this file.
 */
import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import { urlToHttpOptions } from 'node:url'
import type { ApiKey } from '../policy.ts'

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

/** The way to an address. Default of each: straight, the authorities that Node trusts, no certificate of our own. */
export interface HttpOriginOptions {
  /** URL of an HTTP proxy, with its user and password; read for each request. */
  readonly proxy?: ApiKey
  /** PEM. Only certificates that one of these signed are accepted. */
  readonly ca?: string
  /** PEM: what we show to a server that asks for a certificate. */
  readonly clientCertificate?: { readonly certificate: string; readonly key: ApiKey }
}

export interface HttpOrigin {
  /** Sends JSON. Returns how to give the request up: its connection is closed. `path`: in place of the address' own. */
  post(headers: Readonly<Record<string, string>>, json: string, posted: Posted, path?: string): () => void
  /** The path that a redirection leads to; `undefined`: it leads elsewhere, where nothing of ours is sent. */
  pathOf(location: string): string | undefined
  /** As `post`, without a body. */
  get(headers: Readonly<Record<string, string>>, posted: Posted): () => void
  close(): void
}

export function createHttpOrigin(url: URL, options: HttpOriginOptions = {}): HttpOrigin {
  const isSecure = url.protocol === 'https:'
  const { request } = isSecure ? https : http
  if (options.proxy !== undefined && !supportsProxies)
    throw new Error(`unable to use a proxy: Node ${process.versions.node} ignores it; run Node 24.14 or later`)
  const address = urlToHttpOptions(url)
  const agents = new Agents(isSecure, options)

  function send(more: http.RequestOptions, body: string | undefined, posted: Posted): () => void {
    let outgoing: http.ClientRequest | undefined
    let isSettled = false
    const sendBy = (isFresh: boolean): void => {
      const agent = isFresh ? agents.fresh() : agents.kept()
      const sent = request({ ...address, ...more, agent })
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
        if (wasIdle && !isFresh && !isSettled) attempt(true)
        else posted.failed(error)
      })
      sent.end(body)
    }
    const attempt = (isFresh: boolean): void => {
      try {
        sendBy(isFresh)
      } catch (error) {
        // Such as a key that no header can carry.
        process.nextTick(() => posted.failed(error))
      }
    }
    attempt(false)
    return () => {
      isSettled = true
      outgoing?.destroy()
    }
  }

  return {
    post(headers, json, posted, path) {
      const more = { method: 'POST', headers: { ...jsonHeaders, ...standardHeaders, ...headers } }
      return send(path === undefined ? more : { ...more, path }, json, posted)
    },
    pathOf(location) {
      const next = URL.parse(location, url)
      return next?.origin === url.origin ? next.pathname + next.search : undefined
    },
    get: (headers, posted) => send({ method: 'GET', headers: { ...standardHeaders, ...headers } }, undefined, posted),
    close: () => agents.close(),
  }
}

/** An older Node would go straight without a word. */
const supportsProxies = 'setGlobalProxyFromEnv' in http

const standardHeaders = { accept: 'application/json', 'user-agent': 'sluice' }
const jsonHeaders = { 'content-type': 'application/json' }

/** The agents of one address. A proxy's URL that changed, since its file did, has agents of its own. */
class Agents {
  readonly #isSecure: boolean
  readonly #options: HttpOriginOptions
  #proxy: string | undefined
  #kept: http.Agent | undefined

  constructor(isSecure: boolean, options: HttpOriginOptions) {
    this.#isSecure = isSecure
    this.#options = options
  }

  /** Throws when the proxy's URL is none. */
  kept(): http.Agent {
    const proxy = this.#options.proxy?.reveal()
    if (this.#kept !== undefined && proxy === this.#proxy) return this.#kept
    // Calls on the connections of the one before go on.
    const settings = { keepAlive: true, maxSockets: socketsMax, maxFreeSockets: idleSocketsMax, timeout: idleSocketMs }
    this.#kept = this.#made(settings, proxy)
    this.#proxy = proxy
    return this.#kept
  }

  /** For one request, on a connection that nobody used before. */
  fresh(): http.Agent {
    return this.#made({ keepAlive: false }, this.#options.proxy?.reveal())
  }

  close(): void {
    this.#kept?.destroy()
  }

  #made(settings: http.AgentOptions, proxy: string | undefined): http.Agent {
    const way = proxy === undefined ? settings : { ...settings, proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }
    return this.#isSecure ? new https.Agent({ ...way, ...this.#tls() }) : new http.Agent(way)
  }

  #tls(): https.AgentOptions {
    const { ca, clientCertificate } = this.#options
    const own = clientCertificate && { cert: clientCertificate.certificate, key: clientCertificate.key.reveal() }
    return { ...(ca !== undefined && { ca }), ...own }
  }
}

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
