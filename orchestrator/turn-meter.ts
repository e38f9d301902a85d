import type { Usage } from '../protocol/shapes.ts'
import type { ProviderEnd, TurnTelemetry } from './ports.ts'

/** What one turn took: how long until and between its pieces of text, and how many tokens. Times are monotonic. */
export class TurnMeter {
  readonly #acceptedMs: number
  readonly #telemetry: TurnTelemetry
  readonly #estimate: (units: number, bytes: number) => number
  #calledMs = 0
  #lastTextMs = 0
  /** UTF-16 units that the provider sent, whether or not they were kept. */
  #units = 0
  #promptTokens = 0
  #hasBegun = false
  #reported: ProviderEnd['usage']

  constructor(acceptedMs: number, telemetry: TurnTelemetry, estimate: (units: number, bytes: number) => number) {
    this.#acceptedMs = acceptedMs
    this.#telemetry = telemetry
    this.#estimate = estimate
  }

  called(nowMs: number, promptTokens: number): void {
    this.#calledMs = nowMs
    this.#promptTokens = promptTokens
  }

  /** The provider took the request. */
  began(): void {
    this.#hasBegun = true
  }

  /** A piece of text came, before anything is done with it. */
  text(nowMs: number, units: number): void {
    if (this.#lastTextMs === 0) this.#telemetry.firstToken(nowMs - this.#acceptedMs, nowMs - this.#calledMs)
    else this.#telemetry.tokenGap(nowMs - this.#lastTextMs)
    this.#lastTextMs = nowMs
    this.#units += units
  }

  finished(reported: ProviderEnd['usage']): void {
    this.#reported = reported
  }

  /** What the provider said, or else an estimate from the answer so far, of `textBytes` in UTF-8. */
  usage(textBytes: number): Usage {
    if (this.#reported !== undefined) return { ...this.#reported, source: 'exact' }
    // What the provider refused or never began is not known to cost anything.
    if (!this.#hasBegun) return { inputTokens: 0, outputTokens: 0, source: 'unknown' }
    const outputTokens = this.#estimate(this.#units, textBytes)
    return { inputTokens: this.#promptTokens, outputTokens, source: 'estimated' }
  }
}
