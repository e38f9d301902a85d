/**
 * The kinds of environment variable. Each maker returns a zod schema from the variable's text to its typed value and
 * files the variable's documentation beside it, from the same figures, so that the printed table cannot drift from
 * what is checked.
 *
 * Invariant: a problem never contains a variable's value. Telling secrets from the rest would depend on nobody ever
 * pasting a key into the wrong variable; entries of lists are named by their place instead.
 */
import { z } from 'zod'
import { Secret } from './secret.ts'

/** One row of the table of variables. */
export type VariableDescription = {
  readonly meaning: string
  readonly unit: string
  readonly default: string
  readonly range: string
}

/** Where the makers file each variable's documentation. */
export const descriptions = z.registry<VariableDescription>()

type Parsed<T> = { readonly kind: 'ok'; readonly value: T } | { readonly kind: 'wrong'; readonly problem: string }

const ok = <T>(value: T): Parsed<T> => ({ kind: 'ok', value })
const wrong = (problem: string): Parsed<never> => ({ kind: 'wrong', problem })

const transformer =
  <T>(parse: (text: string) => Parsed<T>) =>
  (text: string, context: z.RefinementCtx<string>): T => {
    const parsed = parse(text)
    if (parsed.kind === 'ok') return parsed.value
    context.addIssue({ code: 'custom', message: parsed.problem })
    return z.NEVER
  }

const parsedBy = <T>(parse: (text: string) => Parsed<T>) => z.string().transform(transformer(parse))

/** The default goes through the parser like any other text, so a default out of its own range cannot exist. */
const defaultedParsedBy = <T>(standard: string, parse: (text: string) => Parsed<T>) =>
  z.string().default(standard).transform(transformer(parse))

/** Kubernetes puts `SLUICE_METRICS_PORT=tcp://…` into every pod beside a service named `sluice-metrics`. */
export const isServiceLink = (text: string): boolean => /^(?:tcp|udp|sctp):\/\//.test(text)

type NumberOptions = { readonly meaning: string; readonly unit: string; readonly min: number; readonly max: number }

const parseWholeNumber = (text: string, { min, max }: NumberOptions, orWord: string): Parsed<number> => {
  const expected = `set a whole number from ${min} to ${max}${orWord}, digits only, or unset it`
  if (isServiceLink(text)) return wrong('was overwritten by a Kubernetes service link; set enableServiceLinks: false')
  if (!/^\d+$/.test(text)) return wrong(`is not a whole number; ${expected}`)
  const value = Number(text)
  return value < min || value > max ? wrong(`is out of range; ${expected}`) : ok(value)
}

const describeNumber = (options: NumberOptions, standard: string, orWord: string): VariableDescription => ({
  meaning: options.meaning,
  unit: options.unit,
  default: standard,
  range: `${options.min} to ${options.max}${orWord}`,
})

/** A whole number from `min` to `max`, `standard` when unset. */
export const wholeNumber = (standard: number, options: NumberOptions) =>
  defaultedParsedBy(String(standard), (text) => parseWholeNumber(text, options, '')).register(
    descriptions,
    describeNumber(options, String(standard), ''),
  )

/** A whole number, or a word for "no number"; `standard` when unset. */
export const wholeNumberOr = <W extends string>(word: W, standard: number | NoInfer<W>, options: NumberOptions) => {
  const orWord = `, or \`${word}\``
  const parse = (text: string): Parsed<number | W> =>
    text === word ? ok(word) : parseWholeNumber(text, options, orWord)
  return defaultedParsedBy(String(standard), parse).register(
    descriptions,
    describeNumber(options, String(standard), orWord),
  )
}

/** One of a few words. */
export const choice = <const W extends string>(words: readonly W[], standard: NoInfer<W>, meaning: string) =>
  defaultedParsedBy<W>(standard, (text) => {
    const word = words.find((candidate) => candidate === text)
    return word === undefined ? wrong(`is none of its words; set one of ${words.join(', ')}, or unset it`) : ok(word)
  }).register(descriptions, { meaning, unit: 'word', default: standard, range: words.join(', ') })

type TextOptions = {
  readonly meaning: string
  readonly unit: string
  readonly range: string
  /** What is shown as default of a variable that is absent when unset. */
  readonly absent?: string
  readonly accepts?: (text: string) => boolean
}

const parseText = (text: string, { accepts, range }: TextOptions): Parsed<string> =>
  accepts === undefined || accepts(text) ? ok(text) : wrong(`is not valid; set ${range}, or unset it`)

const describeText = (options: TextOptions, standard: string): VariableDescription => ({
  meaning: options.meaning,
  unit: options.unit,
  default: standard,
  range: options.range,
})

/** A text with a default. */
export const text = (standard: string, options: TextOptions) =>
  defaultedParsedBy(standard, (value) => parseText(value, options)).register(
    descriptions,
    describeText(options, standard),
  )

/** A secret that may be absent; see `Secret`. */
export const optionalSecret = (options: TextOptions) =>
  parsedBy((value) => {
    const parsed = parseText(value, options)
    return parsed.kind === 'ok' ? ok(new Secret(parsed.value)) : parsed
  })
    .optional()
    .register(descriptions, describeText(options, options.absent ?? 'none'))

/** A text that may be absent. */
export const optionalText = (options: TextOptions) =>
  parsedBy((value) => parseText(value, options))
    .optional()
    .register(descriptions, describeText(options, options.absent ?? 'none'))

type ListOptions<T> = TextOptions & {
  /** At most so many entries. */
  readonly maxCount: number
  /** The entry's value, or undefined when the entry is not legal. */
  readonly readEntry: (entry: string) => T | undefined
}

const parseList = <T>(value: string, { maxCount, readEntry, range }: ListOptions<T>): Parsed<readonly T[]> => {
  const texts = value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  if (texts.length === 0) return wrong(`has no entries; set ${range}, or unset it`)
  if (texts.length > maxCount) return wrong(`has more than ${maxCount} entries; set ${range}`)
  const entries: T[] = []
  for (const [index, entry] of texts.entries()) {
    const read = readEntry(entry)
    if (read === undefined) return wrong(`has an entry that is not valid, number ${index + 1}; set ${range}`)
    entries.push(read)
  }
  return ok(entries)
}

/** Comma-separated entries, blanks around them ignored; undefined when unset. */
export const optionalList = <T>(options: ListOptions<T>) =>
  parsedBy((value) => parseList(value, options))
    .optional()
    .register(descriptions, describeText(options, options.absent ?? 'none'))
