/** Spans of a turn and of its calls, named by the GenAI semantic conventions. Ids and figures only, never text. */
import { type Context, context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Refusal } from '../protocol/error.ts'
import type { ProviderEnd } from './ports.ts'
import type { Stopped } from './producer.ts'
import { clientLinks } from './trace-link.ts'

export interface TurnSpans {
  called(call: number, request: CallRequest): void
  /** What the provider says it runs. */
  started(call: number, answer: { readonly model?: string; readonly id?: string }): void
  firstText(call: number): void
  /** The last of a call: how it ended, and what the provider said or why it failed. */
  over(call: number, how: string, end?: ProviderEnd | Refusal): void
  stopped(stopped: Stopped): void
}

export interface CallRequest {
  readonly provider: string
  readonly target: string
  readonly model: string
  readonly maxOutputTokens: number
  readonly why: string
}

export interface TurnIds {
  readonly session: string
  readonly turn: string
}

export function startSpans(ids: TurnIds, parent: Context = context.active()): TurnSpans {
  const tracer = trace.getTracer('sluice')
  const attributes = { 'gen_ai.conversation.id': ids.session, 'sluice.turn.id': ids.turn }
  const links = clientLinks(parent)
  const turn = tracer.startSpan('turn', { kind: SpanKind.INTERNAL, attributes, links }, parent)
  const calls = new Map<number, Span>()
  return {
    called(call, { provider, target, model, maxOutputTokens, why }) {
      const request = {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': provider,
        'gen_ai.request.model': model,
        'gen_ai.request.max_tokens': maxOutputTokens,
        'gen_ai.output.type': 'text',
        'sluice.target': target,
        'sluice.call.why': why,
      }
      const options = { kind: SpanKind.CLIENT, attributes: { ...attributes, ...request } }
      calls.set(call, tracer.startSpan(`chat ${model}`, options, trace.setSpan(parent, turn)))
    },
    started(call, { model, id }) {
      const span = calls.get(call)
      if (model !== undefined) span?.setAttribute('gen_ai.response.model', model)
      if (id !== undefined) span?.setAttribute('gen_ai.response.id', id)
    },
    firstText(call) {
      calls.get(call)?.addEvent('first token')
    },
    over(call, how, end) {
      const span = calls.get(call)
      calls.delete(call)
      if (span !== undefined) closeCall(span, how, end)
    },
    stopped(stopped) {
      // A turn that was left leaves its call without a word.
      for (const [call, span] of calls) {
        calls.delete(call)
        closeCall(span, stopped.reason)
      }
      closeTurn(turn, stopped)
    },
  }
}

function closeCall(span: Span, how: string, end?: ProviderEnd | Refusal): void {
  span.setAttribute('sluice.call.end', how)
  if (end !== undefined && 'finishReason' in end) {
    span.setAttribute('gen_ai.response.finish_reasons', [end.finishReason])
    if (end.usage !== undefined) setUsage(span, end.usage)
  }
  if (end !== undefined && 'kind' in end) setError(span, end.kind)
  if (how === 'late' || how === 'silent' || how === 'thinking') setError(span, how)
  span.end()
}

function closeTurn(span: Span, { reason, outcome, usage }: Stopped): void {
  span.setAttribute('sluice.turn.stopped', reason)
  if (outcome !== undefined) {
    span.setAttribute('sluice.turn.end', outcome.kind)
    span.setAttribute('gen_ai.response.finish_reasons', [outcome.finishReason])
  }
  if (usage.source !== 'unknown') setUsage(span, usage)
  if (outcome?.error !== undefined) setError(span, outcome.error.kind)
  span.end()
}

function setUsage(span: Span, usage: { readonly inputTokens: number; readonly outputTokens: number }): void {
  span.setAttribute('gen_ai.usage.input_tokens', usage.inputTokens)
  span.setAttribute('gen_ai.usage.output_tokens', usage.outputTokens)
}

function setError(span: Span, type: string): void {
  span.setAttribute('error.type', type)
  span.setStatus({ code: SpanStatusCode.ERROR })
}
