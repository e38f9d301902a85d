import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { createServer as createSecureServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Provider, ProviderEnd, ProviderFailure, ProviderRequest } from '../../orchestrator/ports.ts'
import { createOpenAiProvider, type OpenAiOptions } from '../../orchestrator/providers/openai.ts'

/** What a request to a provider was, as the provider saw it. */
/** The members of a request's body that tests look at. */
export interface SentBody {
  readonly model: string
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly max_tokens: number
  readonly [parameter: string]: unknown
}

export interface Seen {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: SentBody
}

/** What it is answered; undefined: with the word `yes`. */
export type Answering = (seen: Seen) => { readonly status: number; readonly body: unknown } | undefined

export interface ProviderServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly seen: Seen[]
}

const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const yes =
  event({ choices: [{ index: 0, delta: { content: 'yes' }, finish_reason: null }] }) +
  event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }) +
  'data: [DONE]\n\n'

/** A provider that answers or refuses as the test says; with `tls` over HTTPS. */
export async function startProvider(answering: Answering, tls?: ServerOptions): Promise<ProviderServer> {
  const seen: Seen[] = []
  const serve: Parameters<typeof createServer>[1] = async (request, response) => {
    const text = (await request.toArray()).join('')
    const one = { path: request.url ?? '', headers: request.headers, body: text === '' ? undefined : JSON.parse(text) }
    seen.push(one)
    const refused = answering(one)
    if (refused === undefined) return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(yes)
    const body = typeof refused.body === 'string' ? refused.body : JSON.stringify(refused.body)
    response.writeHead(refused.status, { 'content-type': 'application/json' }).end(body)
  }
  const server: Server = tls === undefined ? createServer(serve) : createSecureServer(tls, serve)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A listening TCP server has an address of this kind.
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/v1`,
    port,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export const question: ProviderRequest = {
  model: 'm',
  messages: [
    { role: 'system', content: 'be kind' },
    { role: 'user', content: 'hi' },
  ],
  maxOutputTokens: 50,
  apiKey: 'key',
}

/** What becomes of one call. */
export function ask(provider: Provider, request: ProviderRequest = question): Promise<ProviderEnd | ProviderFailure> {
  const quiet = { connected: () => undefined, started: () => undefined, text: () => undefined }
  return new Promise((resolve) => provider.call(request, { ...quiet, ended: resolve, failed: resolve }))
}

export const stopped = { finishReason: 'stop' }

export function providerAt(server: ProviderServer, form: NonNullable<OpenAiOptions['form']> = {}) {
  const logs: object[] = []
  const log = (fields: object, message: string) => void logs.push({ ...fields, message })
  const logger = { info: log, warn: log, error: log }
  return { logs, provider: createOpenAiProvider({ baseUrl: server.url, headersMs: 5_000, form, target: 'a' }, logger) }
}

export type Refusal = { readonly status: number; readonly body: unknown }

export const openai = (message: string, param: string | null = null, code: string | null = null): Refusal => ({
  status: 400,
  body: { error: { message, type: 'invalid_request_error', param, code } },
})
