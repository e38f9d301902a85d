/** A server on loopback that speaks OpenAI's moderation wire, as the test says. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

const question = z.object({ model: z.string(), input: z.string() })

export interface Asked {
  readonly input: string
  readonly model: string
  readonly authorization: string | undefined
  /** Answers as the endpoint does. */
  answer(categories: readonly string[]): void
  readonly response: ServerResponse
}

export interface ModerationServer extends AsyncDisposable {
  readonly url: string
  readonly asked: readonly Asked[]
}

export async function startModerationServer(reply: (asked: Asked, count: number) => void): Promise<ModerationServer> {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { model, input } = question.parse(JSON.parse(Buffer.concat(chunks).toString()))
    const one: Asked = {
      input,
      model,
      authorization: request.headers.authorization,
      response,
      answer: (categories) => response.setHeader('content-type', 'application/json').end(moderation(categories)),
    }
    asked.push(one)
    reply(one, asked.length)
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  // A server that listens on a port has such an address.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1/moderations`,
    asked,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}

function moderation(categories: readonly string[]): string {
  const all = { harassment: false, violence: false, ...Object.fromEntries(categories.map((name) => [name, true])) }
  const result = { flagged: categories.length > 0, categories: all, category_scores: {} }
  return JSON.stringify({ id: 'modr-1', model: 'omni-moderation-latest', results: [result] })
}
