import { z } from 'zod'
import { type Refusal, refusal } from '../../protocol/error.ts'
import { requestBodyBytes } from '../bounds.ts'
import { describeIssue } from '../parse-frame.ts'
import { readJson } from '../read-json.ts'

/** What a request brings, checked. Refusals name the place and the rule, never the value, which may be a user's text. */
export type Parsed<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** A whole number in a query, as the schema bounds it. */
export function wholeNumber(schema: z.ZodInt | z.ZodNumber) {
  return z
    .string()
    .regex(/^\d{1,16}$/, 'must be a whole number')
    .transform(Number)
    .pipe(schema)
}

export function readQuery<T>(request: Request, schema: z.ZodType<T>): Parsed<T> {
  const query = new URL(request.url).searchParams
  return parse(schema, Object.fromEntries(query), 'the query')
}

/** `whenEmpty`: what no body at all counts as; absent: a body is needed. */
export async function readBody<T>(request: Request, schema: z.ZodType<T>, whenEmpty?: unknown): Promise<Parsed<T>> {
  const bytes = await readBytes(request)
  if (bytes === undefined) return refused('too-large', `the body has more than ${requestBodyBytes} bytes`)
  if (bytes.length === 0 && whenEmpty !== undefined) return parse(schema, whenEmpty, 'the body')
  if (!isJson(request.headers.get('content-type'))) {
    return refused('invalid', 'content-type: must be application/json, in UTF-8')
  }
  const text = decode(bytes)
  if (text === undefined) return refused('invalid', 'the body is not UTF-8')
  const read = readJson(text)
  return read.kind === 'ok' ? parse(schema, read.value, 'the body') : refused('invalid', `the body ${read.message}`)
}

function parse<T>(schema: z.ZodType<T>, value: unknown, whole: string): Parsed<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return { kind: 'ok', value: parsed.data }
  return refused('invalid', describeIssue(parsed.error.issues[0], whole))
}

/** `undefined`: more than is taken. What is announced as too long is not read at all. */
async function readBytes(request: Request): Promise<Buffer | undefined> {
  if (Number(request.headers.get('content-length') ?? 0) > requestBodyBytes) return undefined
  if (request.body === null) return Buffer.alloc(0)
  // Copied into one buffer: a body in pieces of one byte, kept as pieces, takes 200 times its size.
  let body = Buffer.allocUnsafe(firstBodyBytes)
  let length = 0
  try {
    for await (const chunk of request.body) {
      if (length + chunk.length > requestBodyBytes) return undefined
      if (length + chunk.length > body.length) body = grown(body, length + chunk.length)
      body.set(chunk, length)
      length += chunk.length
    }
  } catch (error) {
    throw new BrokenBody(error)
  }
  return body.subarray(0, length)
}

/** The client ended its upload in the middle, or framed it as HTTP forbids. It gets no answer, and it is no fault of ours. */
export class BrokenBody extends Error {
  constructor(cause: unknown) {
    super('the request ended before its body did', { cause })
  }
}

function grown(body: Buffer, leastBytes: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafe(Math.max(leastBytes, 2 * body.length))
  larger.set(body)
  return larger
}

/** What a body's buffer begins with, in bytes; it doubles. */
const firstBodyBytes = 4 * 1024

function isJson(contentType: string | null): boolean {
  return /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(contentType ?? '')
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function refused(...parts: Parameters<typeof refusal>): { kind: 'refused'; refusal: Refusal } {
  return { kind: 'refused', refusal: refusal(...parts) }
}
