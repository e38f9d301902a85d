import { createHash } from 'node:crypto'
import type { FrameSink } from '../../gateway/outbox.ts'
import { type Down, down } from '../../protocol/down.ts'
import { deltaTextBytes } from '../../protocol/limits.ts'
import type { LogRecord, TerminalRecord } from '../../protocol/record.ts'
import { isTerminal } from '../../protocol/record.ts'
import type { Cursor } from '../../protocol/shapes.ts'

/** What stands for the text of an answer that is to be read by turn.read. */
export const tooLong = 'too long for a page'

/**
 * A reader by the letter of the protocol: it throws at a gap, at a delta of another attempt, at a terminal whose length
 * or hash is not what it has. `takes` is how much it reads before it answers pings again.
 */
export class MiniReader implements FrameSink {
  readonly pings: string[] = []
  readonly finished = new Map<string, string>()
  readonly terminals: TerminalRecord[] = []
  seq = 0
  mark = 0
  turn: string | undefined
  attempt = 0
  text = ''
  isDeaf = true
  sentBytes = 0
  largestFrameBytes = 0
  resets = 0

  send(frame: string | Buffer): void {
    const bytes = Buffer.byteLength(frame)
    this.sentBytes += bytes
    this.largestFrameBytes = Math.max(this.largestFrameBytes, bytes)
    this.apply(down.parse(JSON.parse(String(frame))))
  }

  ping(payload: string): void {
    this.pings.push(payload)
  }

  get cursor(): Cursor {
    const place = { seq: this.seq, mark: this.mark }
    return this.turn === undefined ? place : { ...place, turn: this.turn, attempt: this.attempt, ends: [this.end] }
  }

  get end(): number {
    return Buffer.byteLength(this.text)
  }

  apply(frame: Down): void {
    if (frame.type === 'session.opened') return this.#opened(frame)
    // From the sending of an open until its answer a client drops the session's frames.
    if (this.isDeaf) return
    if (frame.type === 'turn.delta') return this.#delta(frame)
    if ('seq' in frame && 'mark' in frame) this.#record(frame)
  }

  #opened(frame: Extract<Down, { type: 'session.opened' }>): void {
    this.isDeaf = false
    if (frame.reset) this.resets++
    if (frame.reset || this.seq === 0) {
      this.seq = (frame.records[0]?.seq ?? frame.seq + 1) - 1
      this.turn = undefined
      this.finished.clear()
    }
    for (const record of frame.records) this.#record(record, 'page')
    if (this.seq !== frame.seq) throw new Error(`opened at ${frame.seq}, records end at ${this.seq}`)
    this.mark = frame.mark
    if (frame.turn !== undefined && frame.turn.attempt > 0)
      this.#placed(frame.turn.turn, frame.turn.attempt, frame.turn.ends[0] ?? 0)
  }

  #placed(turn: string, attempt: number, end: number): void {
    const isSame = this.turn === turn && this.attempt === attempt
    this.text = isSame ? Buffer.from(this.text).subarray(0, end).toString() : ''
    if (this.end !== end) throw new Error(`placed at ${end}, has ${this.end}`)
    this.turn = turn
    this.attempt = attempt
  }

  #delta(frame: Extract<Down, { type: 'turn.delta' }>): void {
    if (frame.turn !== this.turn || frame.attempt !== this.attempt)
      throw new Error(`a delta of ${frame.turn}/${frame.attempt} in ${this.turn}/${this.attempt}`)
    if (frame.at !== this.end) throw new Error(`a delta at ${frame.at}, has ${this.end}`)
    this.text += frame.text
    if (frame.end !== this.end) throw new Error(`a delta to ${frame.end}, has ${this.end}`)
  }

  #record(record: LogRecord, from: 'live' | 'page' = 'live'): void {
    if (record.seq <= this.seq) return
    if (record.seq !== this.seq + 1) throw new Error(`a hole: ${record.seq} after ${this.seq}`)
    this.seq = record.seq
    this.mark = record.mark
    if (record.type === 'turn.started') this.#opensAttempt(record.turn, record.attempt, '')
    if (record.type === 'turn.restarted') {
      const kept =
        record.keep?.attempt === this.attempt ? Buffer.from(this.text).subarray(0, record.keep.end).toString() : ''
      this.#opensAttempt(record.turn, record.attempt, kept)
    }
    if (isTerminal(record)) this.#ended(record, from)
  }

  #opensAttempt(turn: string, attempt: number, text: string): void {
    this.turn = turn
    this.attempt = attempt
    this.text = text
  }

  #ended(record: TerminalRecord, from: 'live' | 'page'): void {
    // Too long to come in a page: a client fetches it by turn.read.
    if (from === 'page' && record.text === undefined && record.bytes > deltaTextBytes) {
      this.finished.set(record.turn, tooLong)
      this.turn = undefined
      this.text = ''
      return
    }
    const text = record.text ?? (record.attempt === 0 ? '' : this.text)
    const whole = Buffer.from(text).subarray(0, record.bytes)
    if (whole.length !== record.bytes) throw new Error(`${record.turn} ended at ${record.bytes}, has ${whole.length}`)
    const sha256 = createHash('sha256').update(whole).digest('hex')
    if (sha256 !== record.sha256) throw new Error(`${record.turn}: another text than its hash says`)
    this.finished.set(record.turn, whole.toString())
    this.terminals.push(record)
    this.turn = undefined
    this.text = ''
  }
}
