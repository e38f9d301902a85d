/**
 * What is refused before anything is written. Refusals are values; the order is from the cheapest and surest to what
 * another try may pass.
 */
import { type Refusal, refusal } from '../protocol/error.ts'
import {
  busyRetryMs,
  encodedContentBytes,
  ratedSubjectsMax,
  unacknowledgedNodeBytes,
  unavailableRetryMs,
} from './limits.ts'
import type { Clock } from './ports.ts'
import { costOf, tooLong } from './prompt.ts'

export interface AdmissionLimits {
  /** The longest message, in UTF-8 bytes. */
  readonly contentBytes: number
  /** Of one subject of one tenant; 0: no limit. */
  readonly messagesPerMinute: number
  /** On this node. */
  readonly runningTurnsMax: number
  /** Text of all running turns that the store has not acknowledged, in bytes. Default: 256 MiB. */
  readonly unacknowledgedNodeBytes?: number
  /** The longest prompt, in estimated tokens. */
  readonly promptTokens: number
}

interface Applicant {
  readonly owner: { readonly tenant: string; readonly subject: string }
  readonly content: string
  readonly system: string
}

/** What the node bears at the moment. */
export interface Load {
  readonly runningCount: number
  readonly unacknowledgedBytes: number
}

export interface Admission {
  /** Undefined: admitted. */
  admit(applicant: Applicant, load: Load): Refusal | undefined
}

export function createAdmission(limits: AdmissionLimits, clock: Pick<Clock, 'monotonicMs'>): Admission {
  const rate = createRate(limits.messagesPerMinute, clock)
  return {
    admit(applicant, load) {
      const notBorne = refuseSize(applicant, limits) ?? refuseLoad(load, limits)
      if (notBorne !== undefined) return notBorne
      const waitMs = rate.take(JSON.stringify([applicant.owner.tenant, applicant.owner.subject]))
      if (waitMs === 0) return undefined
      return refusal('rate-limited', `more than ${limits.messagesPerMinute} messages a minute`, waitMs)
    },
  }
}

function refuseSize({ content, system }: Applicant, limits: AdmissionLimits): Refusal | undefined {
  const bytes = Buffer.byteLength(content)
  if (bytes > limits.contentBytes)
    return refusal('too-large', `the message has ${bytes} bytes, more than ${limits.contentBytes}; shorten it`)
  // Only control characters, quotes and backslashes grow, at most sixfold, and there are two quotes around it all.
  if (bytes * 6 + 2 > encodedContentBytes && Buffer.byteLength(JSON.stringify(content)) > encodedContentBytes)
    return refusal('too-large', `the message as JSON has more than ${encodedContentBytes} bytes; shorten it`)
  if (costOf(content) + costOf(system) > limits.promptTokens) return tooLong(limits.promptTokens)
  return undefined
}

function refuseLoad({ runningCount, unacknowledgedBytes }: Load, limits: AdmissionLimits): Refusal | undefined {
  if (runningCount >= limits.runningTurnsMax)
    return refusal('busy', 'this gateway has as many answers under way as it may; send again', busyRetryMs)
  if (unacknowledgedBytes > (limits.unacknowledgedNodeBytes ?? unacknowledgedNodeBytes))
    return refusal('unavailable', 'the store takes no text at the moment; send again', unavailableRetryMs)
  return undefined
}

interface Bucket {
  readonly tokens: number
  readonly atMs: number
}

/** A token bucket for each key, a minute deep; `take` answers 0, or how long to wait. */
function createRate(perMinute: number, clock: Pick<Clock, 'monotonicMs'>): { take(key: string): number } {
  const buckets = new Map<string, Bucket>()
  return {
    take(key) {
      if (perMinute === 0) return 0
      const atMs = clock.monotonicMs()
      const before = buckets.get(key) ?? { tokens: perMinute, atMs }
      const tokens = Math.min(perMinute, before.tokens + ((atMs - before.atMs) * perMinute) / 60_000)
      // Deleted and set again, the map's order is that of the last use.
      buckets.delete(key)
      if (buckets.size >= ratedSubjectsMax) buckets.delete(buckets.keys().next().value ?? key)
      buckets.set(key, { tokens: tokens < 1 ? tokens : tokens - 1, atMs })
      return tokens < 1 ? Math.ceil(((1 - tokens) * 60_000) / perMinute) : 0
    },
  }
}
