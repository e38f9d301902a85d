import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { DownOf } from '../../protocol/down.ts'
import { isTerminal, type LogRecord, type TerminalRecord } from '../../protocol/record.ts'
import { answerFor } from '../model-server/answer.ts'

/**
 * All that a client holds of one session that it alone writes to: its place in the log, and the running answer by position.
 * It throws at the first frame that does not continue what it holds, and at an answer whose text is not the one that the
 * model server gives to that question, or does not have the length and the hash that the end says.
 */
export class SessionReading {
  readonly #model: string
  #place: { readonly seq: number; readonly mark: number } | undefined
  #turn: { readonly id: string; readonly attempt: number; text: string; end: number } | undefined
  readonly #asked: string[] = []
  #answerCount = 0
  restartCount = 0
  /** Answers that the gateway ended as failed, and said so. */
  failedCount = 0

  constructor(model: string) {
    this.#model = model
  }

  get answerCount(): number {
    return this.#answerCount
  }

  get isAnswering(): boolean {
    return this.#asked.length > this.#answerCount
  }

  /** Whether the log has that many questions of ours. */
  hasAsked(count: number): boolean {
    return this.#asked.length >= count
  }

  /** For `session.open`. */
  cursor(): object | undefined {
    if (this.#turn === undefined) return this.#place
    const { id: turn, attempt, end } = this.#turn
    return { ...this.#place, turn, attempt, ends: [end] }
  }

  /** Answers whether text of a running answer may be missing, which comes as the next delta. */
  opened({ reset, records, seq, mark, turn }: DownOf<'session.opened'>): boolean {
    if (reset && this.#place !== undefined) throw new Error('the session was reset')
    for (const record of records) this.record(record)
    if (this.#place !== undefined && !isDeepStrictEqual(this.#place, { seq, mark }))
      throw new Error(`opened at ${seq}, but the records end at ${this.#place.seq}`)
    this.#place = { seq, mark }
    const { end = 0, id, attempt } = this.#turn ?? {}
    if (turn === undefined || turn.state === 'pending') return false
    if (turn.turn !== id || turn.attempt !== attempt || (turn.ends[0] ?? 0) !== end)
      throw new Error(`opened in ${JSON.stringify(turn)}, held were ${end} bytes of ${id}, attempt ${attempt}`)
    return true
  }

  record(record: LogRecord): void {
    const { seq, mark } = record
    if (seq !== (this.#place?.seq ?? 0) + 1) throw new Error(`record ${seq} came after ${this.#place?.seq ?? 0}`)
    this.#place = { seq, mark }
    if (record.type === 'message.added') this.#asked.push(record.message.content)
    else if (record.type === 'turn.started') this.#begin(record.turn, record.attempt, '', 0)
    else if (record.type === 'turn.restarted') this.#restart(record)
    else if (isTerminal(record)) this.#finish(record)
  }

  delta({ turn, attempt, part, at, end, text }: DownOf<'turn.delta'>): void {
    if (part !== 0) return
    const held = this.#turn
    if (held === undefined || held.id !== turn || held.attempt !== attempt || held.end !== at)
      throw new Error(`a delta of ${turn}, attempt ${attempt}, at ${at}; held are ${held?.end} bytes of ${held?.id}`)
    held.text += text
    held.end = at + Buffer.byteLength(text)
    if (held.end !== end) throw new Error(`a delta ends at ${held.end}, not at ${end} as it says`)
  }

  /** The whole log as the gateway tells it in the end: each question once, with one answer. */
  history({ records, hasMore }: DownOf<'history.page'>): void {
    const questions = records.filter(({ type }) => type === 'message.added').length
    const ends = records.filter((record) => isTerminal(record)).length
    if (hasMore || questions !== this.#asked.length || ends !== questions)
      throw new Error(`the history has ${questions} questions and ${ends} ends, not ${this.#asked.length}`)
  }

  #begin(id: string, attempt: number, text: string, end: number): void {
    this.#turn = { id, attempt, text, end }
  }

  #restart({ turn, attempt, keep }: Extract<LogRecord, { type: 'turn.restarted' }>): void {
    this.restartCount++
    const held = Buffer.from(this.#turn?.attempt === keep?.attempt ? (this.#turn?.text ?? '') : '')
    const kept = held.subarray(0, keep?.end ?? 0)
    this.#begin(turn, attempt, kept.toString(), kept.length)
  }

  #finish(record: TerminalRecord): void {
    const content = this.#asked[this.#answerCount++] ?? ''
    const text = record.text ?? this.#turn?.text ?? ''
    this.#turn = undefined
    const expected = answerFor({ model: this.#model, messages: [{ role: 'user', content }] }).text
    const sha256 = createHash('sha256').update(text).digest('hex')
    const isWhole = record.type === 'turn.completed'
    if (!isWhole) this.failedCount++
    const isRight = isWhole ? text === expected : expected.startsWith(text)
    if (!isRight || Buffer.byteLength(text) !== record.bytes || sha256 !== record.sha256)
      throw new Error(`an answer of ${record.bytes} bytes came as ${Buffer.byteLength(text)}, wrong or not as a whole`)
  }
}
