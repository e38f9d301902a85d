import { type Context, createContextKey, type Link, type SpanContext } from '@opentelemetry/api'

/**
 * A client's own trace, beside ours: a link leads to it, but it decides neither which trace our spans belong to nor
 * whether they are sampled.
 */
const key = createContextKey('sluice client trace')

export function withClientTrace(parent: Context, client: SpanContext): Context {
  return parent.setValue(key, client)
}

/** What the span that begins our part of a trace links to. */
export function clientLinks(parent: Context): Link[] {
  // The key is this file's own, so the value is what was put there above.
  const client = parent.getValue(key) as SpanContext | undefined
  return client === undefined ? [] : [{ context: client }]
}

/** For spans below the one that has the link. */
export function withoutClientTrace(parent: Context): Context {
  return parent.deleteValue(key)
}
