/**
 * An input as a short description of itself. A frame of 1 MiB that costs a second is 40 bytes of recipe, so a seed is a small file
 * that a person can read, and shrinking an input means leaving out parts of its recipe.
 */
import { z } from 'zod'

/** Text, or text that stands there a number of times; `%d` in it is the number of the repetition, from 0. */
const piece = z.union([z.string(), z.tuple([z.string(), z.int().min(0)])])
/** Places and lengths are in thousandths of the text, so that they keep their meaning when the text gets shorter. */
const share = z.int().min(0).max(1_000)

const step = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('flip'), at: share, bit: z.int().min(0).max(15) }),
  z.object({ kind: z.literal('insert'), at: share, text: z.string() }),
  z.object({ kind: z.literal('cut'), at: share, length: share }),
  z.object({ kind: z.literal('repeat'), at: share, length: share, times: z.int().min(0) }),
  z.object({ kind: z.literal('nest'), before: z.string(), after: z.string(), times: z.int().min(0) }),
])

const recipe = z.object({
  pieces: z.array(piece),
  steps: z.array(step),
  /** Sizes of the parts in which the input arrives, used in turn; empty: it arrives whole. */
  cuts: z.array(z.int().min(1)),
})

export type Piece = z.infer<typeof piece>
export type Step = z.infer<typeof step>
export type Recipe = z.infer<typeof recipe>

/** What a target is given. */
export interface Input {
  readonly text: string
  readonly cuts: readonly number[]
}

/** Throws when it is no recipe. */
export function readRecipe(json: string): Recipe {
  return recipe.parse(JSON.parse(json))
}

/** The input, of at most `units` UTF-16 units: repetitions are left out of a longer one. */
export function inputOf({ pieces, steps, cuts }: Recipe, units: number): Input {
  let text = expand(pieces, units)
  for (const one of steps) text = apply(text, one, units).slice(0, units)
  return { text, cuts }
}

function expand(pieces: readonly Piece[], units: number): string {
  const plain = pieces.reduce((sum, part) => sum + (typeof part === 'string' ? part.length : 0), 0)
  const repeated = pieces.filter((part) => typeof part !== 'string').length
  // Each repetition has an equal part of the room, so that what closes the text is still there when it is full.
  const room = Math.max(0, units - plain) / Math.max(1, repeated)
  return pieces.map((part) => (typeof part === 'string' ? part : repeat(part[0], part[1], room))).join('')
}

function repeat(text: string, times: number, room: number): string {
  if (text === '') return ''
  const isNumbered = text.includes('%d')
  // A number takes up to 6 digits.
  const count = Math.min(times, Math.floor(room / (text.length + (isNumbered ? 4 : 0))))
  if (!isNumbered) return text.repeat(count)
  return Array.from({ length: count }, (_, index) => text.replaceAll('%d', String(index))).join('')
}

function apply(text: string, one: Step, units: number): string {
  const at = (thousandths: number) => Math.floor((text.length * thousandths) / 1_000)
  switch (one.kind) {
    case 'flip': {
      const place = Math.min(at(one.at), Math.max(0, text.length - 1))
      const unit = text.charCodeAt(place)
      if (Number.isNaN(unit)) return text
      return text.slice(0, place) + String.fromCharCode(unit ^ (1 << one.bit)) + text.slice(place + 1)
    }
    case 'insert':
      return text.slice(0, at(one.at)) + one.text + text.slice(at(one.at))
    case 'cut':
      return text.slice(0, at(one.at)) + text.slice(at(one.at) + Math.max(1, at(one.length)))
    case 'repeat': {
      const part = text.slice(at(one.at), at(one.at) + Math.max(1, at(one.length)))
      return text.slice(0, at(one.at)) + repeat(part, one.times, units - text.length) + text.slice(at(one.at))
    }
    case 'nest': {
      const room = Math.max(0, units - text.length) / Math.max(1, one.before.length + one.after.length)
      const times = Math.min(one.times, Math.floor(room))
      return one.before.repeat(times) + text + one.after.repeat(times)
    }
  }
}

const firstRawByte = 0xdc80
const lastRawByte = 0xdcff

/**
 * The text as bytes: UTF-8, and the low surrogates U+DC80 to U+DCFF, where they stand alone, as the bytes 0x80 to 0xFF. So a text
 * can stand for bytes that are no UTF-8.
 */
export function bytesOf(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text)
  const parts: Buffer[] = []
  let begun = 0
  for (let index = 0; index < text.length; index++) {
    if (!isRawByte(text, index)) continue
    parts.push(Buffer.from(text.slice(begun, index)))
    begun = index + 1
    while (begun < text.length && isRawByte(text, begun)) begun++
    // As Latin-1 the low byte of each unit is taken.
    parts.push(Buffer.from(text.slice(index, begun), 'latin1'))
    index = begun - 1
  }
  return Buffer.concat([...parts, Buffer.from(text.slice(begun))])
}

function isRawByte(text: string, index: number): boolean {
  const unit = text.charCodeAt(index)
  return unit >= firstRawByte && unit <= lastRawByte && !isHigh(text.charCodeAt(index - 1))
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

/** The parts in which an input arrives. Never more than `partsMax`: the last one then holds the rest. */
export function* partsOf<T extends string | Buffer>(
  whole: T,
  cuts: readonly number[],
  slice: (from: number, to: number) => T,
): Generator<T> {
  let at = 0
  for (let count = 0; at < whole.length; count++) {
    const size = count < partsMax ? (cuts[count % cuts.length] ?? whole.length) : whole.length
    yield slice(at, Math.min(whole.length, at + size))
    at += size
  }
}

const partsMax = 300

export const textParts = (text: string, cuts: readonly number[]) =>
  partsOf(text, cuts, (from, to) => text.slice(from, to))
export const byteParts = (bytes: Buffer, cuts: readonly number[]) =>
  partsOf(bytes, cuts, (from, to) => bytes.subarray(from, to))
