/**
 * The call and the filter of a turn: what the targets of its model bring goes, filtered, to its producer.
 *
 * A provider sees a redacted prompt; what it answers has the values put back, is looked at by the tenant's filters, and only
 * then reaches the tape, so lengths and hashes are of what readers get. An answer that breaks in the middle is asked for
 * anew with a filter of its own: what the old one held back was never shown.
 */
import { type AnswerCache, type CachedAnswer, cacheKey } from './answer-cache.ts'
import type { Bill } from './bill.ts'
import type { TurnFlags } from './flags.ts'
import { aliasOf, type RetryPolicy, type TargetPolicy } from './policy.ts'
import type { Clock, ProviderCall, TurnTelemetry } from './ports.ts'
import type { AnswerFilter } from './privacy/answer-filter.ts'
import type { Restorer } from './privacy/restore.ts'
import type { TenantFilters } from './privacy/tenant-filters.ts'
import type { Producer } from './producer.ts'
import { continued } from './prompt.ts'
import { type Asked, type BuiltPrompt, redactPrompt } from './redact-prompt.ts'
import { orderFor } from './route/order.ts'
import { type AnswerSink, RoutedAnswer } from './route/routed-answer.ts'
import type { Question, Target } from './route/target.ts'
import type { Targets } from './route/targets.ts'
import type { Work } from './run-turn.ts'
import type { TurnSpans } from './spans.ts'
import { witnessOf } from './witness.ts'

export interface CallPorts {
  readonly targets: Pick<Targets, 'current'>
  readonly cache: AnswerCache
  readonly telemetry: TurnTelemetry
  readonly clock: Clock
}

/** Who may answer, as it was when the turn was routed. */
export interface Route {
  readonly order: readonly string[]
  readonly reachable: ReadonlyMap<string, Target>
  /** For when none of them can. */
  readonly offline: string | undefined
}

/** Undefined: the model is not offered any more. */
export function routeFor({ policy, model, claim }: Work, targets: Pick<Targets, 'current'>): Route | undefined {
  const alias = aliasOf(policy, model)
  if (alias === undefined) return undefined
  return { order: orderFor(alias, claim.session), reachable: targets.current(), offline: alias.offline }
}

export interface CallParts {
  readonly producer: Producer
  readonly work: Work
  /** What was asked, before it was redacted: a break in the middle asks on from it. */
  readonly prompt: BuiltPrompt
  readonly filters: TenantFilters
  readonly route: Route
  readonly bill: Bill
  readonly spans: TurnSpans
}

/** Calls the targets; what they bring goes to the producer, which may pause the call and close it. */
export function callTargets(asked: Asked, parts: CallParts, ports: CallPorts): void {
  new Calling(parts, ports).start(asked)
}

/** One turn's call, over all its tries. To the producer it is one call, which it may pause and close. */
class Calling implements ProviderCall {
  readonly #parts: CallParts
  readonly #ports: CallPorts
  #answer: RoutedAnswer | undefined
  #filter: AnswerFilter | undefined
  /** What comes is the whole answer, not the rest of one. */
  #isWhole = true
  #isPausedByStore = false
  #isPausedByFilter = false

  constructor(parts: CallParts, ports: CallPorts) {
    this.#parts = parts
    this.#ports = ports
  }

  start({ question, restorer }: Asked): void {
    const { producer, work, route, bill, spans } = this.#parts
    const { policy, flags } = work
    const { telemetry, clock } = this.#ports
    this.#filter = this.#newFilter(restorer)
    producer.called(this)
    const cached = this.#cached(question)
    if (cached?.known !== undefined) return this.#replay(cached.known)
    const { order, offline, reachable } = route
    this.#answer = new RoutedAnswer(question, {
      plan: { retry: allowed(policy.retry, flags), order, hasOffline: offline !== undefined },
      targetOf: (name) => reachable.get(name),
      sink: this.#sink(offline ?? '', cached?.put),
      witness: witnessOf(bill, telemetry, spans),
      allow: () => work.reservation.allow(() => bill.most()),
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

  /** Undefined: this message does not allow it. `put` keeps an answer that came whole. */
  #cached(question: Question) {
    const { policy, flags, claim, spender, mayCache, model = policy.defaultModel } = this.#parts.work
    if (!policy.cache.isOn || !flags.cache || mayCache !== true || claim.kept !== undefined) return undefined
    const { cache, telemetry } = this.#ports
    const models = this.#parts.route.order.map((target) => answererKey(policy.targets.get(target)))
    const key = cacheKey(spender.tenant, [model, ...models.sort()], question)
    const known = cache.get(key, policy.cache)
    telemetry.cacheAsked(known !== undefined)
    return { known, put: (answer: CachedAnswer) => cache.put(key, answer, policy.cache, claim.session) }
  }

