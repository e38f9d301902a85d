// What a test needs to know of the provider's side of a turn: what was asked, how much was sent, and who ended it. Kept
// for the last few requests only, and not at all for a server that nobody looks into.
//
// Sent text is not collected while sending: the tokens are known, so a count is enough.
import type { IncomingHttpHeaders } from 'node:http'
import { performance } from 'node:perf_hooks'
import { DEFAULT_DEADLINE_MS } from './limits.ts'
import type { ChatRequest } from './request.ts'
import type { Fault } from './settings.ts'

/**
 * `streaming` from the request's arrival until its end; `completed` when the response ended as HTTP wants it, with or
 * without what was due in it; `closed-by-client` when the client went first; `reset` when a fault broke the connection.
 */
export type RequestStatus = 'streaming' | 'completed' | 'closed-by-client' | 'reset'

export interface RecordedRequest {
  /** 1 for the server's first request. */
  readonly number: number
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** The body as JSON, or as text when it is not JSON; empty text when there is none. */
  readonly body: unknown
  /** The body when it is a chat request. */
  readonly chat: ChatRequest | undefined
  /** The fault this request met; undefined for a healthy answer. */
  readonly fault: Fault | undefined
  /** Milliseconds since 1970, with a fraction, when the headers were there. */
  readonly receivedMs: number
  readonly status: RequestStatus
  /** The HTTP status of the response; undefined until it has begun. */
  readonly httpStatus: number | undefined
  readonly sentTokenCount: number
  /** Made unseen before the first token, as far as the connection stood. */
  readonly thoughtTokenCount: number
  /** The answer's text as far as it was handed to the connection. */
  readonly sentText: string
  /** Milliseconds since 1970, with a fraction, when the response was over on this side; undefined until then. */
  readonly closedAtMs: number | undefined
}

export function wallClockMs(): number {
  return performance.timeOrigin + performance.now()
}

/** A recorded request as the server writes it. */
export class OpenRequest implements RecordedRequest {
  body: unknown = ''
  chat: ChatRequest | undefined
  fault: Fault | undefined
  status: RequestStatus = 'streaming'
  httpStatus: number | undefined
  sentTokenCount = 0
  thoughtTokenCount = 0
  closedAtMs: number | undefined
  tokens: readonly string[] = []
  readonly number: number
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly receivedMs = wallClockMs()

  constructor(number: number, method: string, path: string, headers: IncomingHttpHeaders) {
    this.number = number
    this.method = method
    this.path = path
    this.headers = headers
  }

  get sentText(): string {
    return this.tokens.slice(0, this.sentTokenCount).join('')
  }
}

interface Waiter {
  readonly check: () => boolean
  readonly fail: (reason: string) => void
}

/** The last requests, oldest first, and those who wait for something about them. */
export class RequestBook {
  readonly requests: OpenRequest[] = []
  readonly #keptCount: number
  readonly #waiters = new Set<Waiter>()
  #number = 0

  constructor(keptCount: number) {
    this.#keptCount = keptCount
  }

  open(method: string, path: string, headers: IncomingHttpHeaders): OpenRequest {
    const request = new OpenRequest(++this.#number, method, path, headers)
    if (this.#keptCount > 0) this.requests.push(request)
    if (this.requests.length > this.#keptCount) this.requests.shift()
    return request
  }

  /** To be called after each change; costs nothing while nobody waits. */
  changed(): void {
    for (const waiter of this.#waiters) if (waiter.check()) this.#waiters.delete(waiter)
  }

  waitFor(
    predicate: (request: RecordedRequest) => boolean,
    deadlineMs = DEFAULT_DEADLINE_MS,
  ): Promise<RecordedRequest> {
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
        reject(new Error(`unable to find the awaited request: ${reason}; what came:\n${this.#summary()}`))
      }
      const check = () => {
        const found = this.requests.find(predicate)
        if (found === undefined) return false
        clearTimeout(timer)
        resolve(found)
        return true
      }
      const timer = setTimeout(() => fail(`not there after ${deadlineMs} ms`), deadlineMs)
      const waiter: Waiter = { check, fail }
      if (!check()) this.#waiters.add(waiter)
    })
  }

  /** Fails those who still wait. */
  close(): void {
    for (const waiter of this.#waiters) waiter.fail('the server was closed')
  }

  #summary(): string {
    const line = (request: OpenRequest) =>
      `  #${request.number} ${request.method} ${request.path} ${request.status} http=${request.httpStatus ?? '-'}` +
      ` fault=${request.fault ?? '-'} tokens=${request.sentTokenCount}`
    return this.requests.length === 0 ? '  no request' : this.requests.map(line).join('\n')
  }
}
