import {
  type Context,
  context,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { clientLinks, withClientTrace, withoutClientTrace } from '../../orchestrator/trace-link.ts'
import type { Request } from '../../protocol/up.ts'
import type { IncomingTrace } from './ports.ts'

/**
 * The span of one served request, a child of the trace that a trusted proxy named with the upgrade. `serve` runs inside
 * it, so a turn that it starts hangs its own span below. Without an SDK nothing is made: the look for one is all it costs.
 */
export async function tracedRequest(
  request: Request,
  connection: string,
  incoming: IncomingTrace | undefined,
  serve: () => Promise<void>,
): Promise<void> {
  if (!hasSdk()) return serve()
  const parent = incomingContext(incoming)
  const options = { kind: SpanKind.SERVER, attributes: attributesOf(request, connection), links: clientLinks(parent) }
  const span = trace.getTracer('sluice').startSpan(request.type, options, parent)
  try {
    await context.with(trace.setSpan(withoutClientTrace(parent), span), serve)
  } catch (error) {
    span.setAttribute('error.type', error instanceof Error ? error.name : typeof error)
    span.setStatus({ code: SpanStatusCode.ERROR })
    throw error
  } finally {
    span.end()
  }
}

/** Also one that the operator brings by `node --import`. */
function hasSdk(): boolean {
  const provider = trace.getTracerProvider()
  return !(provider instanceof ProxyTracerProvider) || provider.getDelegateTracer('sluice') !== undefined
}

function attributesOf(request: Request, connection: string): Record<string, string> {
  return {
    'sluice.connection.id': connection,
    'sluice.request.id': request.id,
    ...('session' in request && request.session !== undefined
      ? { 'session.id': request.session, 'gen_ai.conversation.id': request.session }
      : {}),
    ...('turn' in request ? { 'sluice.turn.id': request.turn } : {}),
    ...('messageId' in request ? { 'sluice.message.id': request.messageId } : {}),
  }
}

/**
 * Only who is trusted may say which trace a span belongs to, since its flag decides whether the trace is sampled.
 * `tracestate` and `baggage` are left out whoever sends them.
 */
export function incomingContext(incoming: IncomingTrace | undefined): Context {
  const parent = parentContext(incoming?.traceparent)
  const named = trace.getSpanContext(parent)
  if (incoming?.isTrusted !== false || named === undefined) return parent
  return withClientTrace(ROOT_CONTEXT, named)
}

/** W3C trace context, version 00 and those that only add to it; anything else is as if nothing had been sent. */
const traceparentPattern = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(?:-.*)?$/

function parentContext(traceparent: string | undefined): Context {
  const [, traceId, spanId, flags] = traceparentPattern.exec(traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}
