import { Gauge, Histogram, type Registry } from 'prom-client'
import type { TurnTelemetry } from '../../orchestrator/ports.ts'
import { FixedHistogram } from './fixed-histogram.ts'
import { counter, firstTokenSeconds, gapSeconds, ownSeconds } from './metric.ts'

const turnSeconds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1_800]
/** The GenAI conventions' buckets for a number of tokens. */
const usageTokens = [
  1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
]

/** What messages, calls and answers come to. */
export function turnMetrics(registry: Registry): TurnTelemetry {
  return { ...turnBeginnings(registry), ...callMetrics(registry), ...filterMetrics(registry), ...turnEnds(registry) }
}

type Beginnings = 'turnAccepted' | 'turnRefused' | 'firstToken' | 'tokenGap'
type Calls = 'callMade' | 'callPassed' | 'callEnded' | 'firstContent'
type Filters = 'redacted' | 'filtered' | 'budgetRefused' | 'cacheAsked'

function turnBeginnings(registry: Registry): Pick<TurnTelemetry, Beginnings> {
  const acceptance = new FixedHistogram(
    registry,
    'sluice_turn_acceptance_seconds',
    'From a message that was received to its acceptance by the store.',
    ownSeconds,
  )
  const retries = counter(
    registry,
    'sluice_turn_retries_total',
    'Messages that took the place of the last turn: asked again, or edited.',
    [],
  )
  const refused = counter(registry, 'sluice_turn_refusals_total', 'Messages that were not taken, by error kind.', [
    'kind',
  ])
  const firstToken = new FixedHistogram(
    registry,
    'sluice_turn_first_token_seconds',
    'From the acceptance of a message to the first text of its answer.',
    firstTokenSeconds,
  )
  const providerFirstToken = new FixedHistogram(
    registry,
    'sluice_provider_first_token_seconds',
    'From the call of the provider to its first text.',
    firstTokenSeconds,
  )
  const gap = new FixedHistogram(
    registry,
    'sluice_provider_token_gap_seconds',
    'Between two pieces of text from the provider.',
    gapSeconds,
  )
  return {
    turnAccepted(sinceReceivedMs, isRetry) {
      acceptance.observe(sinceReceivedMs / 1_000)
      if (isRetry) retries.inc()
    },
    turnRefused: (kind) => refused.inc({ kind }),
    firstToken(sinceAcceptMs, sinceCallMs) {
      firstToken.observe(sinceAcceptMs / 1_000)
      providerFirstToken.observe(sinceCallMs / 1_000)
    },
    tokenGap: (gapMs) => gap.observe(gapMs / 1_000),
  }
}

/** A target's name is the operator's word, and there are few. */
function callMetrics(registry: Registry): Pick<TurnTelemetry, Calls> {
  const made = counter(
    registry,
    'sluice_provider_calls_total',
    'Calls of targets, by why they were made: first, retry, key, fallback, hedge.',
    ['target', 'why'],
  )
  const passed = counter(
    registry,
    'sluice_provider_calls_passed_total',
    'Calls that were not sent: the target was full, ill (its breaker open), or all its keys cooled down.',
    ['target', 'why'],
  )
  const ended = counter(registry, 'sluice_provider_calls_ended_total', 'Calls that are over, by how they ended.', [
    'target',
    'how',
  ])
  const duration = new Histogram({
    name: 'gen_ai_client_operation_duration_seconds',
    help: 'From the sending of a call to its end, by target; error_type is empty for one that ended well.',
    labelNames: ['target', 'error_type'],
    buckets: turnSeconds,
    registers: [registry],
  })
  const firstContent = new Histogram({
    name: 'gen_ai_client_operation_time_to_first_chunk_seconds',
    help: 'Seconds from the sending of a call to its first content, by target.',
    labelNames: ['target'],
    buckets: firstTokenSeconds,
    registers: [registry],
  })
  return {
    callMade: (target, why) => made.inc({ target, why }),
    callPassed: (target, why) => passed.inc({ target, why }),
    callEnded(target, how, ms) {
      ended.inc({ target, how })
      if (ms > 0) duration.observe({ target, error_type: how === 'ended' ? '' : how }, ms / 1_000)
    },
    firstContent: (target, ms) => firstContent.observe({ target }, ms / 1_000),
  }
}

