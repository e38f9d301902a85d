import { execFile } from 'node:child_process'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { createTelemetry } from '../../gateway/telemetry/telemetry.ts'
import { keptLines, type Station, startStation, until } from './telemetry-station.ts'

const secretWord = 'hippopotamus-secret'
const incoming = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }
const traceparent = `00-${incoming.traceId}-${incoming.spanId}-01`
const baggage = 'who=hippopotamus'
const tracestate = 'vendor=rhinoceros'
const behindProxy = { SLUICE_TRUSTED_PROXIES: '127.0.0.1' }
const exporting = { logLevel: 'info', metrics: { kind: 'off' }, exportTraces: true } as const

afterEach(() => {
  for (const name of Object.keys(process.env)) if (/^(?:OTEL_|SLUICE_TRUSTED)/.test(name)) delete process.env[name]
})

describe('traces', () => {
  test('[OBS-5] a message’s span hangs below the upgrade’s, its turn below it, the provider’s call below that', async () => {
    await using collector = await startCollector()
    const { lines, token } = await traced(collector, {
      ...behindProxy,
      OTEL_SERVICE_NAME: 'chat-gateway',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=k1',
    })
    const spans = collector.spans()
    const message = theSpan(spans, 'message.send')
    const turn = theSpan(spans, 'turn')
    const call = theSpan(spans, 'chat gpt-4o-mini')
    expect(message).toMatchObject({ ...incoming, spanId: expect.any(String), parentSpanId: incoming.spanId, kind: 2 })
    expect(turn).toMatchObject({ traceId: incoming.traceId, parentSpanId: message.spanId })
    expect(call).toMatchObject({ traceId: incoming.traceId, parentSpanId: turn.spanId, kind: 3 })
    expect(message.attributes.get('session.id')).toBe(turn.attributes.get('gen_ai.conversation.id'))
    expect(message.attributes.get('sluice.message.id')).toBe('m1')
    expect(call.attributes.get('gen_ai.operation.name')).toBe('chat')
    expect(collector.resource().get('service.name')).toBe('chat-gateway')
    expect(collector.resource().get('service.version')).toBe('1.2.3')
    expect(collector.headers('x-collector-key')).toEqual(['k1'])
    for (const text of [lines.join(''), collector.bodies.join('')]) {
      expect(text).not.toContain(secretWord)
      expect(text).not.toContain(token)
    }
    const ended = lines.map((line) => JSON.parse(line)).find((line) => line.msg === 'turn ended')
    expect(ended).toMatchObject({ trace_id: incoming.traceId, span_id: expect.any(String) })
  })

  test('[OBS-5] each request has a span of its own, the root of a trace when the upgrade named none', async () => {
    await using collector = await startCollector()
    await traced(collector, {}, {})
    const spans = collector.spans()
    expect(theSpan(spans, 'session.open').parentSpanId ?? '').toBe('')
    expect(theSpan(spans, 'turn').parentSpanId).toBe(theSpan(spans, 'message.send').spanId)
  })

  test('[OBS-180] a client’s traceparent is linked to, and decides neither the trace nor the sampling', async () => {
    await using collector = await startCollector()
    const { lines } = await traced(collector, {})
    const message = theSpan(collector.spans(), 'message.send')
    expect(message.parentSpanId ?? '').toBe('')
    expect(message.traceId).not.toBe(incoming.traceId)
    expect(message.links).toEqual([expect.objectContaining(incoming)])
    expect(theSpan(collector.spans(), 'turn')).toMatchObject({ parentSpanId: message.spanId, links: [] })
    const ended = lines.map((line) => JSON.parse(line)).find((line) => line.msg === 'turn ended')
    expect(ended.trace_id).toBe(message.traceId)
  })

  test('[OBS-180] over HTTP too', async () => {
    await using collector = await startCollector()
    await traced(collector, {}, {}, (station) => askOverHttp(station, { traceparent, baggage, tracestate }))
    const turn = theSpan(collector.spans(), 'turn')
    expect(turn.parentSpanId ?? '').toBe('')
    expect(turn.links).toEqual([expect.objectContaining(incoming)])
    for (const text of [baggage, tracestate]) expect(collector.bodies.join('')).not.toContain(text)
  })

  test('[OBS-180] over HTTP a trusted proxy’s traceparent is the parent', async () => {
    await using collector = await startCollector()
    await traced(collector, behindProxy, {}, (station) => askOverHttp(station, { traceparent }))
    const turn = theSpan(collector.spans(), 'turn')
    expect(turn).toMatchObject({ traceId: incoming.traceId, parentSpanId: incoming.spanId, links: [] })
  })

  test.each([
    ['an upgrade', (station: Station) => askOnce(station, { traceparent })],
    ['a request', (station: Station) => askOverHttp(station, { traceparent })],
  ])('[OBS-180] %s that says “sampled” is not exported where the operator samples nothing', async (_what, ask) => {
    await using collector = await startCollector()
    const nothing = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }
    const { lines } = await traced(collector, nothing, {}, ask)
    expect(collector.bodies).toEqual([])
    expect(lines.join('')).not.toContain(incoming.traceId)
  })

  test('[OBS-6] the sampler that OTEL_TRACES_SAMPLER names decides', async () => {
    await using collector = await startCollector()
    await traced(collector, { OTEL_TRACES_SAMPLER: 'always_off' })
    expect(collector.bodies).toEqual([])
  })

  test('[OBS-6] OTEL_EXPORTER_OTLP_PROTOCOL is http/protobuf unless it says http/json', async () => {
    await using collector = await startCollector()
    await traced(collector, { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' })
    expect(collector.headers('content-type')).toEqual(['application/x-protobuf'])
    expect(collector.bodies.join('')).toContain('message.send')
  })

  test('[OBS-6] OTEL_SDK_DISABLED and OTEL_TRACES_EXPORTER=none export nothing', async () => {
    for (const off of [{ OTEL_SDK_DISABLED: 'true' }, { OTEL_TRACES_EXPORTER: 'none' }]) {
      await using collector = await startCollector()
      await traced(collector, off)
      expect(collector.bodies).toEqual([])
    }
  })

  test('[OBS-7] a collector that never answers holds the end up for a bounded time, and is told of', async () => {
    await using collector = await startCollector(() => undefined)
    const { lines } = await traced(collector, {})
    const told = lines.map((line) => JSON.parse(line)).find((line) => line.msg.startsWith('unable to export'))
    expect(told).toMatchObject({ level: 'warn', outcome: 'late' })
  })

  test('[OBS-8] unless traces are asked for, no module of the SDK is loaded', async () => {
    const loaded = async (exportTraces: boolean) => {
      const run = promisify(execFile)
      const source = new URL('../../gateway/telemetry/telemetry.ts', import.meta.url)
      const { stdout } = await run(process.execPath, [
        '--input-type=module',
        '--eval',
        listModules(source, exportTraces),
      ])
      return stdout.split('\n').filter((url) => url.includes('/@opentelemetry/') && !url.includes('/api/'))
    }
    expect(await loaded(false)).toEqual([])
    expect((await loaded(true)).some((url) => url.includes('/sdk-trace/'))).toBe(true)
  })

  test('[OBS-6] what is not known is told of, and does not keep the gateway from starting', async () => {
    Object.assign(process.env, { OTEL_TRACES_SAMPLER: 'jaeger_remote', OTEL_TRACES_EXPORTER: 'zipkin' })
    const { lines, destination } = keptLines()
    const telemetry = await createTelemetry(exporting, { version: '1', environment: process.env, destination })
    await telemetry.close()
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['warn', 'warn'])
    expect(lines.join('')).toMatch(/OTEL_TRACES_EXPORTER.*\n.*OTEL_TRACES_SAMPLER/)
  })
})

