/**
 * A text as the finders read it, with the way back: every character as `fold.ts` reads it, escape sequences decoded, signs
 * on letters composed with them or left out. Identifiers are found in `text`; `start` and `end` say where they stand in
 * the original, which is what gets replaced and restored, unit for unit.
 */
import { setImmediate } from 'node:timers/promises'
import { escapeAt, hasEscapes } from './escapes.ts'
import { escaping, foldKind, foldReading, invisible, mark, ornamental, same } from './fold.ts'
import { findPartUnits } from './limits.ts'

export interface PlainText {
  readonly text: string
  /** Where the unit at this index begins in the original. */
  start(index: number): number
  /** Where the unit before this index ends in the original, with the signs on it. */
  end(index: number): number
}

/** The two questions that a text may leave open. */
export interface Reading {
  /** What is invisible is left out, as inside a number. Else it stays, as between two numbers. */
  readonly joins: boolean
  /** Superscript, subscript and circled digits are digits of numbers. Else they are notes beside them. */
  readonly countsOrnaments: boolean
}

/** Japanese keyboards write a dash between digits with the sign of a long vowel. */
const longVowel = /(?<=\d)\u30fc(?=\d)/g
const foreign = /[^\t\n\r -~]/

/** One reading of the text, or up to three where they differ. Others have their turn in between when the text is long. */
export async function readingsOf(text: string): Promise<readonly PlainText[]> {
  if (!foreign.test(text) && !hasEscapes(text)) return [unchanged(text)]
  const first = await built(text, { joins: true, countsOrnaments: false })
  const readings = [first.plainText()]
  if (first.hasOrnaments) readings.push((await built(text, { joins: true, countsOrnaments: true })).plainText())
  if (first.hasInvisible) readings.push((await built(text, { joins: false, countsOrnaments: false })).plainText())
  return readings
}

async function built(text: string, reading: Reading): Promise<PlainTextBuilder> {
  const builder = new PlainTextBuilder(text, reading)
  await builder.build()
  return builder
}

function unchanged(text: string): PlainText {
  return { text, start: (index) => index, end: (index) => index }
}

/** A piece of the original that is read as a piece of another length. Between two of them units correspond one to one. */
interface Edit {
  readonly from: number
  to: number
  readonly plainFrom: number
  plainTo: number
}

class PlainTextBuilder {
  hasInvisible = false
  hasOrnaments = false
  readonly #original: string
  readonly #reading: Reading
  readonly #edits: Edit[] = []
  /** The last one is a single character where a mark came after it. */
  readonly #pieces: string[] = []
  #joinedCount = 0
  #plainLength = 0
  /** Where the units begin that were looked at and are taken as they are. */
  #copied = 0
  #at = 0

  constructor(original: string, reading: Reading) {
    this.#original = original
    this.#reading = reading
  }

  async build(): Promise<void> {
    for (let limit = findPartUnits; this.#at < this.#original.length; limit += findPartUnits) {
      if (this.#at > 0) await setImmediate()
      this.#advance(Math.min(limit, this.#original.length))
      this.#copy(this.#at)
      this.#joinPieces()
    }
  }

  /** A million of them joined at once would take long. */
  #joinPieces(): void {
    this.#pieces.splice(this.#joinedCount, Number.POSITIVE_INFINITY, this.#pieces.slice(this.#joinedCount).join(''))
    this.#joinedCount = this.#pieces.length
  }

  plainText(): PlainText {
    const edits = this.#edits
    return {
      text: this.#pieces.join('').replace(longVowel, '-'),
      start(index) {
        const edit = editAt(edits, index)
        if (edit === undefined) return index
        return index < edit.plainTo ? edit.from : edit.to + index - edit.plainTo
      },
      end(index) {
        const edit = editAt(edits, index - 1)
        if (edit === undefined) return index
        return index <= edit.plainTo ? edit.to : edit.to + index - edit.plainTo
      },
    }
  }

