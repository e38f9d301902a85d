import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { Policy } from '../../orchestrator/policy.ts'
import { testedTransports } from '../support/transports.ts'
import { startStation, until } from './telemetry-station.ts'

/** What a client or a provider may choose freely, each with a word of its own to be looked for. */
const canaries = {
  model: 'canary-model/hunter2',
  client: 'canary-client@mail.example',
  userAgent: 'canary-agent/1.0',
  content: 'canary-content',
  metadata: 'canary-metadata',
  comment: 'canary-comment',
  query: 'canary-query',
  path: 'canary-path',
  method: 'CANARYMETHOD',
  baggage: 'canary-baggage',
  tracestate: 'canary-tracestate',
  closeReason: 'canary-close',
  forwarded: 'canary-forwarded',
} as const

afterEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name]
})

describe.each(testedTransports)('what clients choose on %s', (transport) => {
  test('[OBS-181] is in no log line, metric, span or recording', async () => {
    const seen = await observed(transport)
    // They were there to be seen: the provider's answer came, and each of the four has something to say.
    expect(seen.get('log')).toContain('"model":"other"')
    expect(seen.get('traces')).toContain('chat other')
    expect(seen.get('recording')).toContain('"type":"message"')
    expect(seen.get('metrics')).toContain('sluice_turns_ended_total')
    const found = [...seen].flatMap(([where, text]) =>
      Object.entries(canaries)
        .filter(([, word]) => text.toLowerCase().includes(word.toLowerCase()))
        .map(([what]) => `${what} in the ${where}`),
    )
    expect(found).toEqual([])
  })
})

/** One conversation with every canary in it; what was told of it, by where. */
async function observed(transport: 'ws' | 'uws'): Promise<ReadonlyMap<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-canaries-'))
  await using collector = await startCollector()
  const traces = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }
  Object.assign(process.env, traces)
  const uwsPath = process.env.SLUICE_UWS_PATH
  const env = {
    ...traces,
    SLUICE_RECORD_DIR: folder,
    SLUICE_TRANSPORT: transport,
    ...(uwsPath && { SLUICE_UWS_PATH: uwsPath }),
  }
  const station = await startStation({ ...env, SLUICE_LOG_LEVEL: 'trace' }, undefined, passingOn)
  const { port } = station.gateway
  const chosen = {
    'user-agent': canaries.userAgent,
    baggage: `who=${canaries.baggage}`,
    tracestate: `who=${canaries.tracestate}`,
    'x-forwarded-for': canaries.forwarded,
  }
  const client = await station.connect(chosen, canaries.client)
  const metadata = { title: canaries.metadata }
  const { session } = await client.ask({ type: 'session.open', metadata }, 'session.opened')
  const content = `${canaries.content}\n[[answer=echo]]`
  const message = { type: 'message.send', session, content, metadata, model: canaries.model }
  const { turn } = await client.ask({ ...message, messageId: 'm1' }, 'message.accepted')
  await client.next('turn.completed')
  await client.ask({ type: 'feedback.give', session, turn, rating: 1, comment: canaries.comment }, 'feedback.added')
  const spaced = client.ask({ ...message, messageId: 'm2', model: 'canary-model/hunter2 and more' }, 'message.accepted')
  await expect(spaced).rejects.toThrow('this model is not offered here')
  client.socket.close(4999, canaries.closeReason)
  await client.closed
  await statusOf(port, 'GET', `/${canaries.path}?${canaries.query}`, chosen)
  await statusOf(port, 'GET', `/v1/sessions/${canaries.path}%20?${canaries.query}`, chosen)
  await statusOf(port, canaries.method, `/v1/sessions?${canaries.query}`, chosen)
  await until('the turn ended', async () => station.gateway.state().runningTurns === 0)
  const metrics = await station.scrape()
  await station[Symbol.asyncDispose]()
  const recording = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))
  rmSync(folder, { recursive: true })
  return new Map([
    ['log', station.lines.join('')],
    ['metrics', metrics],
    ['traces', collector.bodies.join('')],
    ['recording', recording.join('')],
  ])
}

function passingOn(policy: Policy): Policy {
  return { ...policy, otherModels: 'pass' }
}

/** A method that the library does not know is refused by it, with a status or without. */
function statusOf(port: number, method: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve) => {
    const request = httpRequest({ host: '127.0.0.1', port, method: 'GET', path, headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    // Node's client refuses to send a method that it does not know.
    Reflect.set(request, 'method', method)
    request.on('error', () => resolve(0)).end()
  })
}

async function startCollector() {
  const bodies: string[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    bodies.push(body)
    response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A server that listens on a TCP port has an AddressInfo.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    bodies,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
