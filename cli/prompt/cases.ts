/** The cases that prompts are judged by: what is said to the model, and what its answer must be like. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { variableNames } from '../../orchestrator/prompts/template.ts'

const texts = z.union([
  z
    .string()
    .min(1)
    .transform((text) => [text]),
  z.array(z.string().min(1)).min(1),
])
const patterns = texts.refine((sources) => sources.every(isPattern), 'no regular expression')

const expectation = z.strictObject({
  /** Each must be in the answer, with any case of letters … */
  contains: texts.exactOptional(),
  /** … and none of these. */
  notContains: texts.exactOptional(),
  /** Regular expressions, of which each must match. */
  matches: patterns.exactOptional(),
  /** As the provider counts; where it does not, a case that says this fails. */
  maxTokens: z.int().min(1).exactOptional(),
  maxBytes: z.int().min(1).exactOptional(),
  /** The whole answer is JSON; an array or an object that has these keys. */
  json: z.union([z.literal(true), z.strictObject({ keys: z.array(z.string()) })]).exactOptional(),
})

const evalCase = z.strictObject({
  name: z.string().min(1),
  /** What the user says, one after the other; each but the last is answered first. The last answer is what counts. */
  messages: texts,
  values: z.partialRecord(z.enum(variableNames), z.string()).exactOptional(),
  expect: expectation,
})

const casesFile = z.strictObject({ cases: z.array(evalCase).min(1).max(1_000) })

export type EvalCase = z.infer<typeof evalCase>
export type Expectation = z.infer<typeof expectation>

export interface Answer {
  readonly text: string
  readonly outputTokens?: number
}

export interface Check {
  readonly what: string
  readonly passed: boolean
}

/** Throws, naming the file and what is wrong in it. */
export function readCases(path: string): readonly EvalCase[] {
  const read = casesFile.safeParse(parse(readFileSync(path, 'utf8')))
  if (read.success) return read.data.cases
  throw new Error(
    `unable to read ${path}: ${read.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`,
  )
}

/** One check for each thing that is expected. */
export function checkAnswer(expected: Expectation, { text, outputTokens }: Answer): readonly Check[] {
  const lower = text.toLowerCase()
  const bytes = Buffer.byteLength(text)
  const { contains = [], notContains = [], matches = [], maxTokens, maxBytes, json } = expected
  return [
    ...contains.map((part) => ({ what: `contains “${part}”`, passed: lower.includes(part.toLowerCase()) })),
    ...notContains.map((part) => ({ what: `does not contain “${part}”`, passed: !lower.includes(part.toLowerCase()) })),
    ...matches.map((source) => ({ what: `matches /${source}/`, passed: new RegExp(source, 'u').test(text) })),
    ...(maxTokens === undefined ? [] : [atMost(maxTokens, outputTokens, 'tokens')]),
    ...(maxBytes === undefined ? [] : [atMost(maxBytes, bytes, 'bytes')]),
    ...(json === undefined ? [] : [{ what: jsonText(json), passed: isJson(text, json === true ? [] : json.keys) }]),
  ]
}

function atMost(limit: number, found: number | undefined, unit: string): Check {
  return { what: `at most ${limit} ${unit} (${found ?? 'not told'})`, passed: found !== undefined && found <= limit }
}

function jsonText(json: NonNullable<Expectation['json']>): string {
  return json === true ? 'is JSON' : `is JSON with ${json.keys.join(', ')}`
}

function isJson(text: string, keys: readonly string[]): boolean {
  try {
    const value: unknown = JSON.parse(text)
    if (keys.length === 0) return true
    return typeof value === 'object' && value !== null && keys.every((key) => Object.hasOwn(value, key))
  } catch {
    return false
  }
}

function isPattern(source: string): boolean {
  try {
    return new RegExp(source, 'u') instanceof RegExp
  } catch {
    return false
  }
}