function filterMetrics(registry: Registry): Pick<TurnTelemetry, Filters> {
  const redactions = counter(
    registry,
    'sluice_redactions_total',
    'Values in prompts that became placeholders before a provider saw them, by kind.',
    ['kind'],
  )
  const stopped = counter(registry, 'sluice_answers_filtered_total', 'Answers that were stopped for what they say.', [])
  const budgets = counter(
    registry,
    'sluice_budget_refusals_total',
    'Messages that a budget did not allow, by whose it is and which.',
    ['scope', 'limit'],
  )
  const cache = counter(registry, 'sluice_cache_requests_total', 'Requests that allow the cache, by result.', [
    'result',
  ])
  return {
    redacted: (kind, count) => redactions.inc({ kind }, count),
    filtered: () => stopped.inc(),
    budgetRefused: (scope, limit) => budgets.inc({ scope, limit }),
    cacheAsked: (isHit) => cache.inc({ result: isHit ? 'hit' : 'miss' }),
  }
}

export function targetGauge(
  registry: Registry,
  states: () => ReadonlyMap<string, 'closed' | 'half-open' | 'open'>,
): void {
  const metric: Gauge<'target'> = new Gauge({
    name: 'sluice_target_breaker_state',
    help: 'A target that fails too often is left alone: 0 closed, 0.5 half open, 1 open.',
    labelNames: ['target'],
    registers: [registry],
    collect() {
      metric.reset()
      for (const [target, state] of states()) metric.set({ target }, breakerValues[state])
    },
  })
}

const breakerValues = { closed: 0, 'half-open': 0.5, open: 1 } as const

function turnEnds(registry: Registry): Omit<TurnTelemetry, Beginnings | Calls | Filters> {
  const ended = counter(registry, 'sluice_turns_ended_total', 'Turns that ended, by end and error kind.', [
    'end',
    'error',
  ])
  const duration = new Histogram({
    name: 'sluice_turn_duration_seconds',
    help: 'From the start of a turn to its terminal record.',
    labelNames: ['end'],
    buckets: turnSeconds,
    registers: [registry],
  })
  const tokens = counter(registry, 'sluice_tokens_total', 'Tokens of ended turns, by type and how they are known.', [
    'type',
    'source',
  ])
  const usage = new Histogram({
    name: 'gen_ai_client_token_usage',
    help: 'Tokens of an ended turn, by type.',
    labelNames: ['gen_ai_token_type'],
    buckets: usageTokens,
    registers: [registry],
  })
  const cost = counter(
    registry,
    'sluice_cost_total',
    'What ended turns cost, by currency; turns without a price count 0.',
    ['currency'],
  )
  const offline = counter(
    registry,
    'sluice_offline_answers_total',
    'Turns that no target could answer, and the offline text did.',
    [],
  )
  const byPrompt = counter(
    registry,
    'sluice_turns_by_prompt_total',
    "Ended turns by the prompt's version and, in an experiment, its variant.",
    ['prompt', 'version', 'variant', 'end'],
  )
  const repeats = counter(
    registry,
    'sluice_store_repeats_total',
    'Operations of the store that a turn had to ask again.',
    [],
  )
  const attempts = counter(registry, 'sluice_attempts_total', 'Attempts opened: the first of a turn, or a later one.', [
    'attempt',
  ])
  const takeOvers = counter(
    registry,
    'sluice_take_overs_total',
    'Turns of dead producers that were taken over here, by what became of them.',
    ['how'],
  )
  const stops = counter(registry, 'sluice_producer_stops_total', 'Producers that stopped, by reason.', ['reason'])
  return {
    turnEnded({ kind, finishReason, error, durationMs, usage: used, cost: billed, prompt }) {
      if (finishReason === 'offline') offline.inc()
      const { name, version, variant = '' } = prompt
      byPrompt.inc({ prompt: name, version: String(version), variant, end: kind })
      if (billed !== undefined) cost.inc({ currency: billed.currency }, Number(billed.amount))
      ended.inc({ end: kind, error: error ?? 'none' })
      duration.observe({ end: kind }, durationMs / 1_000)
      const { source, inputTokens, outputTokens, cachedTokens = 0, reasoningTokens = 0 } = used
      tokens.inc({ type: 'input', source }, inputTokens)
      tokens.inc({ type: 'output', source }, outputTokens)
      tokens.inc({ type: 'cached', source }, cachedTokens)
      tokens.inc({ type: 'reasoning', source }, reasoningTokens)
      usage.observe({ gen_ai_token_type: 'input' }, inputTokens)
      usage.observe({ gen_ai_token_type: 'output' }, outputTokens)
    },
    operationRepeated: () => repeats.inc(),
    attemptOpened: (attempt) => attempts.inc({ attempt: attempt === 1 ? 'first' : 'later' }),
    takenOver: (how) => takeOvers.inc({ how }),
    stopped: (reason) => stops.inc({ reason }),
  }
}
