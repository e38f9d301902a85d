// An answer is a pure function of the request (and of how the server was started), so whoever sent the request can compute
// what must arrive, byte for byte, without asking the server. It depends on the model's name without settings, on the last
// user message and on `seed`; not on the rest of the history, which a gateway shortens as it sees fit.
//
// When the request ends with the beginning of the answer as an assistant's message, the answer is what follows it: so a
// turn that broke in the middle can be continued, and the two pieces together are the answer to the question alone.
import { CLOSING, DEMO_BLOCKS, opening } from './demo-text.ts'
import { type ChatRequest, messageText, startedText, tokenCap } from './request.ts'
import { baseModel, type ScriptOptions, type Settings, saidText, settingsFor } from './settings.ts'

export type FinishReason = 'stop' | 'length'

export interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly prompt_tokens_details: { readonly cached_tokens: number }
}

/** The whole, healthy answer; with a fault in mid-answer only the first `at` tokens of it arrive. */
export interface Answer {
  readonly text: string
  /** One streamed delta each; joined they are `text`. */
  readonly tokens: readonly string[]
  readonly finishReason: FinishReason
  readonly usage: Usage
  /** How many tokens come before a fault in mid-answer. */
  readonly at: number
}

/** The character of `split-char`, four bytes in UTF-8, and of `split-surrogate`, two code units in UTF-16. */
export const SPLIT_CHARACTER = '🙂'

/** The width of a `clock` token: milliseconds since 1970 with three decimals, and a space. */
export const CLOCK_TOKEN = '0000000000000.000 '

const pieces = /[^\S\n]?[\p{L}\p{M}\p{N}]{1,7}|[^\S\n]?[^\s\p{L}\p{M}\p{N}]{1,4}|\s/gu

/** Cuts text into pieces of about a model's token's size; joined they are the text. */
export function tokenize(text: string): readonly string[] {
  return text.match(pieces) ?? []
}

const separator = ['\n\n']
const blockTokens = DEMO_BLOCKS.map(tokenize)
const closingTokens = tokenize(CLOSING)
const NATURAL_COUNT_TOKENS = 100

/** Each has no divisor in common with the number of blocks, so a walk in such strides meets every block. */
const strides = [1, 3, 7, 9]

/** FNV-1a, 32 bits: spreads well enough to choose paragraphs by, and is the same on every machine. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return value >>> 0
}

/** A walk over all blocks in an order of its own, each once a round. */
function* blocksFrom(seed: number): Generator<readonly string[]> {
  const step = strides[(seed >>> 8) % strides.length] ?? 1
  for (let turn = 0; ; turn++) {
    if (turn > 0 && turn % blockTokens.length === 0) yield tokenize(`## Round ${turn / blockTokens.length + 1}`)
    yield blockTokens[(seed + turn * step) % blockTokens.length] ?? []
  }
}

function demoTokens(said: string, seed: number, tokenCount: number | undefined): readonly string[] {
  const tokens = [...tokenize(opening(said))]
  const naturalBlocks = 4 + (seed % 3)
  let blocks = 0
  for (const block of blocksFrom(seed)) {
    if (tokenCount === undefined ? blocks === naturalBlocks : tokens.length >= tokenCount) break
    tokens.push(...separator, ...block)
    blocks++
  }
  if (tokenCount === undefined) return [...tokens, ...separator, ...closingTokens]
  return tokens.slice(0, tokenCount)
}

function countTokens(tokenCount: number): readonly string[] {
  return Array.from({ length: tokenCount }, (_, index) => (index === 0 ? '1' : ` ${index + 1}`))
}

function plainTokens(request: ChatRequest, options: ScriptOptions, settings: Settings): readonly string[] {
  const said = saidText(request, options)
  const tokenCount = settings.tokenCount
  switch (settings.answer) {
    case 'demo':
      return demoTokens(said, hash(`${baseModel(request.model)}\n${request.seed ?? ''}\n${said}`), tokenCount)
    case 'echo':
      return tokenize(said.toWellFormed()).slice(0, tokenCount)
    case 'count':
      return countTokens(tokenCount ?? NATURAL_COUNT_TOKENS)
    case 'clock':
      return Array.from({ length: tokenCount ?? NATURAL_COUNT_TOKENS }, () => CLOCK_TOKEN)
  }
}

/** The faults that show in the answer's own tokens hold for every request that names them, whatever `times` says. */
function withFaultTokens(tokens: readonly string[], settings: Settings): readonly string[] {
  const at = Math.min(settings.at ?? Math.floor(tokens.length / 2), Math.max(0, tokens.length - 1))
  switch (settings.fault) {
    case 'split-char':
      return tokens.toSpliced(at, 1, SPLIT_CHARACTER)
    case 'split-surrogate':
      return tokens.toSpliced(at, 2, ...SPLIT_CHARACTER.split(''))
    case 'giant-delta':
      return tokens.toSpliced(at, 1, ' giant'.repeat(Math.ceil(settings.giantBytes / 6)).slice(0, settings.giantBytes))
    default:
      return tokens
  }
}

function withoutStart(tokens: readonly string[], started: string): readonly string[] {
  if (started === '' || !tokens.join('').startsWith(started)) return tokens
  let index = 0
  let length = 0
  while (length < started.length) length += tokens[index++]?.length ?? 0
  const rest = length - started.length
  return rest === 0 ? tokens.slice(index) : [tokens[index - 1]?.slice(-rest) ?? '', ...tokens.slice(index)]
}

function usageOf(request: ChatRequest, completionTokens: number): Usage {
  const promptTokens = request.messages.reduce(
    (sum, message) => sum + 4 + Math.ceil(messageText(message).length / 4),
    0,
  )
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: 0 },
  }
}

/** `answerFor` with the settings already read. */
export function answerWith(request: ChatRequest, options: ScriptOptions, settings: Settings): Answer {
  const full = withFaultTokens(plainTokens(request, options, settings), settings)
  const wanted = withoutStart(full, startedText(request))
  const cap = tokenCap(request) ?? wanted.length
  const tokens = wanted.length > cap ? wanted.slice(0, cap) : wanted
  return {
    text: tokens.join(''),
    tokens,
    finishReason: wanted.length > cap ? 'length' : 'stop',
    usage: usageOf(request, settings.thinkTokens + tokens.length),
    at: Math.min(settings.at ?? Math.floor(tokens.length / 2), tokens.length),
  }
}

/**
 * What a model server started with `options` answers to `request`. Only `answer=clock` cannot be foretold: its tokens have
 * their real length and count, with zeros for the time. Throws when a setting in the request cannot be read.
 */
export function answerFor(request: ChatRequest, options: ScriptOptions = {}): Answer {
  const settings = settingsFor(request, options)
  if (settings.kind === 'invalid') throw new Error(`unable to answer: ${settings.message}`)
  return answerWith(request, options, settings.value)
}
