import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { DownOf } from '../../protocol/down.ts'
import { isTerminal, type LogRecord, type RecordOf, type TerminalRecord } from '../../protocol/record.ts'
import { answerFor } from '../model-server/answer.ts'
import { WrongAnswer } from './wrong-answer.ts'

/** What the owner of a reading hears, each once, in the order of the log. */
export interface ReadingEvents {
  /** The log has this message. */
  asked(messageId: string): void
  /** An attempt began after another one had failed. */
  restarted(): void
  /** The turn of this message is over, and what came of it was checked. */
  ended(messageId: string, record: TerminalRecord): void
}

export interface ReadingOptions {
  /** `text`: the answer must also be the bundled model server's. */
  readonly check: 'hash' | 'text'
  /** What was sent under this id; undefined for one that nobody here sent. */
  contentOf(messageId: string): string | undefined
}

/** A running turn, and the text of its attempt as far as it came. */
interface HeldTurn {
  readonly id: string
  readonly attempt: number
  readonly model: string
  text: string
  end: number
}

/** A turn whose end is there and whose text was too long to come with it: it is read piece by piece. */
interface MissingText {
  readonly record: TerminalRecord
  readonly model: string | undefined
  readonly pieces: string[]
  at: number
}

/**
 * All that one socket after the other holds of one session: its place in the log, and the running answer by position. It
 * throws `WrongAnswer` at the first frame that does not continue what it holds, at a message that is there twice or not as it
 * was sent, and at an answer that does not have the length and the hash that its end says.
 */
export class SessionReading {
  readonly #options: ReadingOptions
  readonly #events: ReadingEvents
  #place: { readonly seq: number; readonly mark: number } | undefined
  #held: HeldTurn | undefined
  readonly #missing: MissingText[] = []
  /** By turn, without an end as yet. */
  readonly #running = new Map<string, RecordOf<'message.added'>['message']>()
  readonly #messageIds = new Set<string>()
  #endCount = 0

  constructor(options: ReadingOptions, events: ReadingEvents) {
    this.#options = options
    this.#events = events
  }

  get seq(): number {
    return this.#place?.seq ?? 0
  }

