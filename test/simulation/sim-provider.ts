import type { Provider, ProviderCall, ProviderSink } from '../../orchestrator/ports.ts'
import { refusal } from '../../protocol/error.ts'
import type { Chance } from './random.ts'

/**
 * A model whose answers say who made them: call 7 says `⟨7.0⟩⟨7.1⟩…`, each piece of it once and in order, so whoever sees
 * a text can say which calls it is of, and whether any of it is missing or came twice.
 */
export class SimProvider implements Provider {
  readonly name = 'simulated'
  readonly calls: SimCall[] = []
  readonly #chance: Chance
  readonly #nextNumber: () => number

  /** `nextNumber`: another one at each call, whichever node's. */
  constructor(chance: Chance, nextNumber: () => number) {
    this.#chance = chance
    this.#nextNumber = nextNumber
  }

  call(_request: unknown, sink: ProviderSink): ProviderCall {
    const call = new SimCall(this.#nextNumber(), this.#chance.between(1, 9), sink)
    this.calls.push(call)
    return call
  }

  close(): void {
    // A node that ends closes its calls itself.
  }

  get open(): readonly SimCall[] {
    return this.calls.filter((call) => call.isOpen)
  }
}

export class SimCall implements ProviderCall {
  isOpen = true
  readonly #number: number
  readonly #pieceCount: number
  readonly #sink: ProviderSink
  #said = 0
  #hasStarted = false

  constructor(number: number, pieceCount: number, sink: ProviderSink) {
    this.#number = number
    this.#pieceCount = pieceCount
    this.#sink = sink
  }

  /** The next piece, or the end behind the last. */
  emit(): void {
    if (!this.isOpen) return
    if (!this.#hasStarted) this.#sink.started({})
    this.#hasStarted = true
    if (this.#said >= this.#pieceCount) return this.finish()
    this.#sink.text(`⟨${this.#number}.${this.#said}⟩`)
    this.#said += 1
  }

  finish(): void {
    while (this.isOpen && this.#said < this.#pieceCount) this.emit()
    if (!this.isOpen) return
    this.isOpen = false
    this.#sink.ended({ finishReason: 'stop' })
  }

  break(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#sink.failed({ refusal: refusal('provider', 'the model broke'), cure: 'wait', isIllness: true })
  }

  pause(): void {
    // Its pieces come when the world says so.
  }

  resume(): void {
    // As above.
  }

  close(): void {
    this.isOpen = false
  }
}

/** The calls that a text is of: each from its beginning and without a gap; `undefined`: it is no such text. */
export function callsOf(text: string): readonly number[] | undefined {
  const calls: number[] = []
  let expected = 0
  let length = 0
  for (const [piece, call, number] of text.matchAll(/⟨(\d+)\.(\d+)⟩/g)) {
    length += piece.length
    if (Number(number) === 0) {
      calls.push(Number(call))
      expected = 0
    }
    if (calls.at(-1) !== Number(call) || Number(number) !== expected) return undefined
    expected += 1
  }
  return length === text.length ? calls : undefined
}
