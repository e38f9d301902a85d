/** Grammars are put together from these. */
import fc from 'fast-check'
import type { Piece } from '../recipe.ts'

export type Grammar = fc.Arbitrary<readonly Piece[]>

export const word = (text: string): Grammar => fc.constant([text])

export const words = (...texts: readonly string[]): Grammar => fc.constantFrom(...texts).map((text) => [text])

export const textsOf = (texts: fc.Arbitrary<string>): Grammar => texts.map((text) => [text])

export const inOrder = (...parts: readonly Grammar[]): Grammar => fc.tuple(...parts).map((all) => all.flat())

export const oneOf = (...ways: readonly Grammar[]): Grammar => fc.oneof(...ways)

/** One of them, the more often the greater its number. */
export const mostly = (...ways: readonly (readonly [number, Grammar])[]): Grammar =>
  fc.oneof(...ways.map(([weight, arbitrary]) => ({ weight, arbitrary })))

/** Several of them, one after the other with `between`. */
export const listOf = (one: Grammar, between: string, maxLength = 6): Grammar =>
  fc
    .array(one, { maxLength })
    .map((all) => all.flatMap((pieces, index) => (index === 0 ? pieces : [between, ...pieces])))

/** The text as often as there is room, or a few times. */
export const repeated = (text: string, times: fc.Arbitrary<number>): Grammar => times.map((count) => [[text, count]])
