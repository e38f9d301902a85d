/**
 * The shell around a turn's reducer: turns its effects into calls of the store and the provider, and their answers into
 * events. It holds the text.
 *
 * The token path is `text()`: filter, buffer, one step of the reducer and, when no operation is in flight, the append; no
 * promise and no copy for each token but the append's own. A bug in here or below ends this turn as failed and no other.
 */

import { type Refusal, refusal } from '../protocol/error.ts'
import { deltaTextBytes } from '../protocol/limits.ts'
import type { Usage } from '../protocol/shapes.ts'
import { AnswerText } from './answer-text.ts'
import { Delivery } from './delivery.ts'
import { repeatMinMs, repeatSpreadMs } from './limits.ts'
import { hearNudges, type Nudges } from './nudges.ts'
import type {
  Audience,
  Clock,
  Fence,
  ProviderCall,
  ProviderEnd,
  StopReason,
  TurnLog,
  TurnLogger,
  TurnTelemetry,
} from './ports.ts'
import type { ChosenPrompt } from './prompts/prompts.ts'
import { startTurn, stepTurn, wakeAtMs } from './turn.ts'
import { TurnMeter } from './turn-meter.ts'
import {
  type ClaimReply,
  failed,
  type Outcome,
  type TurnBounds,
  type TurnEffect,
  type TurnEvent,
  type TurnStart,
  type TurnState,
} from './turn-state.ts'
import { wellFormed } from './well-formed.ts'
import { readWholeTape } from './whole-tape.ts'
import { type WrittenRecords, writtenRecords } from './written-records.ts'

type ClaimStart = TurnStart extends infer Start ? (Start extends unknown ? Omit<Start, 'nowMs'> : never) : never

/** One claim of a turn: what made this node its producer, and how to ask for it again. */
export interface Claim {
  readonly session: string
  readonly turn: string
  readonly token: string
  readonly start: ClaimStart
  /** What the attempt that is there has, and ours begins with. */
  readonly kept?: Buffer
  /** The very same operation with the same arguments; rejects when the outcome is unknown. */
  repeat(): Promise<ClaimReply>
}

export interface ProducerPorts {
  readonly log: Pick<TurnLog, 'append' | 'end' | 'read' | 'subscribe'>
  readonly audience: Audience
  readonly telemetry: TurnTelemetry
  readonly logger: TurnLogger
  readonly clock: Clock
}

export interface ProducerOptions extends TurnBounds {
  readonly model: string
  /** What the records of its attempts say it was asked with. */
  readonly prompt?: ChosenPrompt
  readonly tapeBytes: number
}

export interface Stopped {
  readonly reason: StopReason
  readonly outcome?: Outcome
  readonly usage: Usage
}

export interface Producer {
  /** True until it is known how the turn ends. */
  readonly isOpen: boolean
  /** The provider was called: its pieces come by `text`, its end by `finish` or `fail`. */
  called(call: ProviderCall, promptTokens: number): void
  /** The provider took the request. */
  began(): void
  text(piece: string): void
  finish(end: ProviderEnd): void
  fail(error: Refusal): void
  /** A bug elsewhere in this turn. */
  broke(error: unknown): void
  /** Leaves the turn, unless its end is known, to whoever takes it over, who need not wait for the lease to lapse. */
  handOver(): Promise<void>
  /** What is kept of a turn that has ended is kept no longer. */
  letGo(): void
  /** Ends it all without a word to the store, as the process' end would. */
  leave(): void
  /** Resolves when the turn has ended, or was left. */
  readonly stopped: Promise<Stopped>
  /** Resolves when nothing of it is kept any more. */
  readonly gone: Promise<void>
}

export function startProducer(
  claim: Claim,
  options: ProducerOptions,
  ports: ProducerPorts,
  estimate: (units: number, bytes: number) => number,
): Producer {
  return new TurnProducer(claim, options, ports, estimate)
}

