import { trace } from '@opentelemetry/api'
import { type DestinationStream, pino, stdTimeFunctions } from 'pino'
import { LineOutput } from './line-output.ts'
import type { Log } from './ports.ts'

/**
 * pino lines: one JSON object each, with ids, kinds and figures. Never a user's text, a token or a key; three belts:
 *
 * 1. callers pass ids and figures;
 * 2. of an error only its name, code and stack frames are written. Its message may quote what it failed on
 *    (`JSON.parse` does, a provider's refusal may), so it is written only for errors of the operating system, whose words
 *    are Node's own;
 * 3. fields with names such as `text` or `token` are censored, at the top and one level down. A figure or a switch holds
 *    no text, and is written under any name.
 */
export interface LogOptions {
  readonly level: string
  readonly node: string
  /** Default: the standard output, written without blocking the event loop. */
  readonly destination?: DestinationStream
}

export interface ClosableLog {
  readonly log: Log
  /** Writes what is still held; bounded in time. */
  close(): Promise<void>
}

/** In lower case, without `-` and `_`: `apiKey`, `API_KEY` and `Api-Key` are one name. */
const secretNames = new RegExp(
  `^(?:${[
    '(?:access|refresh|id|bearer)?token',
    '(?:x?api|private|secret)?key',
    '(?:client)?secret',
    '(?:proxy)?authorization',
    '(?:set)?cookie',
    'password|passwd|credentials?',
    'headers|body|query',
    'text|content|comment|messages?|title|metadata',
    'prompt|question|answer|delta|reasoning|refusal',
  ].join('|')})$`,
)

/** Names of fields that were looked at; further ones are looked at each time. Those at the top are the code's own, so they are few. */
const knownNamesMax = 1_000
const knownNames = new Map<string, boolean>()

function isSecretName(name: string): boolean {
  const known = knownNames.get(name)
  if (known !== undefined) return known
  const isSecret = secretNames.test(name.toLowerCase().replaceAll(/[-_]/g, ''))
  if (knownNames.size < knownNamesMax) knownNames.set(name, isSecret)
  return isSecret
}

export function createLog({ level, node, destination }: LogOptions): ClosableLog {
  const own = destination === undefined ? new LineOutput(1, tellDropped) : undefined
  const options = {
    level,
    base: { service: 'sluice', node },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }), log: censored },
    serializers,
    mixin: activeSpanIds,
  }
  const log = pino(options, own ?? destination)
  function tellDropped(lineCount: number) {
    log.warn({ lineCount }, 'log lines were dropped: nobody read the standard output')
  }
  return { log, close: async () => own?.close() }
}

/** What is under these names is written without its words, whatever it is. */
const serializers = { err: describeError, error: describeError, cause: describeError }

type Fields = Readonly<Record<string, unknown>>

/**
 * pino's own `redact` copies all fields of each line, and takes its paths apart again for that: a twentieth of what a
 * socket that comes and goes costs.
 */
function censored(fields: Fields): Fields {
  const own = withoutSecrets(fields)
  const inner: [string, unknown][] = []
  for (const name in own) {
    const value = own[name]
    if (typeof value !== 'object' || value === null || name in serializers) continue
    // An object, so it has names.
    const without = withoutSecrets(value as Fields)
    if (without !== value) inner.push([name, without])
  }
  return inner.length === 0 ? own : { ...own, ...Object.fromEntries(inner) }
}

/** The same object when it has none. */
function withoutSecrets(fields: Fields): Fields {
  let copy: Record<string, unknown> | undefined
  for (const name in fields) {
    if (!isSecretName(name) || isFigure(fields[name])) continue
    copy ??= { ...fields }
    copy[name] = '[redacted]'
  }
  return copy ?? fields
}

function isFigure(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean'
}

function activeSpanIds(): object {
  const ids = trace.getActiveSpan()?.spanContext()
  return ids === undefined ? {} : { trace_id: ids.traceId, span_id: ids.spanId }
}

/** Causes below this depth are left out. */
const causesMax = 3

/** An error without its words. What is no error is passed on when it is a figure or a short name, and else by its type. */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return describeOther(error)
  const code = 'code' in error && /^[\w-]{1,64}$/.test(String(error.code)) ? { code: String(error.code) } : {}
  const words = isSystemError(error) ? { reason: error.message } : {}
  const cause = error.cause === undefined || depth >= causesMax ? {} : { cause: describeError(error.cause, depth + 1) }
  return { name: error.name, ...code, ...words, stack: framesOf(error), ...cause }
}

function describeOther(error: unknown): unknown {
  if (typeof error === 'number' || typeof error === 'boolean') return error
  // Kinds and names of errors are passed as such; anything with a blank or longer may be a sentence.
  return typeof error === 'string' && /^[\w.:-]{1,64}$/.test(error) ? error : `a thrown ${typeof error}`
}

function isSystemError(error: Error): boolean {
  return 'errno' in error && typeof error.errno === 'number' && 'syscall' in error
}

function framesOf(error: Error): string {
  const lines = (error.stack ?? '').split('\n')
  return lines.filter((line) => /^\s+at .*(:\d+:\d+\)?|<anonymous>\)?|native\)?)$/.test(line)).join('\n')
}