  #advance(limit: number): void {
    while (this.#at < limit) {
      const codePoint = this.#original.codePointAt(this.#at) ?? 0
      const units = codePoint > 0xffff ? 2 : 1
      const kind = foldKind(codePoint)
      if (kind === same) this.#at += units
      else if (kind === escaping) this.#takeEscape()
      else this.#take(codePoint, units)
    }
  }

  #takeEscape(): void {
    const sequence = escapeAt(this.#original, this.#at)
    if (sequence === undefined) {
      this.#at += 1
      return
    }
    const isSpaced = sequence.isWord && this.#at > this.#copied && this.#original.charAt(this.#at - 1) === ' '
    if (isSpaced) this.#at -= 1
    this.#take(sequence.codePoint, sequence.length + (isSpaced ? 1 : 0))
  }

  /** Reads the next units of the original as this character. */
  #take(codePoint: number, units: number): void {
    const kind = foldKind(codePoint)
    if (kind === mark) return this.#takeMark(foldReading(codePoint), units)
    this.hasInvisible ||= kind === invisible
    this.hasOrnaments ||= kind === ornamental
    const { joins, countsOrnaments } = this.#reading
    const isKept = (kind === invisible && !joins) || (kind === ornamental && !countsOrnaments)
    const reading = isKept ? String.fromCodePoint(codePoint) : foldReading(codePoint)
    if (isKept && reading.length === units) this.#at += units
    else this.#replace(reading, units)
  }

  #replace(reading: string, units: number): void {
    this.#copy(this.#at)
    if (reading.length !== units) this.#addEdit(reading.length, units)
    if (reading !== '') this.#pieces.push(reading)
    this.#plainLength += reading.length
    this.#at += units
    this.#copied = this.#at
  }

  #addEdit(plainUnits: number, units: number): void {
    const last = this.#edits.at(-1)
    const plainTo = this.#plainLength + plainUnits
    // A run of what is left out is one edit, however long it is.
    const isRun = plainUnits === 0 && last?.to === this.#at && last.plainTo === last.plainFrom
    if (isRun) last.to = this.#at + units
    else this.#edits.push({ from: this.#at, to: this.#at + units, plainFrom: this.#plainLength, plainTo })
  }

  /** Composed with the character before where the two have a form together, else left out. It ends where the mark does. */
  #takeMark(sign: string, units: number): void {
    this.#copy(this.#at)
    const base = this.#pieces.pop() ?? ''
    const last = lastCharacter(base)
    if (base.length > last.length) this.#pieces.push(base.slice(0, -last.length))
    const composed = (last + sign).normalize('NFC')
    if (last !== '') this.#pieces.push(composed.length === last.length ? composed : last)
    this.#extendTo(this.#at + units, last.length)
    this.#at += units
    this.#copied = this.#at
  }

  /** The last character, of so many units, ends here in the original; what was left out after it belongs to it too. */
  #extendTo(to: number, units: number): void {
    const before = this.#edits.at(-1)
    const isGap = before !== undefined && before.plainFrom === this.#plainLength
    const gap = isGap ? this.#edits.pop() : undefined
    const last = this.#edits.at(-1)
    if (last !== undefined && last.plainTo === this.#plainLength && units > 0) last.to = to
    else {
      const from = (gap?.from ?? this.#at) - units
      this.#edits.push({ from, to, plainFrom: this.#plainLength - units, plainTo: this.#plainLength })
    }
  }

  #copy(end: number): void {
    if (end === this.#copied) return
    this.#pieces.push(this.#original.slice(this.#copied, end))
    this.#plainLength += end - this.#copied
    this.#copied = end
  }
}

function lastCharacter(text: string): string {
  const code = text.charCodeAt(text.length - 1)
  return code >= 0xdc00 && code <= 0xdfff ? text.slice(-2) : text.slice(-1)
}

/** The last edit that begins at or before the index. */
function editAt(edits: readonly Edit[], index: number): Edit | undefined {
  let low = 0
  let high = edits.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((edits[middle]?.plainFrom ?? 0) <= index) low = middle + 1
    else high = middle
  }
  return edits[low - 1]
}
