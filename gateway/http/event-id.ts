import { idPattern, partsMax } from '../../protocol/limits.ts'
import type { ReaderAttempt } from '../reader.ts'
import { eventIdLength } from './limits.ts'

/**
 * A place in a turn's stream as text: what an event's `id` says and `Last-Event-ID` brings back. Opaque to clients.
 *
 *   <seq>.<mark>.<turn>                     before any attempt
 *   <seq>.<mark>.<turn>.<attempt>[.<end>…]  in an attempt, with the positions by part
 *   <seq>.<mark>.<turn>.end                 after the terminal record
 */
export interface StreamPlace {
  readonly seq: number
  readonly mark: number
  readonly turn: string
  readonly attempt: ReaderAttempt | undefined
  readonly isEnded: boolean
}

export function encodeEventId({ seq, mark, turn, attempt, isEnded }: StreamPlace): string {
  const place = `${seq}.${mark.toString(36)}.${turn}`
  if (isEnded) return `${place}.end`
  if (attempt === undefined) return place
  return [place, attempt.attempt, ...Array.from(attempt.ends, (end) => end ?? 0)].join('.')
}

/** `undefined`: it was not made here for this turn. */
export function decodeEventId(id: string, turn: string): StreamPlace | undefined {
  if (id.length > eventIdLength) return undefined
  const [seqText = '', markText = '', turnText = '', attemptText, ...endTexts] = id.split('.')
  const seq = wholeNumber(seqText)
  const mark = wholeNumber(markText, 36)
  if (seq === undefined || mark === undefined || turnText !== turn || !idPattern.test(turn)) return undefined
  const place = { seq, mark, turn }
  if (attemptText === undefined) return { ...place, attempt: undefined, isEnded: false }
  if (attemptText === 'end') return endTexts.length === 0 ? { ...place, attempt: undefined, isEnded: true } : undefined
  const attempt = wholeNumber(attemptText)
  const ends = endTexts.map((text) => wholeNumber(text))
  if (attempt === undefined || attempt < 1 || ends.length > partsMax || !areNumbers(ends)) return undefined
  return { ...place, attempt: { turn, attempt, ends }, isEnded: false }
}

function areNumbers(values: readonly (number | undefined)[]): values is number[] {
  return values.every((value) => value !== undefined)
}

function wholeNumber(text: string, radix: 10 | 36 = 10): number | undefined {
  if (!(radix === 10 ? /^(?:0|[1-9]\d{0,15})$/ : /^(?:0|[1-9a-z][0-9a-z]{0,10})$/).test(text)) return undefined
  const value = Number.parseInt(text, radix)
  return Number.isSafeInteger(value) ? value : undefined
}
