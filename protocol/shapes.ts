import { z } from 'zod'
import { errorKinds } from './error.ts'
import {
  idPattern,
  metadataBytes,
  metadataEntries,
  metadataValueLength,
  partsMax,
  tapeBytes,
  tokenBytes,
} from './limits.ts'

/** What messages are made of. Numbers are integers below 2^53; a missing value is absent, never `null`. */

export const id = z.string().regex(idPattern, 'must match [A-Za-z0-9_-]{1,64}')
export const count = z.int().min(0)
export const instantMs = z.int().min(0).describe('milliseconds since 1970')
export const durationMs = z.int().min(0).describe('milliseconds')

export const seq = z.int().min(1).describe("a record's number in its session's log, counted from 1")
export const headSeq = z.int().min(0).describe('the number of the last record; 0: none yet')
export const mark = z.int().min(0).describe('chained over all records before; two histories never share one')
export const attempt = z.int().min(1)
export const part = z
  .int()
  .min(0)
  .max(partsMax - 1)
export const position = z.int().min(0).max(tapeBytes).describe('a byte offset on a tape, in UTF-8')
export const ends = z.array(position).max(partsMax).describe('positions by part; a missing one is 0')
export const token = z.string().min(1).max(tokenBytes)
export const model = z.string().min(1).max(128)
export const project = z.string().min(1).max(256)
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

const metadataKey = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, 'a key is a letter, then up to 63 of [A-Za-z0-9_.-]')
const metadataValue = z.union([z.string().max(metadataValueLength), z.number(), z.boolean()])
const metadataRecord = z
  .record(metadataKey, metadataValue)
  .refine((value) => utf8Bytes(JSON.stringify(value)) <= metadataBytes, tooManyBytes())
/** Counted before each entry is checked: an issue for each of 90,000 entries took 0.7 s. */
export const metadata = z.preprocess((value, context) => {
  const problem = findMetadataProblem(value)
  if (problem === undefined) return value
  context.issues.push({ code: 'custom', message: problem, input: undefined })
  return z.NEVER
}, metadataRecord)

function findMetadataProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  let entries = 0
  let length = 0
  // Keys of an object are texts.
  const record = value as Readonly<Record<string, unknown>>
  for (const key in record) {
    if (++entries > metadataEntries) return `at most ${metadataEntries} entries`
    const item = record[key]
    length += key.length + (typeof item === 'string' ? item.length : 0)
    if (length > metadataBytes) return tooManyBytes()
  }
  return undefined
}
function tooManyBytes(): string {
  return `at most ${metadataBytes} bytes of JSON`
}
function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length
}
export type Metadata = z.infer<typeof metadata>

/** Where a client is in a session: the last record it has, and its positions on the tapes of the attempt it knows. */
export const cursor = z.object({
  seq: headSeq,
  mark,
  turn: id.exactOptional(),
  attempt: attempt.exactOptional(),
  ends: ends.exactOptional(),
})
export type Cursor = z.infer<typeof cursor>

export const usage = z.object({
  inputTokens: count,
  outputTokens: count,
  cachedTokens: count.exactOptional(),
  reasoningTokens: count.exactOptional().describe('of the output tokens, those that were thought'),
  source: z
    .enum(['exact', 'bound', 'estimated', 'unknown'])
    .describe(
      'exact: the provider said; bound: at most, it did not say; estimated: a part is not known; unknown: nothing is',
    ),
})
export type Usage = z.infer<typeof usage>

export const cost = z.object({
  amount: z
    .string()
    .regex(/^\d+(\.\d+)?$/)
    .describe('a decimal number as text'),
  currency: z.string().regex(/^[A-Z]{3}$/),
})
export type Cost = z.infer<typeof cost>

export const refusalSchema = z.object({
  kind: z.enum(errorKinds),
  message: z.string(),
  retryable: z.boolean(),
  retryAfterMs: durationMs.exactOptional(),
})

/** What every record carries. `timeMs` is when the node that wrote it said so; `seq` orders, not the clock. */
export const recordFields = { seq, mark, timeMs: instantMs }
