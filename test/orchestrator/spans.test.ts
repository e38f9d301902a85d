import { type Attributes, ROOT_CONTEXT, type Span, type SpanStatus, type Tracer, trace } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startBench } from './bench.ts'

interface Seen {
  readonly name: string
  readonly attributes: Attributes
  readonly parent: Span | undefined
  readonly span: Span
  status?: SpanStatus
  hasEnded: boolean
}

let seen: Seen[] = []

/** The part of OpenTelemetry's API that is used, writing down what it is told. */
const tracer: Pick<Tracer, 'startSpan'> = {
  startSpan(name, options = {}, context = ROOT_CONTEXT) {
    const attributes: Attributes = { ...options.attributes }
    const wrapped = trace.wrapSpanContext({
      traceId: '1'.repeat(32),
      spanId: `${seen.length + 1}`.padStart(16, '0'),
      traceFlags: 1,
    })
    const span: Span = Object.assign(Object.create(wrapped), {
      spanContext: () => wrapped.spanContext(),
      setAttribute(key: string, value: string) {
        attributes[key] = value
        return span
      },
      setStatus(status: SpanStatus) {
        entry.status = status
        return span
      },
      end() {
        entry.hasEnded = true
      },
    })
    const entry: Seen = { name, attributes, parent: trace.getSpan(context), span, hasEnded: false }
    seen.push(entry)
    return span
  },
}

beforeEach(() => {
  seen = []
  // Only `startSpan` is called.
  trace.setGlobalTracerProvider({ getTracer: () => tracer as Tracer })
})
afterEach(() => trace.disable())

describe('the spans of a turn', () => {
  it('[TURN-29] are a turn and in it a provider call, named by the GenAI conventions, without text', async () => {
    await using bench = await startBench()
    const session = await bench.session()
    const reply = await bench.turns.send(bench.request(session, 'Unmistakable words'))
    if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
    await bench.terminal(session, reply.turn)
    await bench.turns.drain(1_000)
    const [turn, call] = seen
    expect(turn).toMatchObject({ name: 'turn', hasEnded: true, attributes: { 'gen_ai.conversation.id': session } })
    expect(call).toMatchObject({
      name: 'chat sluice-demo',
      hasEnded: true,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'sluice-demo',
        'gen_ai.response.model': 'sluice-demo',
        'gen_ai.response.finish_reasons': ['stop'],
        'gen_ai.usage.input_tokens': expect.any(Number),
        'gen_ai.usage.output_tokens': expect.any(Number),
      },
    })
    expect(call?.parent).toBe(turn?.span)
    expect(JSON.stringify(seen.map(({ name, attributes }) => [name, attributes]))).not.toContain('Unmistakable')
  })

  it('[TURN-29] say the kind of error of a failed turn, and hang under the request’s span', async () => {
    await using bench = await startBench({ model: { fault: '500' } })
    const outer = trace.wrapSpanContext({ traceId: '2'.repeat(32), spanId: '9'.repeat(16), traceFlags: 1 })
    const session = await bench.session()
    const parent = trace.setSpan(ROOT_CONTEXT, outer)
    const reply = await bench.turns.send(bench.request(session, 'Hello', { parent }))
    if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
    await bench.terminal(session, reply.turn)
    await bench.turns.drain(1_000)
    expect(seen[0]?.parent).toBe(outer)
    for (const { attributes, status } of seen) {
      expect(attributes['error.type']).toBe('provider')
      expect(status).toEqual({ code: 2 })
    }
  })
})
