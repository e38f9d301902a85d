/**
 * The call and the filter of a turn: what the targets of its model bring goes, filtered, to its producer.
 *
 * A provider sees a redacted prompt; what it answers has the values put back, is looked at by the tenant's filters, and only
 * then reaches the tape, so lengths and hashes are of what readers get. An answer that breaks in the middle is asked for
 * anew with a filter of its own: what the old one held back was never shown.
 */

import { refusal } from '../protocol/error.ts'
import { type AnswerCache, cacheKey } from './answer-cache.ts'
import type { Bill } from './bill.ts'
import type { TurnFlags } from './flags.ts'
import { aliasOf, type ModelAlias, type Policy, privacyFor, type RetryPolicy } from './policy.ts'
import type { Clock, ProviderCall, TurnTelemetry } from './ports.ts'
import type { AnswerFilter } from './privacy/answer-filter.ts'
import type { Restorer } from './privacy/restore.ts'
import type { TenantFilters } from './privacy/tenant-filters.ts'
import type { Producer } from './producer.ts'
import { continued, type Prompt } from './prompt.ts'
import { orderFor } from './route/order.ts'
import { type AnswerSink, RoutedAnswer } from './route/routed-answer.ts'
import type { Question } from './route/target.ts'
import type { Targets } from './route/targets.ts'
import type { Work } from './run-turn.ts'
import type { TurnSpans } from './spans.ts'
import { witnessOf } from './witness.ts'

export interface CallPorts {
  readonly targets: Pick<Targets, 'current'>
  /** A tenant's filters, compiled once for its policy. */
  readonly filtersFor: (privacy: ReturnType<typeof privacyFor>) => TenantFilters
  readonly cache: AnswerCache
  readonly telemetry: TurnTelemetry
  readonly clock: Clock
}

export type BuiltPrompt = Extract<Prompt, { kind: 'ok' }>

/** Resolves when the call is made, or the turn has failed instead. */
export async function callTargets(
  producer: Producer,
  prompt: BuiltPrompt,
  work: Work,
  bill: Bill,
  ports: CallPorts,
  spans: TurnSpans,
): Promise<void> {
  const { policy, model, spender } = work
  const alias = aliasOf(policy, model)
  if (alias === undefined) return producer.fail(refusal('invalid', 'this model is not offered here any more'))
  const filters = ports.filtersFor(privacyFor(policy.privacy, spender.tenant))
  const asked = await redacted(prompt, work, filters, producer, ports)
  if (asked === undefined || !producer.isOpen) return
  const abort = new AbortController()
  void producer.stopped.then(() => abort.abort())
  const forbidden = await filters.checkQuestion(asked.question.messages, abort.signal)
  if (forbidden !== undefined) return producer.fail(forbidden)
  if (producer.isOpen) new Calling(producer, prompt, work, bill, ports, spans, filters).start(alias, asked)
}

interface Asked {
  readonly question: Question
  readonly restorer: Restorer
}

/** Undefined: the turn has failed. */
async function redacted(
  { messages, tokens }: BuiltPrompt,
  { claim, policy, model }: Work,
  filters: TenantFilters,
  producer: Producer,
  { telemetry }: CallPorts,
): Promise<Asked | undefined> {
  const redaction = await filters.redact(claim.session, messages)
  if (redaction.kind === 'refused') {
    producer.fail(redaction.refusal)
    return undefined
  }
  for (const [kind, count] of redaction.counts) telemetry.redacted(kind, count)
  const question = { messages: redaction.messages, tokens, maxOutputTokens: policy.limits.answerTokens }
  // A name that is no alias goes on to the target as it is.
  const isAlias = model === undefined || policy.models.has(model)
  return { question: isAlias ? question : { ...question, model }, restorer: redaction.restorer }
}

/** One turn's call, over all its tries. To the producer it is one call, which it may pause and close. */
class Calling implements ProviderCall {
  readonly #producer: Producer
  readonly #prompt: BuiltPrompt
  readonly #work: Work
  readonly #bill: Bill
  readonly #ports: CallPorts
  readonly #spans: TurnSpans
  readonly #filters: TenantFilters
  #answer: RoutedAnswer | undefined
  #filter: AnswerFilter | undefined
  /** What comes is the whole answer, not the rest of one. */
  #isWhole = true
  #isPausedByStore = false
  #isPausedByFilter = false

  constructor(
    producer: Producer,
    prompt: BuiltPrompt,
    work: Work,
    bill: Bill,
    ports: CallPorts,
    spans: TurnSpans,
    filters: TenantFilters,
  ) {
    this.#producer = producer
    this.#prompt = prompt
    this.#work = work
    this.#bill = bill
    this.#ports = ports
    this.#spans = spans
    this.#filters = filters
  }

