/**
 * The shell around a turn's reducer: turns its effects into calls of the store (`store-operations.ts`) and the provider,
 * and their answers into events. It holds the text.
 *
 * The token path is `text()`: filter, buffer, one step of the reducer and, when no operation is in flight, the append; no
 * promise and no copy for each token but the append's own. A bug in here or below ends this turn as failed and no other.
 */

import type { Refusal } from '../protocol/error.ts'
import { AnswerText } from './answer-text.ts'
import type { Backlog } from './backlog.ts'
import type { Claim } from './claim.ts'
import { Delivery } from './delivery.ts'
import { hearNudges, type Nudges } from './nudges.ts'
import type { Audience, Clock, ProviderCall, StopReason, TurnLog, TurnLogger, TurnTelemetry } from './ports.ts'
import { StoreOperations } from './store-operations.ts'
import { brokenTurn, startTurn, stepTurn, turnBacklogBytes, wakeAtMs } from './turn.ts'
import { TurnMeter } from './turn-meter.ts'
import type { Outcome, TurnBounds, TurnEffect, TurnEvent, TurnState } from './turn-state.ts'
import { wellFormed } from './well-formed.ts'
import type { Asked, Billed } from './written-records.ts'

export interface ProducerPorts {
  readonly log: Pick<TurnLog, 'append' | 'end' | 'read' | 'subscribe'>
  readonly audience: Audience
  readonly telemetry: TurnTelemetry
  readonly logger: TurnLogger
  readonly clock: Clock
  readonly backlog: Backlog
}

export interface ProducerOptions extends TurnBounds, Asked {
  readonly tapeBytes: number
}

export interface Stopped extends Billed {
  readonly reason: StopReason
  readonly outcome?: Outcome
}

export interface Producer {
  /** True until it is known how the turn ends. */
  readonly isOpen: boolean
  /** The provider was called: its pieces come by `text`, its end by `finish` or `fail`. */
  called(call: ProviderCall): void
  text(piece: string): void
  /**
   * The provider broke in the middle. When `ready` is called, a new attempt has begun, with the text so far if it `keeps`
   * that; then pieces may come again. A turn that ends before never calls it.
   */
  mend(keeps: boolean, reason: string, ready: (kept: Uint8Array) => void): void
  finish(finishReason: string): void
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

/** `bill` says what the turn used so far; it is asked when the provider has been closed. */
export function startProducer(
  claim: Claim,
  options: ProducerOptions,
  ports: ProducerPorts,
  bill: () => Billed,
): Producer {
  return new TurnProducer(claim, options, ports, bill)
}

class TurnProducer implements Producer {
  readonly #claim: Claim
  readonly #options: ProducerOptions
  readonly #ports: ProducerPorts
  readonly #text: AnswerText
  #filter = wellFormed()
  readonly #end = Promise.withResolvers<Stopped>()
  readonly #gone = Promise.withResolvers<void>()
  #isSettled = false
  readonly #meter: TurnMeter
  readonly #bill: () => Billed
  readonly #delivery: Delivery
  readonly #operations: StoreOperations
  readonly #nudges: Nudges

  #state: TurnState
  #call: ProviderCall | undefined
  #mended: (kept: Uint8Array) => void = () => undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #cancelTimer: () => void = () => undefined
  #isBroken = false
  /** Our share of the node's backlog. */
  #backlogBytes = 0
  #queue: TurnEvent[] = []
  #isStepping = false

