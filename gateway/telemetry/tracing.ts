import { context, DiagLogLevel, diag, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Log } from './ports.ts'

/**
 * The SDK that exports spans, set up from the standard OTEL_* variables. This module is imported only when they ask for
 * traces, since it costs memory and an AsyncLocalStorage on every promise. The exporter itself reads
 * OTEL_EXPORTER_OTLP_*; the SDK leaves the sampler's and the batches' variables to us.
 */
export interface TracingOptions {
  readonly version: string
  readonly node: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: Log
}

export interface Tracing {
  /** Exports what is left, for at most `flushMaxMs`, and takes the SDK back out of the API. Never rejects. */
  close(): Promise<void>
}

/** How long a closing gateway waits for the collector, in milliseconds; spans that are not taken by then are lost. */
export const flushMaxMs = 3_000

/** What is reported of the SDK's own trouble, in characters. */
const diagnosisMaxLength = 500

export function startTracing({ version, node, environment, log }: TracingOptions): Tracing {
  reportTrouble(log)
  const exporter = openExporter(environment, log)
  const provider = new TracerProvider({
    resource: resourceOf(version, node),
    sampler: samplerOf(environment, log),
    spanProcessors: exporter === undefined ? [] : [new BatchSpanProcessor({ exporter, ...batchOf(environment) })],
  })
  if (!trace.setGlobalTracerProvider(provider)) {
    log.warn({}, 'another OpenTelemetry SDK is loaded already: spans go to that one')
    return { close: () => provider.shutdown().catch(() => undefined) }
  }
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  return { close: () => closeTracing(provider, log) }
}

async function closeTracing(provider: TracerProvider, log: Log): Promise<void> {
  const late = Promise.withResolvers<'late'>()
  const timer = setTimeout(() => late.resolve('late'), flushMaxMs)
  const shut = provider.shutdown().then(
    () => 'done' as const,
    () => 'failed' as const,
  )
  const outcome = await Promise.race([shut, late.promise])
  clearTimeout(timer)
  if (outcome !== 'done') log.warn({ outcome, flushMaxMs }, 'unable to export the last spans: is the collector there?')
  trace.disable()
  context.disable()
  diag.disable()
}

function reportTrouble(log: Log): void {
  const report = (detail: string) =>
    log.warn({ detail: detail.slice(0, diagnosisMaxLength) }, 'trouble in exporting traces')
  const quiet = () => undefined
  diag.setLogger(
    { error: report, warn: report, info: quiet, debug: quiet, verbose: quiet },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}

function openExporter(environment: TracingOptions['environment'], log: Log): SpanExporter | undefined {
  const exporters = (environment.OTEL_TRACES_EXPORTER ?? 'otlp').split(',').map((name) => name.trim())
  if (!exporters.includes('otlp')) {
    log.warn({ exporters }, 'OTEL_TRACES_EXPORTER names no exporter that is here: set it to otlp or none')
    return undefined
  }
  const protocol = environment.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? environment.OTEL_EXPORTER_OTLP_PROTOCOL
  if (protocol === 'http/json') return new JsonExporter()
  if (protocol !== undefined && protocol !== 'http/protobuf')
    log.warn({ protocol }, 'OTEL_EXPORTER_OTLP_PROTOCOL: using http/protobuf; http/json is there too')
  return new ProtobufExporter()
}

/** OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over what the gateway says of itself. */
function resourceOf(version: string, node: string) {
  const own = { 'service.name': 'sluice', 'service.version': version, 'service.instance.id': node }
  const asked = detectResources({ detectors: [envDetector] })
  return defaultResource().merge(resourceFromAttributes(own)).merge(asked)
}

function samplerOf(environment: TracingOptions['environment'], log: Log): Sampler {
  const name = environment.OTEL_TRACES_SAMPLER ?? 'parentbased_always_on'
  const root = rootSampler(name.replace(/^parentbased_/, ''), environment.OTEL_TRACES_SAMPLER_ARG)
  if (root === undefined) {
    log.warn({ sampler: name }, 'OTEL_TRACES_SAMPLER is not known: every trace is sampled')
    return new ParentBasedSampler({ root: new AlwaysOnSampler() })
  }
  return name.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root
}

function rootSampler(name: string, argument: string | undefined): Sampler | undefined {
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler()
    case 'always_off':
      return new AlwaysOffSampler()
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(numberOf(argument, 0, 1) ?? 1)
    default:
      return undefined
  }
}

/** The specification's defaults: spans wait at most 5 s, 2,048 of them, 512 at once; further ones are dropped. */
function batchOf(environment: TracingOptions['environment']) {
  const maxQueueSize = numberOf(environment.OTEL_BSP_MAX_QUEUE_SIZE, 1, 1_000_000) ?? 2_048
  return {
    maxQueueSize,
    maxExportBatchSize: Math.min(maxQueueSize, numberOf(environment.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, 1, 1e6) ?? 512),
    scheduledDelayMillis: numberOf(environment.OTEL_BSP_SCHEDULE_DELAY, 1, 3_600_000) ?? 5_000,
    exportTimeoutMillis: numberOf(environment.OTEL_BSP_EXPORT_TIMEOUT, 1, 3_600_000) ?? 30_000,
  }
}

/** Undefined for what is no number in this range: as the specification says, such a variable is ignored. */
function numberOf(text: string | undefined, least: number, most: number): number | undefined {
  const value = text === undefined || text.trim() === '' ? Number.NaN : Number(text)
  return value >= least && value <= most ? value : undefined
}
