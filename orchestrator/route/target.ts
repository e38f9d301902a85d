/**
 * One target as this node sees it: its connections, its keys, its places and its health, shared by all answers.
 *
 * A call is passed over, and costs nothing, while the target is ill, its keys cool down or too many wait already. What
 * stands between is looked at again when a place comes free, since a call may have waited long for it.
 */
import { coolKeyMinMs, coolKeyMs, refusedKeyMs } from '../limits.ts'
import { answerTokensOf, type BreakerPolicy, otherModel, type RequestParameters, type TargetPolicy } from '../policy.ts'
import type { Clock, Provider, ProviderCall, ProviderEnd, ProviderFailure, ProviderMessage } from '../ports.ts'
import type { Passed } from './answer-state.ts'
import { Breaker, type BreakerState, type CallResult } from './breaker.ts'
import { Keys } from './keys.ts'
import { createPlaces, type Place, type Places } from './places.ts'

export interface Question {
  readonly messages: readonly ProviderMessage[]
  /** Of a target that has no length of its own. */
  readonly maxOutputTokens: number
  /** Of all messages, estimated. */
  readonly tokens: number
  /** What the prompt's version asks for beside it. */
  readonly parameters?: RequestParameters
  /** In place of the target's own; where any name is handed on. */
  readonly model?: string
  /** What names the turn in the log. */
  readonly log?: object
}

/** `passed`, or else `sent` and then what the provider's sink hears; never after `close`, maybe before `call` returns. */
export interface CallListener {
  passed(why: Passed, forMs: number): void
  sent(): void
  connected(): void
  started(answer: { readonly model?: string; readonly id?: string }): void
  taken(): void
  thought(piece: string): void
  alive(): void
  counted(usage: NonNullable<ProviderEnd['usage']>): void
  text(piece: string): void
  ended(end: ProviderEnd): void
  failed(failure: ProviderFailure, hasKey: boolean, coolForMs: number): void
}

export interface TargetCall {
  pause(): void
  resume(): void
  /** Destroys its connection, or gives up to wait. `result`: what it says of the target's health. Idempotent. */
  close(result: CallResult): void
}

export class Target {
  policy: TargetPolicy
  readonly provider: Provider
  readonly #breaker: Breaker
  readonly #keys: Keys
  readonly #places: Places
  readonly #clock: Clock

  /** `changed`: its breaker opened or closed. */
  constructor(
    policy: TargetPolicy,
    breaker: BreakerPolicy,
    provider: Provider,
    clock: Clock,
    changed: (isOpen: boolean) => void = () => undefined,
  ) {
    this.policy = policy
    this.provider = provider
    this.#breaker = new Breaker(breaker, changed)
    this.#keys = new Keys(policy.keys)
    this.#places = createPlaces(policy.limits)
    this.#clock = clock
  }

  get state(): BreakerState {
    return this.#breaker.state(this.#clock.monotonicMs())
  }

