/** A key set's endpoint on loopback whose keys, status and silence a test decides. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { KeyPair } from './tokens.ts'

export type JwksAnswer =
  | { readonly kind: 'keys'; readonly keys: readonly unknown[] }
  | { readonly kind: 'raw'; readonly status: number; readonly body: string; readonly location?: string }
  | { readonly kind: 'silence' }

export const jwk = (pair: KeyPair, members: Readonly<Record<string, string>>): unknown => ({
  ...pair.publicKey.export({ format: 'jwk' }),
  ...members,
})

export class JwksServer implements AsyncDisposable {
  answer: JwksAnswer
  /** By path; `answer` for all others. */
  readonly answers = new Map<string, JwksAnswer>()
  requestCount = 0
  readonly #server: Server
  #waiting: (() => void)[] = []

  private constructor(answer: JwksAnswer) {
    this.answer = answer
    this.#server = createServer((request, response) => {
      this.requestCount += 1
      const answer = this.answers.get(request.url ?? '') ?? this.answer
      if (answer.kind === 'keys') response.end(JSON.stringify({ keys: answer.keys }))
      if (answer.kind === 'raw') {
        response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location })
        response.end(answer.body)
      }
      for (const wake of this.#waiting.splice(0)) wake()
    })
  }

  static async start(...keys: readonly unknown[]): Promise<JwksServer> {
    const server = new JwksServer({ kind: 'keys', keys })
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get url(): string {
    // A boundary: a TCP server that listens has an address of this shape.
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks.json`
  }

  /** Resolves once `count` requests have come in all; rejects with the count after five seconds. */
  async requests(count: number): Promise<void> {
    const deadline = AbortSignal.timeout(5_000)
    while (this.requestCount < count) {
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push(resolve)
        deadline.addEventListener('abort', () => reject(new Error(`only ${this.requestCount} of ${count} requests`)))
      })
    }
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
