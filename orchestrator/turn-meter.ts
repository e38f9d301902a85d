import type { TurnTelemetry } from './ports.ts'

/** How long one turn took until and between its pieces of text. Times are monotonic. */
export class TurnMeter {
  readonly #acceptedMs: number
  readonly #telemetry: TurnTelemetry
  #calledMs = 0
  #lastTextMs = 0

  constructor(acceptedMs: number, telemetry: TurnTelemetry) {
    this.#acceptedMs = acceptedMs
    this.#telemetry = telemetry
  }

  called(nowMs: number): void {
    this.#calledMs = nowMs
  }

  /** A piece of text came. */
  text(nowMs: number): void {
    if (this.#lastTextMs === 0) this.#telemetry.firstToken(nowMs - this.#acceptedMs, nowMs - this.#calledMs)
    else this.#telemetry.tokenGap(nowMs - this.#lastTextMs)
    this.#lastTextMs = nowMs
  }
}