  call(question: Question, listener: CallListener): TargetCall {
    const call = new PlacedCall(this, question, listener)
    const passed = this.#passes()
    if (passed !== undefined) call.pass(passed.why, passed.forMs)
    else call.wait(this.#places)
    return call
  }

  /** The same target with other keys: what was learned of it stays. */
  adopt(policy: TargetPolicy): void {
    this.policy = policy
    this.#keys.replace(policy.keys)
  }

  /** Takes what a call needs, or says why it is passed over. `judge` must follow, with the epoch. */
  enter(): { readonly key: number; readonly epoch: number } | { readonly why: Passed; readonly forMs: number } {
    const passed = this.#passes()
    if (passed !== undefined) return passed
    const nowMs = this.#clock.monotonicMs()
    const key = this.#keys.pick(nowMs)
    if (key === undefined) return cooling(this.#keys.coolForMs(nowMs))
    return { key, epoch: this.#breaker.enter(nowMs) }
  }

  judge(result: CallResult, epoch: number): void {
    this.#breaker.ended(result, epoch, this.#clock.monotonicMs())
  }

  send(question: Question, key: number, sink: Parameters<Provider['call']>[1]): ProviderCall {
    const { messages, parameters, model = this.policy.model } = question
    const maxOutputTokens = answerTokensOf(this.policy, question.maxOutputTokens)
    // The number of a key in its list, never the key; and a model's name only where it is the operator's.
    const named = question.model === undefined ? model : otherModel
    const log = { ...question.log, target: this.policy.name, keyNumber: key + 1, model: named }
    const asked = { model, messages, maxOutputTokens, apiKey: this.#keys.reveal(key), log }
    return this.provider.call(parameters === undefined ? asked : { ...asked, parameters }, sink)
  }

  /** What was refused with this key may do with another; answers whether there is one now, or when. */
  failed(key: number, failure: ProviderFailure): { readonly hasKey: boolean; readonly coolForMs: number } {
    const nowMs = this.#clock.monotonicMs()
    const { cure, retryAfterMs } = failure
    if (cure === 'other-key' || cure === 'other-account') {
      const isRefused = cure === 'other-account'
      // A pause of nothing, which some ask for, would have one turn call as fast as it is refused.
      const restMs = isRefused ? refusedKeyMs : Math.max(retryAfterMs ?? coolKeyMs, coolKeyMinMs)
      this.#keys.cool(key, nowMs + restMs, isRefused)
    }
    const coolForMs = this.#keys.coolForMs(nowMs)
    return { hasKey: coolForMs === 0, coolForMs }
  }

  close(): void {
    this.#places.close()
    this.provider.close()
  }

  #passes(): { readonly why: Passed; readonly forMs: number } | undefined {
    const nowMs = this.#clock.monotonicMs()
    const illForMs = this.#breaker.openForMs(nowMs)
    if (illForMs > 0) return { why: 'ill', forMs: illForMs }
    const coolForMs = this.#keys.coolForMs(nowMs)
    return coolForMs > 0 ? cooling(coolForMs) : undefined
  }
}

function cooling(forMs: number): { readonly why: Passed; readonly forMs: number } {
  return { why: Number.isFinite(forMs) ? 'cooling' : 'refused', forMs }
}

class PlacedCall implements TargetCall {
  readonly #target: Target
  readonly #question: Question
  readonly #listener: CallListener
  #place: Place | undefined
  #call: ProviderCall | undefined
  /** Of the breaker; absent while it was not sent. */
  #epoch: number | undefined
  #wasWell = false
  #isOver = false
  #isPaused = false

  constructor(target: Target, question: Question, listener: CallListener) {
    this.#target = target
    this.#question = question
    this.#listener = listener
  }

  pass(why: Passed, forMs: number): void {
    this.#isOver = true
    this.#place?.leave()
    this.#listener.passed(why, forMs)
  }

  wait(places: Places): void {
    const place = places.enter(
      this.#question.tokens + answerTokensOf(this.#target.policy, this.#question.maxOutputTokens),
      () => this.#granted(),
      () => this.pass('full', 0),
    )
    this.#place = place
    if (this.#isOver) place.leave()
  }

  pause(): void {
    this.#isPaused = true
    this.#call?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#call?.resume()
  }

  close(result: CallResult): void {
    if (this.#isOver) return
    this.#over(result)
    this.#call?.close()
  }

  #granted(): void {
    if (this.#isOver) return
    const entered = this.#target.enter()
    if (!('key' in entered)) return this.pass(entered.why, entered.forMs)
    this.#epoch = entered.epoch
    const listener = this.#listener
    listener.sent()
    this.#call = this.#target.send(this.#question, entered.key, {
      connected: () => listener.connected(),
      taken: () => listener.taken(),
      started: (answer) => listener.started(answer),
      thought: (piece) => {
        this.#isWell()
        listener.thought(piece)
      },
      alive: () => listener.alive(),
      counted: (usage) => listener.counted(usage),
      text: (piece) => {
        this.#isWell()
        listener.text(piece)
      },
      ended: (end) => {
        this.#over(this.#wasWell ? 'unknown' : 'well')
        listener.ended(end)
      },
      failed: (failure) => {
        const { hasKey, coolForMs } = this.#target.failed(entered.key, failure)
        this.#over(failure.isIllness ? 'ill' : 'unknown')
        listener.failed(failure, hasKey, coolForMs)
      },
    })
    if (this.#isPaused) this.#call.pause()
  }

  /** Who thinks or brings content is well, however long the rest takes: nobody has to wait for it to know. */
  #isWell(): void {
    if (this.#wasWell || this.#epoch === undefined) return
    this.#wasWell = true
    this.#target.judge('well', this.#epoch)
  }

  #over(result: CallResult): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#place?.leave()
    if (this.#epoch !== undefined) this.#target.judge(result, this.#epoch)
  }
}
