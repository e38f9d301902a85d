// How one answer is to be given: its pace, its length, its fault.
//
// The model server stands behind a gateway, so a test cannot call it: what it wants must travel inside things that the
// gateway passes on. Two do, the model's name and the user's text, and both carry the same `name=value` settings:
//
//   model       sluice-demo?ttft=300&tps=50&fault=reset-mid
//   directive   [[ttft=300 tps=50 fault=stall-mid]]            a line of its own in the last user message
//
// A directive wins over the model's name, that wins over the server's options, those over the defaults. A setting that
// cannot be read is a refusal, never ignored: a test with a typing error would otherwise pass without its fault.
import { FAMILIES, type Family } from './families.ts'
import { MAX_ANSWER_TOKENS, MAX_GIANT_BYTES, MAX_TOKENS_PER_SECOND, MAX_TTFT_MS } from './limits.ts'
import { type ChatRequest, lastUserText } from './request.ts'

export const FAULTS = [
  '400',
  '401',
  '403',
  '404',
  '408',
  '409',
  '429',
  '500',
  '503',
  'empty-account',
  'too-long',
  'blocked',
  'stall-before',
  'stall-headers',
  'stall-mid',
  'reset-before',
  'reset-mid',
  'no-marker',
  'no-usage',
  'error-in-200',
  'html',
  'filtered',
  'split-char',
  'split-surrogate',
  'giant-delta',
] as const

export type Fault = (typeof FAULTS)[number]

export const ANSWER_KINDS = ['demo', 'echo', 'count', 'clock'] as const

export type AnswerKind = (typeof ANSWER_KINDS)[number]

export interface Settings {
  /** Milliseconds from the request to the first token; 0 to 600,000, default 0. */
  readonly ttftMs: number
  /** Tokens a second after the first; 0 to 1,000,000, default 0: as fast as the reader takes them. */
  readonly tokensPerSecond: number
  /** Tokens of the answer, 0 to 1,000,000; absent: as many as the answer naturally has. */
  readonly tokenCount?: number
  /** Tokens that are made unseen before the first one, evenly over `ttft`, and counted in the usage; default 0. */
  readonly thinkTokens: number
  /** Whose way of writing it is; absent: OpenAI's. */
  readonly family?: Family
  /** What is answered; default `demo`. */
  readonly answer: AnswerKind
  /** What goes wrong; absent: nothing. */
  readonly fault?: Fault
  /** How many requests with one `key` meet the fault before the rest are healthy; absent: all do. */
  readonly times?: number
  /** What `times` counts by; absent: the model's name together with the last user message. */
  readonly key?: string
  /** Tokens sent before a fault in mid-answer; absent: half of them. */
  readonly at?: number
  /** Bytes of the giant delta; default 307,200. */
  readonly giantBytes: number
  /** Seconds in the `Retry-After` of a 429; default 1. */
  readonly retryAfterSeconds: number
  /** Milliseconds in a `retry-after-ms` beside it; absent: no such header. */
  readonly retryAfterMs?: number
  /** Members of a request that are refused as `unsupported_parameter`; absent: none. */
  readonly refuses?: readonly string[]
  /** Header that a request must have its key in, instead of `authorization`; absent: none is looked for. */
  readonly keyHeader?: string
  /** Tokens that prompt and answer may have together; absent: any number. */
  readonly contextTokens?: number
}

export const DEFAULT_SETTINGS: Settings = {
  ttftMs: 0,
  tokensPerSecond: 0,
  thinkTokens: 0,
  answer: 'demo',
  giantBytes: 300 * 1024,
  retryAfterSeconds: 1,
}

/** What a server is started with, and what `answerFor` needs to know of it. */
export interface ScriptOptions extends Partial<Settings> {
  /** Whether `[[…]]` lines in the last user message are obeyed; default true. The model's name always is. */
  readonly directives?: boolean
}

export type Parsed<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'invalid'; readonly message: string }

type Read = (text: string) => Partial<Settings> | undefined

interface Reader {
  readonly expects: string
  readonly read: Read
}

