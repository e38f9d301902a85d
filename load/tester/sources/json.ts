import type { z } from 'zod'
import { type Item, SourceError } from './lines.ts'

/** Reads an item of a file by a schema. @throws SourceError that says what is missing or wrong in it. */
export function readItem<T>(file: string, { line, text }: Item, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(parsedJson(file, line, text))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new SourceError(file, line, `${issue?.path.join('.') || 'it'}: ${issue?.message}`)
}

function parsedJson(file: string, line: number, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new SourceError(file, line, `it is no JSON (${error instanceof Error ? error.message : String(error)})`)
  }
}
