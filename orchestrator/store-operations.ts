/**
 * What a turn asks of the store, one operation at a time; each answer comes back as an event. What the operations carry,
 * text, fence and records, is put together here; which is asked when, and what an answer means, is the reducer's.
 */
import { deltaTextBytes } from '../protocol/limits.ts'
import type { AnswerText } from './answer-text.ts'
import type { Claim } from './claim.ts'
import { repeatMinMs, repeatSpreadMs } from './limits.ts'
import type { Clock, Fence, TurnLog, TurnTelemetry } from './ports.ts'
import type { OperationEffect, Outcome, TurnEvent } from './turn-state.ts'
import { readWholeTape } from './whole-tape.ts'
import { type Asked, type Billed, type WrittenRecords, writtenRecords } from './written-records.ts'

interface OperationPorts {
  readonly log: Pick<TurnLog, 'append' | 'end' | 'read'>
  readonly telemetry: Pick<TurnTelemetry, 'operationRepeated'>
  readonly clock: Clock
}

interface OperationOptions extends Asked {
  readonly leaseMs: number
  readonly tapeBytes: number
}

/** Whose operations they are. `heard` must not throw. */
interface Asker {
  heard(event: TurnEvent): void
  /** The store has our opening record of this attempt; told before its `heard`. */
  opened(attempt: number): void
  broke(error: unknown): void
  /** What the turn used so far; asked for its terminal record. */
  bill(): Billed
}

export class StoreOperations {
  readonly #claim: Claim
  readonly #options: OperationOptions
  readonly #ports: OperationPorts
  readonly #text: AnswerText
  readonly #asker: Asker
  readonly #records: WrittenRecords
  #lastFence: Fence
  /** Answers of operations before this one are dropped. */
  #flight = 0
  /** When the oldest text that is not in an append arrived, and that of the append in flight. */
  #waitingSinceMs = 0
  #arrivedMs = 0
  #sentBytes = 0
  /** Why the next attempt is not the first. */
  restartReason = 'the producer before was lost'

  constructor(claim: Claim, options: OperationOptions, ports: OperationPorts, text: AnswerText, asker: Asker) {
    this.#claim = claim
    this.#options = options
    this.#ports = ports
    this.#text = text
    this.#asker = asker
    this.#records = writtenRecords(claim.turn, options, ports.clock.nowMs)
    this.#lastFence = { token: claim.token, turn: claim.turn, attempt: 0 }
  }

  /** Something was asked, at some time. */
  get hasBegun(): boolean {
    return this.#flight > 0
  }

  /** When the oldest text of the last append arrived. */
  get arrivedMs(): number {
    return this.#arrivedMs
  }

  fence(attempt: number): Fence {
    if (this.#lastFence.attempt !== attempt) this.#lastFence = { ...this.#lastFence, attempt }
    return this.#lastFence
  }

  /** Text comes, and is not in `text` yet. */
  arriving(nowMs: number): void {
    if (this.#text.sizeBytes === this.#sentBytes) this.#waitingSinceMs = nowMs
  }

  /** The answer to what is in flight is not heard. */
  drop(): void {
    this.#flight++
  }

  ask(operation: OperationEffect): void {
    switch (operation.type) {
      case 'append':
        return this.#append(operation)
      case 'end':
        return this.#endTurn(operation.attempt, operation.outcome)
      case 'claim':
        return this.#fly(this.#claim.repeat(), (reply, nowMs) => ({ type: 'claimed', nowMs, reply }))
      case 'read':
        return this.#fly(this.#readTape(), (sizeBytes, nowMs) => ({ type: 'read', nowMs, sizeBytes }))
    }
  }

  /** Lets the lease lapse at once. What is in flight was sent before, and is executed before. Never rejects. */
  async endLease(attempt: number, at: number): Promise<void> {
    const place = { session: this.#claim.session, fence: this.fence(attempt), part: 0, at }
    const last = { ...place, text: new Uint8Array(0), leaseMs: 1, maxBytes: this.#options.tapeBytes }
    await this.#ports.log.append(last).catch(() => undefined)
  }

  #append(effect: Extract<OperationEffect, { type: 'append' }>): void {
    const text = this.#text.slice(effect.at, deltaTextBytes)
    this.#arrivedMs = this.#waitingSinceMs
    this.#sentBytes = effect.at + text.length
    const request = {
      session: this.#claim.session,
      fence: this.fence(effect.attempt),
      part: 0,
      at: effect.at,
      text,
      leaseMs: effect.renews ? this.#options.leaseMs : 0,
      maxBytes: this.#options.tapeBytes,
    }
    const opened = effect.opens
      ? { ...request, open: this.#records.opening(effect.attempt, effect.keep, this.restartReason) }
      : request
    this.#fly(this.#ports.log.append(opened), (reply, nowMs) => {
      if (reply.kind === 'ok' && effect.opens) this.#asker.opened(effect.attempt)
      return { type: 'appended', nowMs, reply }
    })
  }

  #endTurn(attempt: number, outcome: Outcome): void {
    const { session, token, turn } = this.#claim
    const sums = this.#text.sums()
    const record = this.#records.terminal(attempt, outcome, sums, this.#asker.bill())
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
    const { clock, telemetry } = this.#ports
    const answered = (reply: R) => {
      if (flight !== this.#flight) return
      try {
        this.#asker.heard(event(reply, clock.monotonicMs()))
      } catch (error) {
        this.#asker.broke(error)
      }
    }
    const rejected = () => {
      if (flight !== this.#flight) return
      telemetry.operationRepeated()
      const jitterMs = repeatMinMs + Math.random() * repeatSpreadMs
      this.#asker.heard({ type: 'unknown', nowMs: clock.monotonicMs(), jitterMs })
    }
    // Neither throws, so that no second promise is needed for each token.
    void operation.then(answered, rejected)
  }
}
