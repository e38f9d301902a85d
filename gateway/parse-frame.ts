import type { z } from 'zod'
import { idPattern } from '../protocol/limits.ts'
import { type Up, up } from '../protocol/up.ts'

export type ParsedFrame =
  | { readonly kind: 'ok'; readonly frame: Up }
  /** `ref`: the request's id, where one could be read. */
  | { readonly kind: 'invalid'; readonly ref?: string; readonly message: string }

/** A text frame as a message of the protocol, or why it is none. */
export function parseFrame(text: string): ParsedFrame {
  const value = parseJson(text)
  if (value === undefined)
    return { kind: 'invalid', message: 'the frame is not JSON: send one JSON object in each text frame' }
  const parsed = up.safeParse(value)
  if (parsed.success) return { kind: 'ok', frame: parsed.data }
  const ref = refOf(value)
  const message = describeIssue(parsed.error.issues[0])
  return ref === undefined ? { kind: 'invalid', message } : { kind: 'invalid', ref, message }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('id' in value)) return undefined
  return typeof value.id === 'string' && idPattern.test(value.id) ? value.id : undefined
}

/** Names the place and the rule, and never the value, which may be the user's text. */
export function describeIssue(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'the frame does not fit the protocol'
  const path = issue.path.map(String).join('.')
  if (issue.code === 'invalid_union' && path === 'type') return 'type: not a message that a client sends'
  return path === '' ? `the frame must be an object: ${issue.message}` : `${path}: ${issue.message}`
}