class TurnProducer implements Producer {
  readonly #claim: Claim
  readonly #options: ProducerOptions
  readonly #ports: ProducerPorts
  readonly #text: AnswerText
  readonly #filter = wellFormed()
  readonly #end = Promise.withResolvers<Stopped>()
  readonly #gone = Promise.withResolvers<void>()
  #isSettled = false
  readonly #meter: TurnMeter
  readonly #delivery: Delivery
  readonly #records: WrittenRecords
  readonly #nudges: Nudges

  #lastFence: Fence
  #state: TurnState
  #call: ProviderCall | undefined
  /** Answers of operations before this one are dropped. */
  #flight = 0
  /** When the oldest text that is not in an append arrived, and that of the append in flight. */
  #waitingSinceMs = 0
  #arrivedMs = 0
  #sentBytes = 0
  #timerAtMs = Number.POSITIVE_INFINITY
  #cancelTimer: () => void = () => undefined
  #isBroken = false
  #queue: TurnEvent[] = []
  #isStepping = false

  constructor(
    claim: Claim,
    options: ProducerOptions,
    ports: ProducerPorts,
    estimate: (units: number, bytes: number) => number,
  ) {
    this.#claim = claim
    this.#lastFence = { token: claim.token, turn: claim.turn, attempt: 0 }
    this.#options = options
    this.#ports = ports
    this.#text = new AnswerText(options.tapeBytes)
    if (claim.kept !== undefined) this.#text.replace(claim.kept)
    this.#records = writtenRecords(claim.turn, options, ports.clock.nowMs)
    this.#delivery = new Delivery(claim.session, this.#text, ports.audience)
    const nowMs = ports.clock.monotonicMs()
    this.#meter = new TurnMeter(nowMs, ports.telemetry, estimate)
    const first = startTurn({ ...claim.start, nowMs }, options)
    this.#state = first.state
    this.#nudges = hearNudges(
      claim.session,
      ports,
      () => this.#flight > 0,
      () => this.#step({ type: 'nudged', nowMs: ports.clock.monotonicMs() }),
    )
    this.#run(first.effects)
    this.#setTimer()
  }

  get isOpen(): boolean {
    return this.#state.phase === 'pending' || this.#state.phase === 'streaming'
  }

  get stopped(): Promise<Stopped> {
    return this.#end.promise
  }

  get gone(): Promise<void> {
    return this.#gone.promise
  }

  called(call: ProviderCall, promptTokens: number): void {
    this.#call = call
    const nowMs = this.#ports.clock.monotonicMs()
    this.#meter.called(nowMs, promptTokens)
    if (!this.isOpen) return call.close()
    this.#step({ type: 'called', nowMs })
  }

  began(): void {
    this.#meter.began()
  }

  text(piece: string): void {
    if (this.#state.phase !== 'streaming' || piece === '') return
    try {
      const nowMs = this.#ports.clock.monotonicMs()
      this.#meter.text(nowMs, piece.length)
      if (this.#text.sizeBytes === this.#sentBytes) this.#waitingSinceMs = nowMs
      const fits = this.#text.push(this.#filter.push(piece))
      const sizeBytes = this.#text.sizeBytes
      this.#step(fits ? { type: 'text', nowMs, sizeBytes } : { type: 'overflowed', nowMs, sizeBytes })
    } catch (error) {
      this.broke(error)
    }
  }

  finish(end: ProviderEnd): void {
    if (!this.isOpen) return
    this.#meter.finished(end.usage)
    this.#text.push(this.#filter.end())
    const { finishReason } = end
    const nowMs = this.#ports.clock.monotonicMs()
    this.#step({ type: 'finished', nowMs, sizeBytes: this.#text.sizeBytes, finishReason })
  }

  fail(error: Refusal): void {
    if (!this.isOpen) return
    const nowMs = this.#ports.clock.monotonicMs()
    this.#step({ type: 'failed', nowMs, sizeBytes: this.#text.sizeBytes, error })
  }

  /**
   * Ends the turn as failed with what the store has, from a fresh state of the reducer. A second bug stops the producer
   * without a word to the store; the lease lapses and a take-over ends the turn.
   */
  broke(error: unknown): void {
    const { logger } = this.#ports
    const { session, turn } = this.#claim
    // The message of an exception may quote text, its type and place do not.
    const where =
      error instanceof Error ? { error: error.name, stack: stackWithoutMessage(error) } : { error: typeof error }
    logger.error({ session, turn, ...where }, 'bug in a turn')
    if (this.#state.phase === 'done') return
    this.#flight++
    this.#queue = []
    this.#isStepping = false
    if (this.#isBroken || !('store' in this.#state)) return this.#stop('bug')
    this.#isBroken = true
    const store = {
      ...this.#state.store,
      flight: 'none',
      isOpen: false,
      ackedBytes: 0,
      repeatAtMs: 0,
      renewAtMs: 0,
    } as const
    const internal = failed(refusal('internal', 'the gateway failed to produce this answer'))
    const foreignAttempt = Math.max(1, store.foreignAttempt)
    this.#state = {
      phase: 'ending',
      store: { ...store, foreignAttempt },
      outcome: internal,
      text: 'own',
      untilMs: Number.POSITIVE_INFINITY,
    }
    this.#guard(() => this.#call?.close())
    this.#step({ type: 'ticked', nowMs: this.#ports.clock.monotonicMs() })
  }

  async handOver(): Promise<void> {
    if (!this.isOpen || !('store' in this.#state)) return
    const { attempt, ackedBytes } = this.#state.store
    const request = { session: this.#claim.session, fence: this.#fence(attempt), part: 0, at: ackedBytes }
    // What is in flight was sent before, and is executed before.
    this.#flight++
    this.#stop('handed-over')
    const last = { ...request, text: new Uint8Array(0), leaseMs: 1, maxBytes: this.#options.tapeBytes }
    await this.#ports.log.append(last).catch(() => undefined)
  }

  leave(): void {
    if (this.#state.phase === 'done') return
    this.#flight++
    this.#stop('left')
  }

  letGo(): void {
    this.#step({ type: 'let-go', nowMs: this.#ports.clock.monotonicMs() })
  }

  /** One event at a time: what an effect brings synchronously waits for its turn. */
  #step(event: TurnEvent): void {
    if (this.#isStepping) {
      this.#queue.push(event)
      return
    }
    this.#isStepping = true
    try {
      for (let next: TurnEvent | undefined = event; next !== undefined; next = this.#queue.shift()) {
        const { state, effects } = stepTurn(this.#state, next, this.#options)
        this.#state = state
        if (effects.length > 0) this.#run(effects)
      }
      this.#isStepping = false
      this.#setTimer()
    } catch (error) {
      this.broke(error)
    }
  }

  #run(effects: readonly TurnEffect[]): void {
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: TurnEffect): void {
    switch (effect.type) {
      case 'append':
        return this.#append(effect)
      case 'deliver':
        return this.#deliver(effect.attempt, effect.to)
      case 'end':
        return this.#endTurn(effect.attempt, effect.outcome)
      case 'claim':
        return this.#fly(this.#claim.repeat(), (reply, nowMs) => ({ type: 'claimed', nowMs, reply }))
      case 'read':
        return this.#fly(this.#readTape(), (sizeBytes, nowMs) => ({ type: 'read', nowMs, sizeBytes }))
      case 'cut':
        return this.#text.cut(effect.to)
      case 'pause':
        return this.#call?.pause()
      case 'resume':
        return this.#call?.resume()
      case 'close':
        return this.#call?.close()
      case 'settle':
        return this.#settle('ended', effect.outcome)
      case 'stop':
        return this.#stop(effect.reason, effect.outcome)
    }
  }

  #append(effect: Extract<TurnEffect, { type: 'append' }>): void {
    const text = this.#text.slice(effect.at, deltaTextBytes)
    this.#arrivedMs = this.#waitingSinceMs
    this.#sentBytes = effect.at + text.length
    const request = {
      session: this.#claim.session,
      fence: this.#fence(effect.attempt),
      part: 0,
      at: effect.at,
      text,
      leaseMs: effect.renews ? this.#options.leaseMs : 0,
      maxBytes: this.#options.tapeBytes,
    }
    const opened = effect.opens ? { ...request, open: this.#records.opening(effect.attempt, effect.keep) } : request
    this.#fly(this.#ports.log.append(opened), (reply, nowMs) => {
      if (reply.kind === 'ok' && effect.opens && !this.#isBroken) this.#ports.telemetry.attemptOpened(effect.attempt)
      return { type: 'appended', nowMs, reply }
    })
  }

  #fence(attempt: number): Fence {
    if (this.#lastFence.attempt !== attempt) this.#lastFence = { ...this.#lastFence, attempt }
    return this.#lastFence
  }

  #deliver(attempt: number, to: number): void {
    // A broken turn's watchers read the store when it stopped.
    if (!this.#isBroken) this.#delivery.upTo(to, this.#fence(attempt), this.#arrivedMs)
  }

  #endTurn(attempt: number, outcome: Outcome): void {
    const { session, token, turn } = this.#claim
    const sums = this.#text.sums()
    const record = this.#records.terminal(attempt, outcome, sums, this.#meter.usage(this.#text.sizeBytes))
    const parts = sums.bytes === 0 ? [] : [{ bytes: sums.bytes, sha1: sums.sha1 }]
    const ending = this.#ports.log.end({ session, token, turn, attempt, record, parts })
    this.#fly(ending, (reply, nowMs) => ({ type: 'ended', nowMs, reply }))
  }

  async #readTape(): Promise<number> {
    const bytes = await readWholeTape(this.#ports.log, this.#claim.session, this.#claim.turn)
    this.#text.replace(bytes)
    return bytes.length
  }

  /** Answers come as events, one operation at a time; a late one of a state that is gone is dropped. */
  #fly<R>(operation: Promise<R>, event: (reply: R, nowMs: number) => TurnEvent): void {
    const flight = ++this.#flight
    const { clock } = this.#ports
    const answered = (reply: R) => {
      if (flight !== this.#flight) return
      try {
        this.#step(event(reply, clock.monotonicMs()))
      } catch (error) {
        this.broke(error)
      }
    }
    const rejected = () => {
      if (flight !== this.#flight) return
      this.#ports.telemetry.operationRepeated()
      const jitterMs = repeatMinMs + Math.random() * repeatSpreadMs
      this.#step({ type: 'unknown', nowMs: clock.monotonicMs(), jitterMs })
    }
    // Neither throws, so that no second promise is needed for each token.
    void operation.then(answered, rejected)
  }

  /** A timer that comes too early costs one idle tick, which is cheaper than setting it anew for each token. */
  #setTimer(): void {
    const wakeMs = wakeAtMs(this.#state)
    if (wakeMs >= this.#timerAtMs) return
    this.#cancelTimer()
    this.#timerAtMs = wakeMs
    const { clock } = this.#ports
    this.#cancelTimer = clock.after(Math.max(0, wakeMs - clock.monotonicMs()), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY
      this.#step({ type: 'ticked', nowMs: clock.monotonicMs() })
    })
  }

  #stop(reason: StopReason, outcome?: Outcome): void {
    this.#state = { phase: 'done', reason }
    this.#cancelTimer()
    this.#guard(() => this.#nudges.close())
    this.#settle(reason, outcome)
    this.#gone.resolve()
  }

  /** For everybody else it is over, whatever is kept of it. */
  #settle(reason: StopReason, outcome?: Outcome): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#guard(() => this.#call?.close())
    this.#guard(() => this.#ports.audience.stopped(this.#claim.session))
    this.#guard(() => this.#ports.telemetry.stopped(reason))
    const stopped = { reason, usage: this.#meter.usage(this.#text.sizeBytes) }
    this.#end.resolve(outcome === undefined ? stopped : { ...stopped, outcome })
  }

  /** What must be tried at the end of a turn, whatever else is broken. */
  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#ports.logger.error(
        { turn: this.#claim.turn, error: error instanceof Error ? error.name : typeof error },
        'bug',
      )
    }
  }
}

function stackWithoutMessage(error: Error): string {
  return (error.stack ?? '')
    .split('\n')
    .filter((line) => line.trimStart().startsWith('at '))
    .join('\n')
}
