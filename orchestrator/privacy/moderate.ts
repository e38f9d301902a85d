/**
 * Asks a moderation endpoint of OpenAI's shape about a text.
 *
 * When the endpoint cannot say, the answer is `unknown`, and who asked lets nothing through: an operator who configured
 * moderation decided that nothing is said unchecked, and a turn that fails as `unavailable` can be sent again.
 */
import type { IncomingMessage } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import type { ApiKey } from '../policy.ts'
import { createHttpOrigin, type HttpOrigin } from '../providers/http-origin.ts'
import { moderationQuestionUnits, moderationReplyBytes, moderationTries, moderationTryMs } from './limits.ts'

export interface ModerationOptions {
  /** The endpoint itself, with its path: `https://…/v1/moderations`. */
  readonly url: string
  readonly key?: ApiKey
  readonly model: string
  /** URL of an HTTP proxy. Default: straight. */
  readonly proxy?: ApiKey
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
  const { url, proxy } = options
  const origin = createHttpOrigin(new URL(url), proxy === undefined ? {} : { proxy })
  return {
    async check(text, signal) {
      for (const part of partsOf(text)) {
        const verdict = await checkPart(origin, options, part, signal)
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
async function checkPart(
  origin: HttpOrigin,
  options: ModerationOptions,
  text: string,
  signal: AbortSignal,
): Promise<Verdict> {
  let why = ''
  for (let tries = 0; tries < moderationTries && !signal.aborted; tries++) {
    if (tries > 0) await setTimeout(moderationTryMs / 20, undefined, { signal }).catch(() => undefined)
    const reply = await ask(origin, options, text, signal).catch((error: unknown) => failure(error))
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
  origin: HttpOrigin,
  { key, model }: ModerationOptions,
  text: string,
  signal: AbortSignal,
): Promise<Extract<Verdict, { kind: 'fine' | 'flagged' }> | Failure> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key.reveal()}` }
  const json = JSON.stringify({ model, input: text })
  const ends = AbortSignal.any([signal, AbortSignal.timeout(moderationTryMs)])
  const response = await posted(origin, headers, json, ends)
  const status = response.statusCode ?? 0
  if (status !== 200) {
    response.destroy()
    return { why: `status ${status}`, isPassing: status === 429 || status >= 500 }
  }
  return verdictOf(await boundedBody(response))
}

/** Rejects when nothing is answered, and when the signal ends it, with the signal's reason; the body ends with it too. */
function posted(
  origin: HttpOrigin,
  headers: Readonly<Record<string, string>>,
  json: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const giveUp = origin.post(headers, json, {
      connected: () => undefined,
      answered(message) {
        signal.addEventListener('abort', () => message.destroy(signal.reason), { once: true })
        resolve(message)
      },
      failed: reject,
    })
    const stop = () => {
      giveUp()
      reject(signal.reason)
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
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
async function boundedBody(response: IncomingMessage): Promise<string | undefined> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of response) {
    // Without an encoding set, a body comes in buffers.
    const buffer = piece as Buffer
    bytes += buffer.length
    if (bytes > moderationReplyBytes) return undefined
    pieces.push(buffer)
  }
  return Buffer.concat(pieces).toString()
}

function failure(error: unknown): Failure {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return { why: code ?? (error instanceof Error ? error.name : 'failed'), isPassing: true }
}
