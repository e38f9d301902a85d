import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { createParser } from 'eventsource-parser'
import { type Dialect, type Heard, nowMs, type OpenStream, type Question } from './streams.ts'

/** How a server is asked that answers a POST with server-sent events and ends them with `[DONE]`. */
interface EventDialect {
  url(): string
  readonly headers?: Readonly<Record<string, string>>
  body(question: Question): unknown
  /** The answer's text in an event's data. */
  text(data: string): string | undefined
}

/** The provider itself: `url` is its base, as `http://127.0.0.1:9/v1`. */
export function providerDialect(url: string): Dialect {
  return chatDialect(url, {})
}

/** Portkey's gateway at `url`, which is told in headers where the provider is. */
export function portkeyDialect(url: string, providerUrl: string): Dialect {
  return chatDialect(`${url}/v1`, { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': providerUrl })
}

function chatDialect(base: string, headers: Readonly<Record<string, string>>): Dialect {
  return eventDialect({
    url: () => `${base}/chat/completions`,
    headers: { authorization: 'Bearer none', ...headers },
    body: ({ model, content }) => ({ model, stream: true, messages: [{ role: 'user', content }] }),
    text: (data) => JSON.parse(data).choices[0]?.delta.content,
  })
}

/** `load/peers/resumable-stream.mjs`: each stream has a name of its own. */
export function resumableDialect(url: string): Dialect {
  return eventDialect({
    url: () => `${url}/streams/${randomUUID()}`,
    body: (question) => question,
    text: (data) => JSON.parse(data).text,
  })
}

function eventDialect(dialect: EventDialect): Dialect {
  return {
    async open(): Promise<OpenStream> {
      const { hostname, port } = new URL(dialect.url())
      // Connected before the question, as the WebSockets are.
      const connection = connect({ host: hostname, port: Number(port), noDelay: true })
      await once(connection, 'connect')
      return {
        receivedBytes: () => connection.bytesRead,
        answer: async (question, heard) => readEvents(await ask(dialect, connection, question), dialect, heard),
        close: () => connection.destroy(),
      }
    },
  }
}

async function ask(dialect: EventDialect, connection: Socket, question: Question): Promise<IncomingMessage> {
  const headers = { 'content-type': 'application/json', accept: 'text/event-stream', ...dialect.headers }
  const asking = request(dialect.url(), { method: 'POST', headers, createConnection: () => connection })
  asking.end(JSON.stringify(dialect.body(question)))
  return new Promise((resolve, reject) => {
    asking.once('response', resolve)
    asking.once('error', reject)
  })
}

function readEvents(response: IncomingMessage, dialect: EventDialect, heard: Heard): Promise<void> {
  return new Promise((resolve, reject) => {
    if (response.statusCode !== 200) reject(new Error(`the server answered ${response.statusCode}`))
    let atMs = 0
    let isDone = false
    const parser = createParser({
      onEvent({ data }) {
        heard.frame()
        isDone = data === '[DONE]'
        const text = isDone ? undefined : dialect.text(data)
        if (text) heard.text(text, atMs)
      },
    })
    response.setEncoding('utf8').on('data', (chunk: string) => {
      atMs = nowMs()
      parser.feed(chunk)
    })
    response.once('error', reject)
    response.once('end', () => {
      if (isDone) resolve()
      else reject(new Error('the response ended before the answer did'))
    })
  })
}
