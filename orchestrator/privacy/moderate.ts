/**
 * Asks a moderation endpoint of OpenAI's shape about a text.
 *
 * When the endpoint cannot say, the answer is `unknown`, and who asked lets nothing through: an operator who configured
 * moderation decided that nothing is said unchecked, and a turn that fails as `unavailable` can be sent again.
 */
import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import type { ApiKey } from '../policy.ts'
import { moderationQuestionUnits, moderationReplyBytes, moderationTries, moderationTryMs } from './limits.ts'

export interface ModerationOptions {
  /** The endpoint itself, with its path: `https://…/v1/moderations`. */
  readonly url: string
  readonly key?: ApiKey
  readonly model: string
}

export type Verdict =
  | { readonly kind: 'fine' }
  /** The categories as the endpoint names them, at most a few. */
  | { readonly kind: 'flagged'; readonly categories: readonly string[] }
  /** `why` is for the log, and quotes nothing. */
  | { readonly kind: 'unknown'; readonly why: string }

export interface Moderator {
  /** Never rejects. The signal ends it at once, as `unknown`. */
  check(text: string, signal: AbortSignal): Promise<Verdict>
}

export function createModerator(options: ModerationOptions): Moderator {
  return {
    async check(text, signal) {
      for (const part of partsOf(text)) {
        const verdict = await checkPart(options, part, signal)
        if (verdict.kind !== 'fine') return verdict
      }
      return { kind: 'fine' }
    },
  }
}

/** A long message in parts that overlap by a sixteenth, so that nothing hides across a border. */
function partsOf(text: string): string[] {
  const parts: string[] = []
  const step = moderationQuestionUnits - moderationQuestionUnits / 16
  for (let at = 0; at === 0 || at + moderationQuestionUnits - step < text.length; at += step) {
    parts.push(text.slice(at, at + moderationQuestionUnits).toWellFormed())
  }
  return parts
}

/** What may pass by itself is asked again: no answer, a status of overload or of a server's fault. */
async function checkPart(options: ModerationOptions, text: string, signal: AbortSignal): Promise<Verdict> {
  let why = ''
  for (let tries = 0; tries < moderationTries && !signal.aborted; tries++) {
    if (tries > 0) await setTimeout(moderationTryMs / 20, undefined, { signal }).catch(() => undefined)
    const reply = await ask(options, text, signal).catch((error: unknown) => failure(error))
    if (!('why' in reply)) return reply
    why = reply.why
    if (!reply.isPassing) break
  }
  return { kind: 'unknown', why: why || 'aborted' }
}

interface Failure {
  readonly why: string
  readonly isPassing: boolean
}

async function ask(
  { url, key, model }: ModerationOptions,
  text: string,
  signal: AbortSignal,
): Promise<Extract<Verdict, { kind: 'fine' | 'flagged' }> | Failure> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key.reveal()}` }) },
    body: JSON.stringify({ model, input: text }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(moderationTryMs)]),
    redirect: 'error',
  })
  const { status } = response
  if (status !== 200) {
    await response.body?.cancel()
    return { why: `status ${status}`, isPassing: status === 429 || status >= 500 }
  }
  return verdictOf(await boundedText(response))
}

const moderation = z.object({
  results: z
    .array(z.object({ flagged: z.boolean(), categories: z.record(z.string(), z.unknown()).default({}) }))
    .min(1),
})

function verdictOf(body: string | undefined): Extract<Verdict, { kind: 'fine' | 'flagged' }> | Failure {
  const parsed = moderation.safeParse(jsonOf(body))
  if (!parsed.success) return { why: 'not a moderation', isPassing: false }
  const flagged = parsed.data.results.filter((result) => result.flagged)
  if (flagged.length === 0) return { kind: 'fine' }
  return {
    kind: 'flagged',
    categories: [...new Set(flagged.flatMap(({ categories }) => namesOf(categories)))].slice(0, 5),
  }
}

/** They are told to the user, so nothing but a name is taken for one. */
function namesOf(categories: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(categories).filter((name) => categories[name] === true && /^[a-z][a-z_/ -]{0,40}$/i.test(name))
}

function jsonOf(body: string | undefined): unknown {
  try {
    return body === undefined ? undefined : JSON.parse(body)
  } catch {
    return undefined
  }
}

/** Undefined: longer than a reply can be. */
async function boundedText(response: Response): Promise<string | undefined> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response.body ?? []) {
    bytes += piece.length
    if (bytes > moderationReplyBytes) return undefined
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

function failure(error: unknown): Failure {
  return { why: error instanceof Error ? error.name : 'failed', isPassing: true }
}