  constructor(claim: Claim, options: ProducerOptions, ports: ProducerPorts, bill: () => Billed) {
    this.#claim = claim
    this.#options = options
    this.#ports = ports
    this.#text = new AnswerText(options.tapeBytes)
    if (claim.kept !== undefined) this.#text.replace(claim.kept)
    this.#delivery = new Delivery(claim.session, this.#text, ports.audience)
    const nowMs = ports.clock.monotonicMs()
    this.#bill = bill
    this.#meter = new TurnMeter(nowMs, ports.telemetry)
    this.#operations = new StoreOperations(claim, options, ports, this.#text, {
      heard: (event) => this.#step(event),
      opened: (attempt) => this.#opened(attempt),
      broke: (error) => this.broke(error),
      bill,
    })
    const first = startTurn({ ...claim.start, nowMs }, options)
    this.#state = first.state
    this.#nudges = hearNudges(
      claim.session,
      ports,
      () => this.#operations.hasBegun,
      () => this.#step({ type: 'nudged', nowMs: ports.clock.monotonicMs() }),
    )
    ports.audience.started(claim.session, claim.token)
    this.#run(first.effects)
    this.#countBacklog()
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

  called(call: ProviderCall): void {
    this.#call = call
    const nowMs = this.#ports.clock.monotonicMs()
    this.#meter.called(nowMs)
    if (!this.isOpen) return call.close()
    this.#step({ type: 'called', nowMs })
  }

  text(piece: string): void {
    if (this.#state.phase !== 'streaming' || piece === '') return
    try {
      const nowMs = this.#ports.clock.monotonicMs()
      this.#meter.text(nowMs)
      this.#operations.arriving(nowMs)
      const fits = this.#text.push(this.#filter.push(piece))
      const sizeBytes = this.#text.sizeBytes
      this.#step(fits ? { type: 'text', nowMs, sizeBytes } : { type: 'overflowed', nowMs, sizeBytes })
    } catch (error) {
      this.broke(error)
    }
  }

  mend(keeps: boolean, reason: string, ready: (kept: Uint8Array) => void): void {
    if (!this.isOpen) return
    this.#filter = wellFormed()
    this.#operations.restartReason = reason
    this.#mended = ready
    this.#step({ type: 'broke', nowMs: this.#ports.clock.monotonicMs(), keeps })
  }

  finish(finishReason: string): void {
    if (!this.isOpen) return
    this.#text.push(this.#filter.end())
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
    this.#operations.drop()
    this.#queue = []
    this.#isStepping = false
    if (this.#isBroken || !('store' in this.#state)) return this.#stop('bug')
    this.#isBroken = true
    this.#state = brokenTurn(this.#state)
    this.#guard(() => this.#call?.close())
    this.#step({ type: 'ticked', nowMs: this.#ports.clock.monotonicMs() })
  }

  async handOver(): Promise<void> {
    if (!this.isOpen || !('store' in this.#state)) return
    const { attempt, ackedBytes } = this.#state.store
    this.#operations.drop()
    this.#stop('handed-over')
    await this.#operations.endLease(attempt, ackedBytes)
  }

  leave(): void {
    if (this.#state.phase === 'done') return
    this.#operations.drop()
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
      this.#countBacklog()
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
      case 'end':
      case 'claim':
      case 'read':
        return this.#operations.ask(effect)
      case 'deliver':
        return this.#deliver(effect.attempt, effect.to)
      case 'cut':
        return this.#text.cut(effect.to)
      case 'mended':
        return this.#mended(this.#text.slice(0, this.#text.sizeBytes))
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

  #opened(attempt: number): void {
    if (!this.#isBroken) this.#ports.telemetry.attemptOpened(attempt)
  }

  #deliver(attempt: number, to: number): void {
    // A broken turn's watchers read the store when it stopped.
    if (this.#isBroken) return
    this.#delivery.upTo(to, this.#operations.fence(attempt), this.#operations.arrivedMs)
  }

  /** After every step and when it stops, from the state alone, so that no way to end can forget it. */
  #countBacklog(): void {
    const bytes = turnBacklogBytes(this.#state)
    if (bytes === this.#backlogBytes) return
    this.#ports.backlog.changed(bytes - this.#backlogBytes)
    this.#backlogBytes = bytes
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
    this.#countBacklog()
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
    const { session, token } = this.#claim
    this.#guard(() => this.#ports.audience.stopped(session, token, reason === 'ended'))
    this.#guard(() => this.#ports.telemetry.stopped(reason))
    const stopped = { reason, ...this.#bill() }
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