  #sink(offline: string, keep: ((answer: CachedAnswer) => void) | undefined): AnswerSink {
    const { producer } = this.#parts
    const heard: string[] = []
    return {
      text: (piece) => {
        if (keep !== undefined) heard.push(piece)
        this.#filter?.push(piece)
      },
      broke: (how, { message }, proceed) => {
        this.#filter?.close()
        this.#filter = undefined
        heard.splice(0)
        if (how === 'restart') {
          this.#beginAnew(message, proceed).catch((error: unknown) => producer.broke(error))
          return
        }
        this.#isWhole = false
        producer.mend(true, message, (kept) => {
          this.#goOn(Buffer.from(kept), proceed).catch((error: unknown) => producer.broke(error))
        })
      },
      finish: ({ finishReason }) => {
        // An empty answer is not worth giving again.
        if (this.#isWhole && finishReason === 'stop' && heard.length > 0) keep?.({ text: heard.join(''), finishReason })
        this.#filter?.end(() => producer.finish(finishReason))
      },
      offline() {
        producer.text(offline)
        producer.finish('offline')
      },
      fail: (error) => {
        // Without one the attempt before was not replaced yet: its text stays.
        if (this.#filter === undefined) producer.fail(error)
        else this.#filter.end(() => producer.fail(error))
      },
      bug: (error) => producer.broke(error),
    }
  }

  /**
   * The new attempt is opened in the same step in which its text comes. Opened earlier, it would be the one that ends without
   * a word if the answer failed or was cancelled meanwhile, and what readers were shown before would be gone.
   */
  async #beginAnew(reason: string, proceed: (question: Question) => void): Promise<void> {
    const { producer } = this.#parts
    const asked = await this.#asked(this.#parts.prompt)
    if (asked === undefined) return
    producer.mend(false, reason, () => {
      this.#filter = this.#newFilter(asked.restorer)
      proceed(asked.question)
    })
  }

  async #goOn(kept: Buffer, proceed: (question: Question) => void): Promise<void> {
    const { producer, prompt: first } = this.#parts
    const prompt = kept.length === 0 ? first : continued(first, kept)
    if (prompt.kind === 'refused') return producer.fail(prompt.refusal)
    const asked = await this.#asked(prompt)
    if (asked === undefined || !producer.isOpen) return
    this.#filter = this.#newFilter(asked.restorer)
    proceed(asked.question)
  }

  /** Undefined: the turn failed by it. */
  async #asked(prompt: BuiltPrompt): Promise<Asked | undefined> {
    const { producer, work, filters } = this.#parts
    const asked = await redactPrompt(prompt, work, filters, this.#ports.telemetry)
    if (asked.kind !== 'refused') return asked
    producer.fail(asked.refusal)
    return undefined
  }

  /** From the cache, by the way that every answer takes. */
  #replay({ text, finishReason }: CachedAnswer): void {
    const { producer, bill } = this.#parts
    bill.free()
    this.#filter?.push(text)
    this.#filter?.end(() => producer.finish(finishReason))
  }

  #newFilter(restorer: Restorer): AnswerFilter {
    const { producer, filters } = this.#parts
    this.#isPausedByFilter = false
    this.#flow()
    return filters.startAnswer(restorer, this.#ports.clock, {
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

/** What an answer of a target depends on, as it is configured. */
function answererKey(target: TargetPolicy | undefined): string {
  return JSON.stringify([target?.model, target?.answerTokens, target?.request?.parameters])
}

/** What may be switched off without a deployment. */
function allowed(retry: RetryPolicy, flags: TurnFlags): RetryPolicy {
  const afterContent = retry.afterContent === 'continue' && !flags.continue ? 'restart' : retry.afterContent
  return { ...retry, afterContent, hedgeMs: flags.hedging ? retry.hedgeMs : 0 }
}
