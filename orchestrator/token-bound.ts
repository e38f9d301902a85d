/**
 * An upper bound of how many tokens a text is, for limits, reservations and the books.
 *
 * A provider counts with a tokenizer of its own, and a prompt may be written so that it has many tokens in few bytes: digits
 * with blanks, base64, rare scripts. So each character is counted at what texts of its kind take at most, measured against
 * the tokenizers o200k and cl100k (test/budgets/token-counts.ts): letters by pairs, since pairs
 * that are common in words make long tokens and others do not; digits by three; other scripts by block, and what is in no
 * block that tokenizers know well by its UTF-8 bytes, which no tokenizer can exceed. Prose comes out at about twice its
 * tokens.
 *
 * One pass without an allocation: it is run for each piece of an answer.
 */

import type { ProviderMessage } from './ports.ts'
import { tokensPerMessage } from './token-estimate.ts'

/** All weights are in hundredths of a token. */
const whole = 100

const commonPairs =
  'abacadagaialamanarasataybabeblbobucacechcickclcoctdadedidodseaecedeeefeielemeneperesetevewexeyfafifofrgegihahehihoic' +
  'idieifigiliminioirisitivkelaldlelilllolslumamemimompnancndnengninonsntocodofokolomonoporosotouovowpapeplpoprqurardre' +
  'rirnrorsrtrysascseshsislsospssstsutatethtitotrtstttutwueuiulumunurusutvaveviwawewhwiwoyo'
/** A letter after one that it often follows in words, after any other, and the first of a word. */
const lower = { common: 42, rare: 72, first: 67 }
const upper = { common: 50, rare: 84, first: 85 }
/** A letter with an accent; a change from small to capital letters inside a word. */
const accented = 135
const changedCase = 118
/** A character again: runs of blanks, dots and dashes are few tokens. */
const again = 15
/** With which a template begins the answer. */
const answerOpeningTokens = 3
/** A blank before a letter of another script. */
const beforeOther = 50

/** Scripts and signs of which tokenizers know more than the bytes: first and last code unit, weight. In steps of 16. */
const blocks: readonly (readonly [number, number, number])[] = [
  [0x00a0, 0x00bf, 110],
  [0x0100, 0x017f, 180],
  [0x0370, 0x038f, 185],
  [0x0390, 0x03cf, 176],
  [0x03d0, 0x03ff, 185],
  [0x0410, 0x044f, 115],
  [0x05d0, 0x05ef, 150],
  [0x0620, 0x064f, 125],
  [0x0900, 0x097f, 195],
  [0x0980, 0x0dff, 205],
  [0x0e00, 0x0e5f, 160],
  [0x10d0, 0x10ff, 205],
  [0x1780, 0x17ff, 205],
  [0x1e00, 0x1eff, 245],
  [0x2000, 0x206f, 200],
  [0x2500, 0x257f, 205],
  [0x3000, 0x303f, 190],
  [0x3040, 0x30ff, 150],
  [0x4e00, 0x9fff, 245],
  [0xac00, 0xd7af, 270],
  [0xff00, 0xff5f, 185],
]

const blockWeights = new Uint16Array(0x10000 >> 4).map((_, index) => {
  if (index < 0x800 >> 4) return 2 * whole
  const isSurrogate = index >= 0xd800 >> 4 && index < 0xe000 >> 4
  return (isSurrogate ? 2 : 3) * whole
})
for (const [first, last, weight] of blocks) blockWeights.fill(weight, first >> 4, (last >> 4) + 1)

/** By two letters without their case, 32 * first + second. */
const isCommonPair = new Uint8Array(32 * 32)
for (let at = 0; at < commonPairs.length; at += 2)
  isCommonPair[32 * (commonPairs.charCodeAt(at) & 31) + (commonPairs.charCodeAt(at + 1) & 31)] = 1

/** For the loop a blank that follows another one is this code, which no text needs by itself. */
const moreBlanks = 1
const blank = 0x20

/** What an ASCII character takes after another one; what is not ASCII comes before it as 0. 128 * before + character. */
const asciiWeights = new Uint8Array(128 * 128)
for (let before = 0; before < 128; before++)
  for (let code = 0; code < 128; code++) asciiWeights[128 * before + code] = asciiWeight(before, code)

function asciiWeight(before: number, code: number): number {
  if (isLetter(code)) return letterWeight(before, code)
  const isAfterBlank = before === blank || before === moreBlanks
  // A blank is a part of the word or sign behind it, but a token of its own before a digit.
  if (isDigit(code)) return isDigit(before) ? 34 : isAfterBlank ? 2 * whole : whole
  if (code === blank) return before === blank ? whole : before === moreBlanks ? again : 0
  if (code < blank || code === 0x7f) return code === before && (code === 0x09 || code === 0x0a) ? again : whole
  if (code === before) return 50
  return isSign(before) ? 92 : whole
}

function letterWeight(before: number, code: number): number {
  const { common, rare, first } = code < 0x60 ? upper : lower
  if (!isLetter(before)) return first
  if (before >= 0x60 && code < 0x60) return changedCase
  return isCommonPair[32 * (before & 31) + (code & 31)] === 1 ? common : rare
}

function isLetter(code: number): boolean {
  return (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function isSign(code: number): boolean {
  return code > blank && code < 0x7f && !isLetter(code) && !isDigit(code)
}

/** At least as many tokens as the text has. */
export function boundTokens(text: string): number {
  return tokensOfWeight(tokenWeight(text))
}

/** Of weights that were added up. */
export function tokensOfWeight(weight: number): number {
  return Math.ceil(weight / whole)
}

/** Of all that a model is asked with, and what its template adds. */
export function boundPrompt(messages: readonly Pick<ProviderMessage, 'content'>[]): number {
  return messages.reduce((tokens, { content }) => tokens + boundMessage(content), answerOpeningTokens)
}

export function boundMessage(content: string): number {
  return boundTokens(content) + tokensPerMessage
}

/** The same in hundredths of a token: what pieces of one text weigh may be added up before it is rounded. */
export function tokenWeight(text: string): number {
  let sum = 0
  /** Of the letters since the last other character: a word is a token at least. */
  let word = 0
  let before = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x80) {
      const weight = asciiWeights[128 * before + code] ?? whole
      if (isLetter(code)) {
        word += weight
        before = code
        continue
      }
      sum += weight
      before = code === blank && (before === blank || before === moreBlanks) ? moreBlanks : code
    } else if (code >= 0xc0 && code <= 0xff) {
      word += accented
      before = 0
      continue
    } else {
      sum += blockWeights[code >> 4] ?? 3 * whole
      // A blank joins the letters of few other scripts.
      if (before === blank || before === moreBlanks) sum += beforeOther
      before = 0
    }
    if (word > 0) {
      sum += Math.max(word, whole)
      word = 0
    }
  }
  if (word > 0) sum += Math.max(word, whole)
  if (before === blank || before === moreBlanks) sum += whole
  return sum
}