/** One turn under these variables, to the end of the gateway. Answers its log. */
async function traced(
  collector: Collector,
  variables: Readonly<Record<string, string>>,
  headers: Record<string, string> = { traceparent },
  ask = (station: Station) => askOnce(station, headers),
): Promise<{ readonly lines: readonly string[]; readonly token: string }> {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    ...variables,
  }
  Object.assign(process.env, env)
  const station = await startStation({ ...env, SLUICE_MODEL: 'gpt-4o-mini' })
  await ask(station)
  await station[Symbol.asyncDispose]()
  return station
}

async function askOnce(station: Station, headers: Record<string, string>): Promise<void> {
  const client = await station.connect(headers)
  const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
  const content = `${secretWord}\n[[answer=echo]]`
  await client.ask({ type: 'message.send', session, messageId: 'm1', content }, 'message.accepted')
  await client.next('turn.completed')
  await until('the turn ended', async () => station.gateway.state().runningTurns === 0)
}

async function askOverHttp(station: Station, headers: Record<string, string>): Promise<void> {
  const post = (path: string, body: object) =>
    fetch(`http://127.0.0.1:${station.gateway.port}/v1/sessions${path}`, {
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${station.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const made = (await (await post('', {})).json()) as { readonly session: string }
  const answer = await post(`/${made.session}/messages`, { content: `${secretWord}\n[[answer=echo]]` })
  expect(answer.status).toBe(200)
  await answer.body?.cancel()
  await until('the turn ended', async () => station.gateway.state().runningTurns === 0)
}

function listModules(source: URL, exportTraces: boolean): string {
  return `
    import { registerHooks } from 'node:module'
    registerHooks({ load: (url, context, next) => { console.log(url); return next(url, context) } })
    const { createTelemetry } = await import(${JSON.stringify(source.href)})
    const config = { logLevel: 'silent', metrics: { kind: 'off' }, exportTraces: ${exportTraces} }
    await (await createTelemetry(config, { version: '1', environment: process.env })).close()`
}

interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly kind: number
  readonly attributes: ReadonlyMap<string, string>
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
}

function theSpan(spans: readonly Span[], name: string): Span {
  const found = spans.filter((span) => span.name === name)
  const [span] = found
  if (span === undefined || found.length > 1)
    throw new Error(`${found.length} spans are called ${name}; there are ${spans.map((one) => one.name).join(', ')}`)
  return span
}

interface Collector extends AsyncDisposable {
  readonly url: string
  readonly bodies: readonly string[]
  headers(name: string): readonly unknown[]
  spans(): readonly Span[]
  resource(): ReadonlyMap<string, string>
}

/** An OTLP receiver on loopback. */
async function startCollector(answer = (response: ServerResponse): unknown => response.end('{}')): Promise<Collector> {
  const bodies: string[] = []
  const headers: Record<string, unknown>[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    expect([request.method, request.url]).toEqual(['POST', '/v1/traces'])
    bodies.push(body)
    headers.push(request.headers)
    answer(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A server that listens on a TCP port has an AddressInfo.
  const { port } = server.address() as AddressInfo
  const resources = () => bodies.flatMap((body) => (JSON.parse(body) as OtlpTraces).resourceSpans)
  return {
    url: `http://127.0.0.1:${port}`,
    bodies,
    headers: (name) => headers.map((one) => one[name]),
    spans: () =>
      resources()
        .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
        .map((span) => ({ ...span, attributes: attributesOf(span.attributes) })),
    resource: () => attributesOf(resources()[0]?.resource.attributes ?? []),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type OtlpAttributes = readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[]
interface OtlpTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: OtlpAttributes }
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<Span, 'attributes'> & { readonly attributes: OtlpAttributes })[]
    }[]
  }[]
}

function attributesOf(attributes: OtlpAttributes): ReadonlyMap<string, string> {
  return new Map(attributes.map(({ key, value }) => [key, value.stringValue ?? '']))
}
