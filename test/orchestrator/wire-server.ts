import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import type { ProviderEnd, ProviderFailure } from '../../orchestrator/ports.ts'
import { createOpenAiProvider, type OpenAiOptions } from '../../orchestrator/providers/openai.ts'

/** What a call told, in order, and how it ended. */
export interface Heard {
  readonly texts: string[]
  readonly thoughts: string[]
  readonly lives: number
  readonly logs: object[]
  readonly end: { readonly ended: ProviderEnd } | { readonly failed: ProviderFailure }
}

/** A server that answers each request with these bytes, piece by piece, and closes. */
export interface WireServer extends AsyncDisposable {
  readonly url: string
  /** What the next requests are answered with. `end`: what becomes of the connection behind the last piece. */
  answer(pieces: readonly (string | Buffer)[], end?: 'close' | 'reset' | 'stay'): void
  /** One answer for each of the next requests; the last one for all that follow. */
  answerInTurn(answers: readonly (readonly (string | Buffer)[])[]): void
  /** Requests that came so far. */
  readonly requestCount: number
}

export async function startWireServer(): Promise<WireServer> {
  let pieces: readonly (string | Buffer)[] = []
  let end: 'close' | 'reset' | 'stay' = 'close'
  let inTurn: (readonly (string | Buffer)[])[] = []
  let requestCount = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.once('data', () => {
      requestCount += 1
      pieces = inTurn.shift() ?? pieces
      const own = pieces
      const write = (index: number): void => {
        const piece = own[index]
        if (piece !== undefined) socket.write(piece, () => setImmediate(write, index + 1))
        else if (end === 'close') socket.end()
        else if (end === 'reset') socket.resetAndDestroy()
      }
      write(0)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A listening TCP server has an address of this kind.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    answer(next, then = 'close') {
      pieces = next
      end = then
      inTurn = []
    },
    answerInTurn(answers) {
      end = 'close'
      inTurn = [...answers]
    },
    get requestCount() {
      return requestCount
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** One call to this address. */
export async function hear(url: string, options: Partial<OpenAiOptions> = {}): Promise<Heard> {
  const logs: object[] = []
  const log = (fields: object) => void logs.push(fields)
  const provider = createOpenAiProvider(
    { baseUrl: url, headersMs: 5_000, ...options },
    { info: log, warn: log, error: log },
  )
  const texts: string[] = []
  const thoughts: string[] = []
  let lives = 0
  const end = await new Promise<Heard['end']>((resolve) => {
    const messages = [{ role: 'user', content: 'hi' }] as const
    provider.call(
      { model: 'm', messages, maxOutputTokens: 5, apiKey: 'key' },
      {
        connected: () => undefined,
        started: () => undefined,
        text: (piece) => texts.push(piece),
        thought: (piece) => thoughts.push(piece),
        alive: () => {
          lives += 1
        },
        ended: (ended) => resolve({ ended }),
        failed: (failed) => resolve({ failed }),
      },
    )
  })
  provider.close()
  return { texts, thoughts, lives, logs, end }
}

/** What the tables are about, in one line. */
export function summary({ texts, end }: Heard): string {
  const said = 'ended' in end ? end.ended.finishReason : `failed ${end.failed.refusal.kind} ${end.failed.cure}`
  return `${texts.join('')} | ${said}`
}