function number(most: number, expects: string, toSettings: (value: number) => Partial<Settings>): Reader {
  const read: Read = (text) => {
    const value = /^\d{1,9}(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN
    return value <= most ? toSettings(value) : undefined
  }
  return { expects, read }
}

function count(least: number, most: number, toSettings: (value: number) => Partial<Settings>): Reader {
  const read: Read = (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    return value >= least && value <= most ? toSettings(value) : undefined
  }
  return { expects: `a whole number from ${least} to ${most}`, read }
}

function oneOf<T extends string>(values: readonly T[], toSettings: (value: T) => Partial<Settings>): Reader {
  const read: Read = (text) => {
    const value = values.find((candidate) => candidate === text)
    return value === undefined ? undefined : toSettings(value)
  }
  return { expects: `one of ${values.join(', ')}`, read }
}

/** The settings by the name they have in a model's name, a directive, an argument and an environment variable. */
const readers = new Map<string, Reader>([
  ['ttft', number(MAX_TTFT_MS, `milliseconds up to ${MAX_TTFT_MS}`, (ttftMs) => ({ ttftMs }))],
  ['tps', number(MAX_TOKENS_PER_SECOND, 'tokens a second, or 0', (tokensPerSecond) => ({ tokensPerSecond }))],
  ['tokens', count(0, MAX_ANSWER_TOKENS, (tokenCount) => ({ tokenCount }))],
  ['think', count(0, MAX_ANSWER_TOKENS, (thinkTokens) => ({ thinkTokens }))],
  ['answer', oneOf(ANSWER_KINDS, (answer) => ({ answer }))],
  ['family', oneOf(FAMILIES, (family) => ({ family }))],
  ['fault', oneOf(FAULTS, (fault) => ({ fault }))],
  ['times', count(1, 1_000_000, (times) => ({ times }))],
  ['key', { expects: '1 to 64 of A-Z a-z 0-9 _ -', read: (key) => (/^[\w-]{1,64}$/.test(key) ? { key } : undefined) }],
  ['at', count(0, MAX_ANSWER_TOKENS, (at) => ({ at }))],
  ['bytes', count(1, MAX_GIANT_BYTES, (giantBytes) => ({ giantBytes }))],
  ['retry-after', count(0, 3_600, (retryAfterSeconds) => ({ retryAfterSeconds }))],
  ['retry-after-ms', count(0, 3_600_000, (retryAfterMs) => ({ retryAfterMs }))],
  [
    'refuses',
    {
      expects: 'names of parameters with commas between',
      read: (names) => (/^\w{1,64}(?:,\w{1,64}){0,15}$/.test(names) ? { refuses: names.split(',') } : undefined),
    },
  ],
  [
    'key-header',
    {
      expects: 'the name of a header in small letters',
      read: (keyHeader) => (/^[a-z][a-z-]{0,63}$/.test(keyHeader) ? { keyHeader } : undefined),
    },
  ],
  ['context', count(1, 100_000_000, (contextTokens) => ({ contextTokens }))],
])

export const SETTING_NAMES: readonly string[] = [...readers.keys()]

/** Reads `name=value` pairs, the later of two with one name winning. */
export function parseSettings(pairs: readonly string[]): Parsed<Partial<Settings>> {
  let settings: Partial<Settings> = {}
  for (const pair of pairs) {
    const split = pair.indexOf('=')
    const name = split < 0 ? pair : pair.slice(0, split)
    const reader = readers.get(name)
    if (reader === undefined) return { kind: 'invalid', message: `no setting is called '${name}'` }
    const read = split < 0 ? undefined : reader.read(pair.slice(split + 1))
    if (read === undefined) return { kind: 'invalid', message: `setting '${pair}' must be ${reader.expects}` }
    settings = { ...settings, ...read }
  }
  return { kind: 'ok', value: settings }
}

/** The model's name without its settings. */
export function baseModel(model: string): string {
  const split = model.indexOf('?')
  return split < 0 ? model : model.slice(0, split)
}

function modelPairs(model: string): readonly string[] {
  const split = model.indexOf('?')
  if (split < 0) return []
  return model
    .slice(split + 1)
    .split('&')
    .filter((pair) => pair !== '')
}

/**
 * The settings on one line, or undefined when the line is text. People write `[[…]]` for other things (wiki links, shell
 * tests), so a line is a directive only when at least one of its words begins with a setting's name and `=`.
 */
function directivePairs(line: string): readonly string[] | undefined {
  const inside = /^\[\[(.{1,512})\]\]$/.exec(line.trim())?.[1]
  if (inside === undefined) return undefined
  const words = inside.split(/\s+/).filter((word) => word !== '')
  const isDirective = words.some((word) => readers.has(word.slice(0, Math.max(0, word.indexOf('=')))))
  return isDirective ? words : undefined
}

/** Divides a user's text into what it says and the directives in it. */
export function separateDirectives(text: string): { readonly said: string; readonly pairs: readonly string[] } {
  if (!text.includes('[[')) return { said: text, pairs: [] }
  const said: string[] = []
  const pairs: string[] = []
  for (const line of text.split('\n')) {
    const found = directivePairs(line)
    if (found === undefined) said.push(line)
    else pairs.push(...found)
  }
  return { said: said.join('\n').trim(), pairs }
}

/** What the request asks for, over what the server was started with, over the defaults. */
export function settingsFor(request: ChatRequest, options: ScriptOptions = {}): Parsed<Settings> {
  const { directives = true, ...script } = options
  const fromText = directives ? separateDirectives(lastUserText(request)).pairs : []
  const asked = parseSettings([...modelPairs(request.model), ...fromText])
  return asked.kind === 'ok' ? { kind: 'ok', value: { ...DEFAULT_SETTINGS, ...script, ...asked.value } } : asked
}

/** What the user said in the last message, without the directives when the server obeys them. */
export function saidText(request: ChatRequest, options: ScriptOptions = {}): string {
  const text = lastUserText(request)
  return (options.directives ?? true) ? separateDirectives(text).said : text
}
