import type { z } from 'zod'
import { idPattern, tokenBytes } from '../protocol/limits.ts'
import { hello } from '../protocol/up/hello.ts'
import { type Up, type UpOf, up } from '../protocol/up.ts'
import { refusedParseLength } from './bounds.ts'
import { readJson } from './read-json.ts'

export type ParsedFrame =
  | { readonly kind: 'ok'; readonly frame: Up }
  /** `ref`: the request's id, where one could be read. */
  | { readonly kind: 'invalid'; readonly ref?: string; readonly message: string }
  /** A `token.refresh` whose token is none. */
  | { readonly kind: 'bad-token'; readonly ref: string; readonly message: string }

/** A text frame as a message of the protocol, or why it is none. */
export function parseFrame(text: string): ParsedFrame {
  const read = readJson(text)
  if (read.kind === 'refused') return invalid(refAtHead(text), `the frame ${read.message}`)
  const parsed = up.safeParse(read.value)
  if (parsed.success) return { kind: 'ok', frame: parsed.data }
  const { issues } = parsed.error
  const ref = refOf(read.value)
  if (ref !== undefined && isRefresh(read.value) && issues.every(({ path }) => path[0] === 'token')) {
    return { kind: 'bad-token', ref, message: tokenFault(issues[0]) }
  }
  return invalid(ref, describeIssue(issues[0], 'the frame'))
}

/**
 * The first frame of a socket. Nothing but `hello` is checked against a schema. `bad-token`: all of it is right but for
 * the token, so another token may help.
 */
export function parseHello(text: string): { readonly kind: 'ok'; readonly frame: UpOf<'hello'> } | NoHello {
  const read = readJson(text)
  if (read.kind === 'refused') return { kind: 'invalid', message: `the first frame must be hello: it ${read.message}` }
  const parsed = hello.safeParse(read.value)
  if (parsed.success) return { kind: 'ok', frame: parsed.data }
  const { issues } = parsed.error
  if (issues.every(({ path }) => path[0] === 'token')) return { kind: 'bad-token', message: tokenFault(issues[0]) }
  const issue = describeIssue(issues[0], 'the frame')
  return { kind: 'invalid', message: `the first frame must be hello: ${issue}` }
}

interface NoHello {
  readonly kind: 'invalid' | 'bad-token'
  readonly message: string
}

/** What is wrong with a `token` that no verification is needed to refuse; short enough for a close frame. */
function tokenFault(issue: z.core.$ZodIssue | undefined): string {
  return issue?.code === 'too_big'
    ? `the token has more than ${tokenBytes} bytes: get one with fewer claims (groups, roles)`
    : 'the token must be a text that is not empty: get one, or leave it out'
}

/**
 * The `id` of a frame that is refused without being served, where finding it is cheap: of a short frame, or of one that
 * begins with its `type` and `id`.
 */
export function refOfRefused(text: string): string | undefined {
  if (text.length > refusedParseLength) return refAtHead(text)
  const read = readJson(text)
  return read.kind === 'ok' ? refOf(read.value) : undefined
}

function invalid(ref: string | undefined, message: string): ParsedFrame {
  return ref === undefined ? { kind: 'invalid', message } : { kind: 'invalid', ref, message }
}

function isRefresh(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'token.refresh'
}

function refOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('id' in value)) return undefined
  return typeof value.id === 'string' && idPattern.test(value.id) ? value.id : undefined
}

const headWithId = /^\s{0,8}\{\s{0,8}(?:"type"\s?:\s?"[a-z.]{1,32}"\s?,\s{0,8})?"id"\s?:\s?"([A-Za-z0-9_-]{1,64})"/

function refAtHead(text: string): string | undefined {
  return headWithId.exec(text)?.[1]
}

/**
 * Names the place and the rule, and never the value, which may be a user's text. A key that no schema has is one too, and
 * may be as long as the frame. `whole`: what to call the place when it is not a field.
 */
export function describeIssue(issue: z.core.$ZodIssue | undefined, whole: string): string {
  if (issue === undefined) return `${whole} does not fit the protocol`
  const path = issue.path.map((key) => (plainKey.test(String(key)) ? String(key) : '…')).join('.')
  if (issue.code === 'invalid_union' && path === 'type') return 'type: not a message that a client sends'
  return `${path === '' ? `${whole} must be an object` : path}: ${issue.message}`
}

const plainKey = /^[A-Za-z0-9_.-]{1,64}$/
