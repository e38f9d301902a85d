/** The schema's complaints in the words of an operator: what is wrong, what to set, and never the value. */
import { z } from 'zod'
import { nearestName } from '../nearest.ts'
import type { Path, Position, Problem } from './problem.ts'
import { type PolicyFile, policyFile } from './schema.ts'

export type FileShape =
  | { readonly kind: 'ok'; readonly file: PolicyFile }
  | { readonly kind: 'wrong'; readonly problems: readonly Problem[] }

/** `locateKey`: where a mapping's key is, for those that there should not be. */
export function checkShape(value: unknown, locateKey: (path: Path) => Position): FileShape {
  const parsed = policyFile.safeParse(value, { error: wordsOf, reportInput: false })
  if (parsed.success) return { kind: 'ok', file: parsed.data }
  if (value === null) return { kind: 'wrong', problems: [{ path: [], words: 'is empty; begin it with `version: 1`' }] }
  return { kind: 'wrong', problems: parsed.error.issues.flatMap((issue) => problemsOf(issue, locateKey)) }
}

function problemsOf(issue: z.core.$ZodIssue, locateKey: (path: Path) => Position): Problem[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path, words: unknownKeyWords(path, key), at: locateKey([...path, key]) }))
  if (issue.code === 'invalid_key') {
    const words = issue.issues[0]?.message ?? 'is no name'
    return [{ path: path.slice(0, -1), words: `has an entry whose key ${words}`, at: locateKey(path) }]
  }
  return [{ path, words: issue.message }]
}

function wordsOf(issue: z.core.$ZodRawIssue): string {
  if (issue.code === 'invalid_type') return typeWords(issue.expected, issue.input)
  if (issue.code === 'too_small') return `is ${sizeWords(issue.origin)[0]}; set ${issue.minimum} or more`
  if (issue.code === 'too_big') return `is ${sizeWords(issue.origin)[1]}; set ${issue.maximum} or less`
  if (issue.code === 'invalid_value')
    return `${issue.input === undefined ? 'is missing' : 'is none of its words'}; set ${issue.values.join(' or ')}`
  return 'is not valid'
}

const expectedWords = new Map([
  ['int', 'a whole number'],
  ['number', 'a number'],
  ['string', 'text'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['object', 'a mapping'],
  ['record', 'a mapping'],
])

function typeWords(expected: string, input: unknown): string {
  const wanted = expectedWords.get(expected) ?? expected
  if (input === undefined) return `is missing; add it (${wanted})`
  if (input === null) return `is empty; set ${wanted}, or remove it`
  if (expected === 'string' && typeof input !== 'object') return 'is no text; put it in quotes'
  if (typeof input === 'string' && /^\d+$/.test(input)) return `is in quotes; set ${wanted} without them`
  return `is not ${wanted}; set one`
}

function sizeWords(origin: string): readonly [string, string] {
  if (origin === 'string') return ['too short', 'too long']
  if (origin === 'array') return ['too short a list', 'too long a list']
  return ['too small', 'too large']
}

/** What a misspelling may change of a key, and by how much of its length. */
const misspeltShare = 0.34
const spell = (key: string) => key.toLowerCase().replaceAll(/[-_]/g, '')

/** The key itself is not said: its place is, and it may be a secret that lost its name. */
function unknownKeyWords(path: Path, key: string): string {
  const known = knownKeys(path)
  const meant = nearestName(key, known, Math.ceil(key.length * misspeltShare), spell)
  return meant === undefined
    ? `has a key here that there is not; remove it, or use one of ${known.join(', ')}`
    : `has a key here that there is not; did you mean ${meant}?`
}

function knownKeys(path: Path): readonly string[] {
  let here: z.core.$ZodType = policyFile
  for (const part of path) here = childOf(bare(here), part)
  const found = bare(here)
  return found instanceof z.ZodObject ? Object.keys(found.shape) : []
}

function childOf(schema: z.core.$ZodType, part: string | number): z.core.$ZodType {
  if (schema instanceof z.ZodObject) return schema.shape[part]
  if (schema instanceof z.ZodArray) return schema.element
  if (schema instanceof z.ZodRecord) return schema.valueType
  return schema
}

/** Without what says that it may be absent. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  const isWrapped = schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
  return isWrapped ? bare(schema.unwrap()) : schema
}
