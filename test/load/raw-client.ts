// A client with nothing between the test and the wire but node:http: it keeps the HTTP chunks apart, and tells an end from
// a break. An SDK would hide just what these tests are about.
import { EventEmitter } from 'node:events'
import { type ClientRequest, type IncomingHttpHeaders, request } from 'node:http'

export type Ending = 'clean' | 'broken'

export interface RawResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly pieces: readonly Buffer[]
  readonly text: string
  readonly ending: Ending
}

export interface Exchange {
  readonly request: ClientRequest
  /** Settles when the response is over; rejects when the connection breaks before its headers. */
  readonly response: Promise<RawResponse>
  /** Settles with the status when the headers are there. */
  readonly headers: Promise<number>
  /** Settles when the body so far satisfies the predicate; rejects when the response is over without. */
  whenText(predicate: (text: string) => boolean): Promise<string>
}

export function exchange(url: string, method: string, body: unknown, headers: Record<string, string> = {}): Exchange {
  const outgoing = request(url, { method, agent: false, headers: { 'content-type': 'application/json', ...headers } })
  const begun = Promise.withResolvers<number>()
  const over = Promise.withResolvers<RawResponse>()
  const pieces: Buffer[] = []
  const soFar = () => Buffer.concat(pieces).toString('utf8')
  const arrived = new EventEmitter()
  // Each test awaits the one it is about; the other must not become an unhandled rejection.
  begun.promise.catch(() => undefined)
  over.promise.catch(() => undefined)
  outgoing.on('error', (error) => {
    begun.reject(error)
    over.reject(error)
  })
  outgoing.on('response', (incoming) => {
    const status = incoming.statusCode ?? 0
    begun.resolve(status)
    incoming.on('data', (piece: Buffer) => {
      pieces.push(piece)
      arrived.emit('piece')
    })
    incoming.on('error', () => undefined)
    incoming.on('close', () => {
      const text = soFar()
      over.resolve({ status, headers: incoming.headers, pieces, text, ending: incoming.complete ? 'clean' : 'broken' })
    })
  })
  outgoing.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body))
  const whenText = (predicate: (text: string) => boolean) =>
    new Promise<string>((resolve, reject) => {
      const look = () => predicate(soFar()) && resolve(soFar())
      arrived.on('piece', look)
      over.promise.then(() => reject(new Error(`unable to see the awaited text, only: ${soFar()}`)), reject)
      look()
    })
  return { request: outgoing, response: over.promise, headers: begun.promise, whenText }
}

export function post(baseUrl: string, body: unknown, headers: Record<string, string> = {}): Promise<RawResponse> {
  return exchange(`${baseUrl}/chat/completions`, 'POST', body, headers).response
}

/** The payloads of the complete `data:` events, as they are. */
export function events(text: string): readonly string[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice('data: '.length))
}

export interface Chunk {
  readonly id: string
  readonly object: string
  readonly created: number
  readonly model: string
  readonly choices: readonly {
    readonly index: number
    readonly delta: { readonly role?: string; readonly content?: string }
    readonly finish_reason: string | null
  }[]
  readonly usage?: unknown
  readonly error?: { readonly message: string; readonly type: string }
}

export function chunks(text: string): readonly Chunk[] {
  const payloads = events(text).filter((event) => event !== '[DONE]')
  // Boundary: what the wire carries is what these tests look at.
  return payloads.map((event) => JSON.parse(event) as Chunk)
}

export function deltas(text: string): readonly string[] {
  const contents = chunks(text).map((chunk) => chunk.choices?.[0]?.delta.content ?? '')
  return contents.filter((content) => content !== '')
}

export function finishReasons(text: string): readonly string[] {
  return chunks(text).flatMap((chunk) => chunk.choices?.[0]?.finish_reason ?? [])
}
