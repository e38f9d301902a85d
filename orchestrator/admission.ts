/**
 * What one node refuses by itself, before anything is written; what a subject may use is the budgets' (`reservation.ts`).
 * Refusals are values; the order is from the cheapest and surest to what another try may pass.
 */
import { type Refusal, refusal } from '../protocol/error.ts'
import { busyRetryMs, encodedContentBytes, unacknowledgedNodeBytes, unavailableRetryMs } from './limits.ts'
import { costOf, tooLong } from './prompt.ts'

export interface AdmissionLimits {
  /** The longest message, in UTF-8 bytes. */
  readonly contentBytes: number
  /** On this node. */
  readonly runningTurnsMax: number
  /** Text of all running turns that the store has not acknowledged, in bytes. Default: 256 MiB. */
  readonly unacknowledgedNodeBytes?: number
  /** The longest prompt, in estimated tokens. */
  readonly promptTokens: number
}

interface Applicant {
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

export function createAdmission(limits: AdmissionLimits): Admission {
  return { admit: (applicant, load) => refuseSize(applicant, limits) ?? refuseLoad(load, limits) }
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