  /** The turn that runs, as `turn.cancel` names it. */
  get runningTurn(): string | undefined {
    return [...this.#running.keys()].at(-1)
  }

  has(messageId: string): boolean {
    return this.#messageIds.has(messageId)
  }

  /** For `session.open`. */
  cursor(): object | undefined {
    if (this.#held === undefined) return this.#place
    const { id: turn, attempt, end } = this.#held
    return { ...this.#place, turn, attempt, ends: [end] }
  }

  /** Answers whether text of a running answer may be missing, which comes as the next delta. */
  opened({ reset, records, seq, mark, turn }: DownOf<'session.opened'>): boolean {
    if (reset && this.#place !== undefined) throw new WrongAnswer('reset', `the session was reset at ${this.seq}`)
    // Without a cursor it may begin in the midst of the log.
    const [first] = records
    if (this.#place === undefined && first !== undefined) this.#place = { seq: first.seq - 1, mark: 0 }
    for (const record of records) this.#record(record, true)
    if (this.#place !== undefined && !isDeepStrictEqual(this.#place, { seq, mark }))
      throw new WrongAnswer('resume', `opened at ${seq}, but the records end at ${this.seq}`)
    this.#place = { seq, mark }
    if (turn === undefined || turn.state === 'pending') return false
    const { end = 0, id, attempt } = this.#held ?? {}
    if (turn.turn !== id || turn.attempt !== attempt || (turn.ends[0] ?? 0) !== end)
      throw new WrongAnswer('resume', `opened in ${JSON.stringify(turn)}, held were ${end} bytes of ${id}, ${attempt}`)
    return true
  }

  record(record: LogRecord): void {
    this.#record(record, false)
  }

  /** Answers how many bytes came. */
  delta({ turn, attempt, part, at, end, text }: DownOf<'turn.delta'>): number {
    if (part !== 0) return 0
    const held = this.#held
    if (held === undefined || held.id !== turn || held.attempt !== attempt || held.end !== at)
      throw new WrongAnswer(
        'position',
        `a delta of ${turn}, attempt ${attempt}, at ${at}; held are ${held?.end} bytes of ${held?.id}`,
      )
    const bytes = Buffer.byteLength(text)
    if (at + bytes !== end)
      throw new WrongAnswer('position', `a delta of ${bytes} bytes at ${at} ends at ${end}, as it says`)
    held.text += text
    held.end = end
    return bytes
  }

  /** What is to be read with `turn.read`, if anything. */
  get missing(): { readonly turn: string; readonly at: number } | undefined {
    const [first] = this.#missing
    return first === undefined ? undefined : { turn: first.record.turn, at: first.at }
  }

  textRead({ turn, at, end, bytes, text }: DownOf<'turn.text'>): void {
    const [missing] = this.#missing
    if (missing === undefined || missing.record.turn !== turn || missing.at !== at || end <= at)
      throw new WrongAnswer('position', `a text of ${turn} from ${at} to ${end}, wanted from ${missing?.at}`)
    missing.pieces.push(text)
    missing.at = end
    if (end < bytes) return
    this.#missing.shift()
    this.#finish(missing.record, missing.pieces.join(''), missing.model)
  }

  /** The whole log as it is read in the end: each of our questions once, each with one end. */
  checkHistory(records: readonly LogRecord[]): void {
    const questions = records.filter(({ type }) => type === 'message.added').length
    const ends = records.filter((record) => isTerminal(record)).length
    if (questions !== this.#messageIds.size || ends !== this.#endCount)
      throw new WrongAnswer(
        'history',
        `the history has ${questions} questions and ${ends} ends, not ${this.#messageIds.size} and ${this.#endCount}`,
      )
  }

  #record(record: LogRecord, isInPage: boolean): void {
    const { seq, mark } = record
    if (this.#place !== undefined && seq !== this.#place.seq + 1)
      throw new WrongAnswer('order', `record ${seq} (${record.type}) came after ${this.seq}`)
    if (this.#place === undefined && seq !== 1) throw new WrongAnswer('order', `record ${seq} came first`)
    this.#place = { seq, mark }
    if (record.type === 'message.added') this.#added(record)
    else if (record.type === 'turn.started') this.#begin(record, '', 0)
    else if (record.type === 'turn.restarted') this.#restart(record)
    else if (isTerminal(record)) this.#end(record, isInPage)
  }

  #added({ turn, message }: RecordOf<'message.added'>): void {
    if (this.#messageIds.has(message.messageId))
      throw new WrongAnswer('once', `message ${message.messageId} is in the log twice`)
    const sent = this.#options.contentOf(message.messageId)
    if (message.content !== sent)
      throw new WrongAnswer('question', `message ${message.messageId} is not in the log as it was sent`)
    this.#messageIds.add(message.messageId)
    this.#running.set(turn, message)
    this.#events.asked(message.messageId)
  }

  #begin({ turn: id, attempt, model }: RecordOf<'turn.started' | 'turn.restarted'>, text: string, end: number): void {
    this.#held = { id, attempt, model, text, end }
  }

  #restart(record: RecordOf<'turn.restarted'>): void {
    this.#events.restarted()
    const { keep } = record
    const held = Buffer.from(this.#held?.attempt === keep?.attempt ? (this.#held?.text ?? '') : '')
    const kept = held.subarray(0, keep?.end ?? 0)
    this.#begin(record, kept.toString(), kept.length)
  }

  #end(record: TerminalRecord, isInPage: boolean): void {
    if (!this.#running.has(record.turn)) {
      // A watcher's first page may begin between a question and its end.
      if (isInPage && this.#messageIds.size === 0) return
      throw new WrongAnswer('once', `turn ${record.turn} ended twice, or was never asked for`)
    }
    const { end = 0, text = '', model } = this.#held ?? {}
    this.#held = undefined
    if (record.text === undefined && isInPage && record.bytes > end)
      this.#missing.push({ record, model, pieces: [], at: 0 })
    else this.#finish(record, record.text ?? text, model)
  }

  #finish(record: TerminalRecord, text: string, model: string | undefined): void {
    const message = this.#running.get(record.turn)
    this.#running.delete(record.turn)
    this.#endCount++
    checkText(record, text)
    if (this.#options.check === 'text' && model !== undefined && message !== undefined)
      checkAgainstModel(record, text, model, message.content)
    if (message !== undefined) this.#events.ended(message.messageId, record)
  }
}

function checkText({ turn, bytes, sha256 }: TerminalRecord, text: string): void {
  const came = Buffer.byteLength(text)
  if (came !== bytes) throw new WrongAnswer('length', `the answer of ${turn} has ${bytes} bytes, but ${came} came`)
  if (createHash('sha256').update(text).digest('hex') !== sha256)
    throw new WrongAnswer('hash', `the ${bytes} bytes of ${turn} have another SHA-256 than its end says`)
}

/** A failed or cancelled answer is a beginning of the whole one, and so is one that came to the gateway's limit. */
function checkAgainstModel(record: TerminalRecord, text: string, model: string, content: string): void {
  const { turn, type, finishReason } = record
  const { text: expected } = answerFor({ model, messages: [{ role: 'user', content }] })
  const isWhole = type === 'turn.completed' && finishReason !== 'length'
  const isRight = isWhole ? text === expected : expected.startsWith(text)
  if (!isRight)
    throw new WrongAnswer('text', `the answer of ${turn} is not what the model server gives to its question`)
}
