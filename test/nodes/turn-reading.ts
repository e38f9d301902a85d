import { createHash } from 'node:crypto'
import type { Down, DownOf } from '../../protocol/down.ts'
import type { WireClient } from '../support/wire.ts'

export type Terminal = DownOf<'turn.completed'> | DownOf<'turn.cancelled'> | DownOf<'turn.failed'>

/**
 * What a client has of one turn: part 0's text by position, as the protocol says. A delta that does not begin where its
 * text ends, and a text whose length or hash is not the end's, throw.
 */
export class TurnReading {
  readonly #client: WireClient
  readonly #turn: string
  #bytes: Buffer
  #attempt = 0
  /** Restarts that were seen, with how much each kept. */
  readonly restarts: { readonly attempt: number; readonly keptBytes: number }[] = []

  constructor(client: WireClient, turn: string, has: Buffer = Buffer.alloc(0), attempt = 0) {
    this.#client = client
    this.#turn = turn
    this.#bytes = has
    this.#attempt = attempt
  }

  get text(): string {
    return this.#bytes.toString()
  }

  get sizeBytes(): number {
    return this.#bytes.length
  }

  /** Reads on until it has so many bytes. */
  async atLeast(bytes: number): Promise<void> {
    while (this.#bytes.length < bytes) this.#apply(await this.#next())
  }

  /** Reads on until a new attempt begins. */
  async restarted(): Promise<void> {
    const before = this.restarts.length
    while (this.restarts.length === before) this.#apply(await this.#next())
  }

  /** Reads to the end, and checks it. */
  async end(): Promise<Terminal> {
    for (;;) {
      const frame = await this.#next()
      if (!isTerminal(frame)) {
        this.#apply(frame)
        continue
      }
      const bytes = this.#bytes.subarray(0, frame.bytes)
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      if (bytes.length !== frame.bytes || sha256 !== frame.sha256)
        throw new Error(`the end says ${frame.bytes} bytes, ${frame.sha256}; there are ${bytes.length}, ${sha256}`)
      this.#bytes = bytes
      return frame
    }
  }

  #next(): Promise<Down> {
    return this.#client.find((frame) => this.#isOurs(frame), `more of turn ${this.#turn}`, 30_000)
  }

  #isOurs(frame: Down): boolean {
    const isOfTurn = 'turn' in frame && frame.turn === this.#turn && !('ref' in frame)
    return isOfTurn && (frame.type.startsWith('turn.') || isTerminal(frame))
  }

  #apply(frame: Down): void {
    if (frame.type === 'turn.started') {
      this.#attempt = frame.attempt
      this.#bytes = Buffer.alloc(0)
    }
    if (frame.type === 'turn.restarted') {
      const keptBytes = frame.keep?.attempt === this.#attempt ? Math.min(frame.keep.end, this.#bytes.length) : 0
      this.restarts.push({ attempt: frame.attempt, keptBytes })
      this.#attempt = frame.attempt
      this.#bytes = this.#bytes.subarray(0, keptBytes)
    }
    if (frame.type !== 'turn.delta' || frame.part !== 0) return
    if (frame.attempt !== this.#attempt || frame.at !== this.#bytes.length)
      throw new Error(`a delta of ${frame.attempt} at ${frame.at}; there is ${this.#attempt} to ${this.#bytes.length}`)
    this.#bytes = Buffer.concat([this.#bytes, Buffer.from(frame.text)])
    if (this.#bytes.length !== frame.end) throw new Error(`a delta ends at ${frame.end}, not ${this.#bytes.length}`)
  }
}

function isTerminal(frame: Down): frame is Terminal {
  return frame.type === 'turn.completed' || frame.type === 'turn.cancelled' || frame.type === 'turn.failed'
}
