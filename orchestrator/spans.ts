/** Spans of a turn, named by the GenAI semantic conventions. Ids and figures only, never text. */
import { type Context, context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Stopped } from './producer.ts'

export interface TurnSpans {
  called(provider: string, model: string, maxOutputTokens: number): void
  /** What the provider says it runs. */
  started(answer: { readonly model?: string; readonly id?: string }): void
  firstText(): void
  stopped(stopped: Stopped): void
}

export interface TurnIds {
  readonly session: string
  readonly turn: string
}

export function startSpans(ids: TurnIds, parent: Context = context.active()): TurnSpans {
  const tracer = trace.getTracer('sluice')
  const attributes = { 'gen_ai.conversation.id': ids.session, 'sluice.turn.id': ids.turn }
  const turn = tracer.startSpan('turn', { kind: SpanKind.INTERNAL, attributes }, parent)
  let call: Span | undefined
  return {
    called(provider, model, maxOutputTokens) {
      const request = {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': provider,
        'gen_ai.request.model': model,
        'gen_ai.request.max_tokens': maxOutputTokens,
        'gen_ai.output.type': 'text',
      }
      const options = { kind: SpanKind.CLIENT, attributes: { ...attributes, ...request } }
      call = tracer.startSpan(`chat ${model}`, options, trace.setSpan(parent, turn))
    },
    started({ model, id }) {
      if (model !== undefined) call?.setAttribute('gen_ai.response.model', model)
      if (id !== undefined) call?.setAttribute('gen_ai.response.id', id)
    },
    firstText() {
      call?.addEvent('first token')
    },
    stopped(stopped) {
      if (call !== undefined) close(call, stopped)
      close(turn, stopped)
    },
  }
}

function close(span: Span, { reason, outcome, usage }: Stopped): void {
  span.setAttribute('sluice.turn.stopped', reason)
  if (outcome !== undefined) {
    span.setAttribute('sluice.turn.end', outcome.kind)
    span.setAttribute('gen_ai.response.finish_reasons', [outcome.finishReason])
  }
  if (usage.source !== 'unknown') {
    span.setAttribute('gen_ai.usage.input_tokens', usage.inputTokens)
    span.setAttribute('gen_ai.usage.output_tokens', usage.outputTokens)
  }
  if (outcome?.error !== undefined) {
    span.setAttribute('error.type', outcome.error.kind)
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.end()
}