  start(alias: ModelAlias, { question, restorer }: Asked): void {
    const { policy, flags, claim, model = policy.defaultModel, spender } = this.#work
    const { cache, targets, telemetry, clock } = this.#ports
    this.#filter = this.#newFilter(restorer)
    this.#producer.called(this)
    const isCached = policy.cache.isOn && flags.cache && this.#work.mayCache === true && claim.kept === undefined
    const key = isCached ? cacheKey(spender.tenant, [model, ...modelsOf(alias, policy)], question) : ''
    const known = isCached ? cache.get(key, policy.cache) : undefined
    if (isCached) telemetry.cacheAsked(known !== undefined)
    if (known !== undefined) return this.#replay(known.text, known.finishReason)
    const heard: string[] = []
    const reachable = targets.current()
    this.#answer = new RoutedAnswer(question, {
      plan: {
        retry: allowed(policy.retry, flags),
        order: orderFor(alias, claim.session),
        hasOffline: alias.offline !== undefined,
      },
      targetOf: (name) => reachable.get(name),
      sink: this.#sink(alias.offline ?? '', isCached ? heard : undefined, (finishReason) => {
        if (isCached && this.#isWhole && finishReason === 'stop')
          cache.put(key, { text: heard.join(''), finishReason }, policy.cache)
      }),
      witness: witnessOf(this.#bill, telemetry, this.#spans),
      clock,
      chance: Math.random,
    })
    this.#answer.start()
  }

  pause(): void {
    this.#isPausedByStore = true
    this.#answer?.pause()
  }

  resume(): void {
    this.#isPausedByStore = false
    this.#flow()
  }

  close(): void {
    this.#filter?.close()
    this.#answer?.close()
  }

  #sink(offline: string, heard: string[] | undefined, finished: (finishReason: string) => void): AnswerSink {
    const producer = this.#producer
    return {
      text: (piece) => {
        heard?.push(piece)
        this.#filter?.push(piece)
      },
      broke: (how, { message }, proceed) => {
        this.#filter?.close()
        heard?.splice(0)
        if (how === 'continue') this.#isWhole = false
        producer.mend(how === 'continue', message, (kept) => {
          this.#askAgain(Buffer.from(kept), proceed).catch((error: unknown) => producer.broke(error))
        })
      },
      finish: ({ finishReason }) => {
        finished(finishReason)
        this.#filter?.end(() => producer.finish(finishReason))
      },
      offline() {
        producer.text(offline)
        producer.finish('offline')
      },
      fail: (error) => this.#filter?.end(() => producer.fail(error)),
      bug: (error) => producer.broke(error),
    }
  }

  async #askAgain(kept: Buffer, proceed: (question: Question) => void): Promise<void> {
    const prompt = kept.length === 0 ? this.#prompt : continued(this.#prompt, kept)
    if (prompt.kind === 'refused') return this.#producer.fail(prompt.refusal)
    const asked = await redacted(prompt, this.#work, this.#filters, this.#producer, this.#ports)
    if (asked === undefined || !this.#producer.isOpen) return
    this.#filter = this.#newFilter(asked.restorer)
    proceed(asked.question)
  }

  /** From the cache, by the way that every answer takes. */
  #replay(text: string, finishReason: string): void {
    this.#bill.free()
    this.#filter?.push(text)
    this.#filter?.end(() => this.#producer.finish(finishReason))
  }

  #newFilter(restorer: Restorer): AnswerFilter {
    const producer = this.#producer
    this.#isPausedByFilter = false
    this.#flow()
    return this.#filters.startAnswer(restorer, this.#ports.clock, {
      text: (piece) => producer.text(piece),
      stopped: (error) => {
        this.#ports.telemetry.filtered()
        producer.fail(error)
      },
      broke: (error) => producer.broke(error),
      pause: () => {
        this.#isPausedByFilter = true
        this.#answer?.pause()
      },
      resume: () => {
        this.#isPausedByFilter = false
        this.#flow()
      },
    })
  }

  #flow(): void {
    if (!this.#isPausedByStore && !this.#isPausedByFilter) this.#answer?.resume()
  }
}

/** Who would answer: with other models the answers are others. */
function modelsOf({ targets }: ModelAlias, policy: Policy): readonly string[] {
  return targets.map(({ target }) => policy.targets.get(target)?.model ?? '')
}

/** What may be switched off without a deployment. */
function allowed(retry: RetryPolicy, flags: TurnFlags): RetryPolicy {
  const afterContent = retry.afterContent === 'continue' && !flags.continue ? 'restart' : retry.afterContent
  return { ...retry, afterContent, hedgeMs: flags.hedging ? retry.hedgeMs : 0 }
}
